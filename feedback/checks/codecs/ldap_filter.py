"""LDAP's search filters: from how people write them (RFC 4515) to how servers read them (RFC 4511, 4.5.1.7). Pure."""

import re

from feedback.checks.codecs import ber

AND, OR, NOT = 0xA0, 0xA1, 0xA2
EQUAL, SUBSTRINGS, GREATER, LESS, PRESENT, APPROXIMATE, EXTENSIBLE = 0xA3, 0xA4, 0xA5, 0xA6, 0x87, 0xA8, 0xA9
_INITIAL, _ANY, _FINAL = 0x80, 0x81, 0x82
_RULE, _TYPE, _VALUE, _DN_ATTRIBUTES = 0x81, 0x82, 0x83, 0x84

_LISTS = {"&": AND, "|": OR, "!": NOT}
_COMPARISONS = {"=": EQUAL, ">=": GREATER, "<=": LESS, "~=": APPROXIMATE}

MAX_DEPTH = 50

_OID = r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)"
_DESCRIPTION = rf"{_OID}(?:;[A-Za-z0-9-]+)*"

ATTRIBUTE = re.compile(_DESCRIPTION)
"""An attribute's description (RFC 4512, 2.5): its name or OID, and options."""

_ITEM = re.compile(
    rf"(?P<type>{_DESCRIPTION})?(?P<dn>:[dD][nN])?(?::(?P<rule>{_OID}))?(?P<how>:=|=|>=|<=|~=)(?P<value>[^()\0]*)"
)
_ESCAPED = re.compile(r"\\([0-9A-Fa-f]{2})|\\")


def parse_filter(text: str) -> bytes:
    """Return a filter as a search request has it. Raises ValueError that says what is wrong where."""
    parser = _Parser(text)
    encoded = parser.filter(MAX_DEPTH)
    parser.end()
    return encoded


class _Parser:
    """Goes through a filter from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def filter(self, depth: int) -> bytes:
        """Return what stands between the next parentheses."""
        if not depth:
            raise ValueError(f"must not go deeper than {MAX_DEPTH} parentheses")
        self._skip("(")
        kind = _LISTS.get(self._next())
        encoded = self._item() if kind is None else self._list(kind, depth - 1)
        self._skip(")")
        return encoded

    def end(self) -> None:
        """Raise ValueError unless all has been read."""
        if self._at < len(self._text):
            raise self._wrong("the end")

    def _list(self, kind: int, depth: int) -> bytes:
        """Return filters that are combined. An empty AND is true, an empty OR is false (RFC 4526)."""
        self._at += 1
        if kind == NOT:
            return ber.element(kind, self.filter(depth))
        filters = []
        while self._next() == "(":
            filters.append(self.filter(depth))
        return ber.element(kind, *filters)

    def _item(self) -> bytes:
        match = _ITEM.match(self._text, self._at)
        if match is None or not _is_comparison(match):
            raise self._wrong("a comparison, like uid=monitor")
        kind, rule, how, dn = match["type"], match["rule"], match["how"], match["dn"]
        value = match["value"]
        if "*" in value and how != "=":
            raise self._wrong("a comparison with = for asterisks")
        self._at = match.end()
        if how == ":=":
            return _extensible(kind, rule, value, bool(dn))
        if "*" in value:
            return _substrings(kind, value)
        return ber.element(_COMPARISONS[how], ber.string(kind), ber.element(ber.OCTET_STRING, _unescaped(value)))

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, letter: str) -> None:
        if self._next() != letter:
            raise self._wrong(f'"{letter}"')
        self._at += 1

    def _wrong(self, wanted: str) -> ValueError:
        rest = self._text[self._at : self._at + 20]
        found = f'"{rest}"' if rest else "the end"
        return ValueError(f"must be a filter, like (objectClass=*): where there is {found}, it must have {wanted}")


def _is_comparison(match: re.Match[str]) -> bool:
    """Return whether there is something to compare, and a rule only where one may be."""
    has_rule = bool(match["dn"] or match["rule"])
    return bool(match["type"] or match["rule"]) and (match["how"] == ":=" or not has_rule)


def _substrings(kind: str, value: str) -> bytes:
    """Return a comparison with `*` in it, or the question whether there is such an attribute at all."""
    if not value.strip("*"):
        return ber.string(kind, PRESENT)
    initial, *middle, final = value.split("*")
    tagged = [(_INITIAL, initial), *((_ANY, part) for part in middle), (_FINAL, final)]
    parts = [ber.element(tag, _unescaped(part)) for tag, part in tagged if part]
    return ber.element(SUBSTRINGS, ber.string(kind), ber.element(ber.SEQUENCE, *parts))


def _extensible(kind: str | None, rule: str | None, value: str, dn_attributes: bool) -> bytes:
    """Return a comparison by a rule of one's own choice, with an attribute or with all that know the rule."""
    return ber.element(
        EXTENSIBLE,
        ber.string(rule, _RULE) if rule else b"",
        ber.string(kind, _TYPE) if kind else b"",
        ber.element(_VALUE, _unescaped(value)),
        ber.boolean(True, _DN_ATTRIBUTES) if dn_attributes else b"",
    )


def _unescaped(value: str) -> bytes:
    """Return a value's bytes, of which those that have a meaning in filters are written as hexadecimal digits."""
    parts = []
    end = 0
    for match in _ESCAPED.finditer(value):
        if match[1] is None:
            raise ValueError(f'must have two hexadecimal digits after a backslash, like \\5c: "{value}" has not')
        parts += [value[end : match.start()].encode(), bytes.fromhex(match[1])]
        end = match.end()
    return b"".join((*parts, value[end:].encode()))
