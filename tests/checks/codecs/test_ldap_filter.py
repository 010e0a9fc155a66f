"""LDAP's filters: the examples of RFC 4515, what is no filter, and any filter that can be written."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import ber, ldap_filter
from feedback.checks.codecs.ldap_filter import parse_filter


def compared(tag: int, kind: str, value: bytes) -> bytes:
    return ber.element(tag, ber.string(kind), ber.element(ber.OCTET_STRING, value))


def equal(kind: str, value: bytes) -> bytes:
    return compared(0xA3, kind, value)


def present(kind: str) -> bytes:
    return ber.element(0x87, kind.encode())


def substrings(kind: str, *parts: tuple[int, bytes]) -> bytes:
    return ber.element(0xA4, ber.string(kind), ber.element(0x30, *(ber.element(tag, part) for tag, part in parts)))


def extensible(*parts: tuple[int, bytes]) -> bytes:
    return ber.element(0xA9, *(ber.element(tag, part) for tag, part in parts))


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        # RFC 4515, 4
        ("(cn=Babs Jensen)", equal("cn", b"Babs Jensen")),
        ("(!(cn=Tim Howes))", ber.element(0xA2, equal("cn", b"Tim Howes"))),
        (
            "(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))",
            ber.element(
                0xA0,
                equal("objectClass", b"Person"),
                ber.element(0xA1, equal("sn", b"Jensen"), substrings("cn", (0x80, b"Babs J"))),
            ),
        ),
        ("(o=univ*of*mich*)", substrings("o", (0x80, b"univ"), (0x81, b"of"), (0x81, b"mich"))),
        ("(seeAlso=)", equal("seeAlso", b"")),
        (
            "(cn:caseExactMatch:=Fred Flintstone)",
            extensible((0x81, b"caseExactMatch"), (0x82, b"cn"), (0x83, b"Fred Flintstone")),
        ),
        ("(cn:=Betty Rubble)", extensible((0x82, b"cn"), (0x83, b"Betty Rubble"))),
        (
            "(sn:dn:2.4.6.8.10:=Barney Rubble)",
            extensible((0x81, b"2.4.6.8.10"), (0x82, b"sn"), (0x83, b"Barney Rubble"), (0x84, b"\xff")),
        ),
        ("(o:dn:=Ace Industry)", extensible((0x82, b"o"), (0x83, b"Ace Industry"), (0x84, b"\xff"))),
        ("(:1.2.3:=Wilma Flintstone)", extensible((0x81, b"1.2.3"), (0x83, b"Wilma Flintstone"))),
        ("(:DN:2.4.6.8.10:=Dino)", extensible((0x81, b"2.4.6.8.10"), (0x83, b"Dino"), (0x84, b"\xff"))),
        (
            r"(o=Parens R Us \28for all your parenthetical needs\29)",
            equal("o", b"Parens R Us (for all your parenthetical needs)"),
        ),
        (r"(cn=*\2A*)", substrings("cn", (0x81, b"*"))),
        (r"(filename=C:\5cMyFile)", equal("filename", b"C:\\MyFile")),
        (r"(bin=\00\00\00\04)", equal("bin", b"\0\0\0\4")),
        (r"(sn=Lu\c4\8di\c4\87)", equal("sn", "Lučić".encode())),
        (r"(1.3.6.1.4.1.1466.0=\04\02\48\69)", equal("1.3.6.1.4.1.1466.0", b"\x04\x02Hi")),
        # others
        ("(objectClass=*)", present("objectClass")),
        ("(objectClass=**)", present("objectClass")),
        ("(cn=*end)", substrings("cn", (0x82, b"end"))),
        ("(cn=a**b)", substrings("cn", (0x80, b"a"), (0x82, b"b"))),
        ("(cn;lang-de;x-y=Köln)", equal("cn;lang-de;x-y", "Köln".encode())),
        ("(uidNumber>=1000)", compared(0xA5, "uidNumber", b"1000")),
        ("(uidNumber<=2000)", compared(0xA6, "uidNumber", b"2000")),
        ("(sn~=Mair)", compared(0xA8, "sn", b"Mair")),
        ("(&)", b"\xa0\x00"),  # RFC 4526: true
        ("(|)", b"\xa1\x00"),  # false
        ("(cn:dnQualifier:=x)", extensible((0x81, b"dnQualifier"), (0x82, b"cn"), (0x83, b"x"))),
        ("(cn=a=b)", equal("cn", b"a=b")),
    ],
)
def test_filters_are_read_as_the_rfc_means_them(text: str, encoded: bytes) -> None:
    assert parse_filter(text).hex() == encoded.hex()


AS_A_FILTER = "must be a filter, like (objectClass=*): where there is "


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", f'{AS_A_FILTER}the end, it must have "("'),
        ("uid=monitor", f'{AS_A_FILTER}"uid=monitor", it must have "("'),
        ("(uid=monitor", f'{AS_A_FILTER}the end, it must have ")"'),
        ("(uid=monitor))", f'{AS_A_FILTER}")", it must have the end'),
        ("(&(uid=monitor)", f'{AS_A_FILTER}the end, it must have ")"'),
        ("(&uid=monitor)", f'{AS_A_FILTER}"uid=monitor)", it must have ")"'),
        ("(!)", f'{AS_A_FILTER}")", it must have "("'),
        ("(!(a=b)(c=d))", f'{AS_A_FILTER}"(c=d))", it must have ")"'),
        ("()", f'{AS_A_FILTER}")", it must have a comparison, like uid=monitor'),
        ("(monitor)", f'{AS_A_FILTER}"monitor)", it must have a comparison, like uid=monitor'),
        ("(=x)", f'{AS_A_FILTER}"=x)", it must have a comparison, like uid=monitor'),
        ("(:dn:=x)", f'{AS_A_FILTER}":dn:=x)", it must have a comparison, like uid=monitor'),
        ("(cn:dn=x)", f'{AS_A_FILTER}"cn:dn=x)", it must have a comparison, like uid=monitor'),
        ("(cn:caseExactMatch=x)", f'{AS_A_FILTER}"cn:caseExactMatch=x)", it must have a comparison, like uid=monitor'),
        ("(uid>=a*)", f'{AS_A_FILTER}"uid>=a*)", it must have a comparison with = for asterisks'),
        ("(uid:=a*)", f'{AS_A_FILTER}"uid:=a*)", it must have a comparison with = for asterisks'),
        ("(uid=a(b)", f'{AS_A_FILTER}"(b)", it must have ")"'),
        ("(uid=a\0b)", f'{AS_A_FILTER}"\0b)", it must have ")"'),
        (r"(uid=a\zz)", r'must have two hexadecimal digits after a backslash, like \5c: "a\zz" has not'),
        ("(uid=a\\)", r'must have two hexadecimal digits after a backslash, like \5c: "a\" has not'),
        ("(!" * 60 + "(a=b)" + ")" * 60, "must not go deeper than 50 parentheses"),
    ],
)
def test_what_is_no_filter_is_refused_with_the_place(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="must") as refusal:
        parse_filter(text)
    assert str(refusal.value) == sentence


KINDS = st.sampled_from(["cn", "objectClass", "2.5.4.3", "cn;lang-en"])
VALUES = st.binary(max_size=8)
COMPARISONS = {"=": ldap_filter.EQUAL, ">=": ldap_filter.GREATER, "<=": ldap_filter.LESS, "~=": ldap_filter.APPROXIMATE}

Written = tuple[str, bytes]


def escaped(value: bytes) -> str:
    return "".join(f"\\{byte:02x}" if chr(byte) in "*()\\\0" or byte > 126 else chr(byte) for byte in value)


@st.composite
def comparisons(draw: st.DrawFn) -> Written:
    kind, value, how = draw(KINDS), draw(VALUES), draw(st.sampled_from(list(COMPARISONS)))
    return f"({kind}{how}{escaped(value)})", compared(COMPARISONS[how], kind, value)


def combined(children: st.SearchStrategy[Written]) -> st.SearchStrategy[Written]:
    @st.composite
    def draw_one(draw: st.DrawFn) -> Written:
        sign, tag = draw(st.sampled_from([("&", 0xA0), ("|", 0xA1), ("!", 0xA2)]))
        parts = draw(st.lists(children, min_size=1, max_size=1 if sign == "!" else 4))
        return f"({sign}{''.join(text for text, _ in parts)})", ber.element(tag, *(encoded for _, encoded in parts))

    return draw_one()


@given(st.recursive(comparisons(), combined, max_leaves=8))
def test_any_filter_that_is_written_is_read(written: Written) -> None:
    text, encoded = written
    assert parse_filter(text) == encoded


@given(st.text(alphabet="()&|!=<>~:*\\a1.;-é\0", max_size=20))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        encoded = parse_filter(text)
        assert len(ber.Reader(encoded).take()[1]) < len(encoded)
