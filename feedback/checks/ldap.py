"""The `ldap` check: whether a directory lets one in, and finds what it must have."""

import contextlib
import re
from dataclasses import field
from typing import Annotated, Literal

import msgspec

from feedback.checks.codecs import ldap_filter, ldap_message
from feedback.checks.codecs.ldap_message import Entry, Reference, Result
from feedback.checks.credentials import Password
from feedback.checks.matching import regex
from feedback.checks.secured import TlsCheck
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Net, Stream, Target

ANSWER_LIMIT_BYTES = 1 << 20
"""How much a server may say in one check."""

SHOWN_VALUES, SHOWN_LETTERS = 3, 60

_NAMING_CONTEXTS = "namingContexts"
_NO_ATTRIBUTES = "1.1"  # RFC 4511, 4.5.1.8

Count = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
Least = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class LdapCheck(TlsCheck, name="ldap"):
    """Pass when a directory accepts a bind, and a search finds what it must.

    Without options, the bind is anonymous, and the server's own entry, the root DSE, is looked up: that shows that the
    server works, and not whether its database does. `base` looks up an entry in there; with `search_scope` and `filter`
    what is below it. At least one entry must be found, or as many as `entries` or `min_entries` say, and no more are
    asked for than it takes to know. A referral to another server is not followed, and counts for nothing.

    `expect` says what values must look like: each entry found must have the attribute, with a value in which the
    regular expression is found. The detail shows what was found of `attributes` and of those in `expect`.

    With `starttls`, the server must go on in TLS before anything else is said. A password is sent in TLS only, unless
    `login_without_tls` allows the other.

    Examples:

        - ldap: {}
        - ldap: {base: "dc=example,dc=com", expect: {dc: ^example$}}
        - ldap: {starttls: true, sni: ldap.example.com, base: "ou=people,dc=example,dc=com", search_scope: one,
                 filter: (&(objectClass=person)(uid=monitor)), entries: 1}
    """

    starttls: Annotated[bool, "go on in TLS by StartTLS, which the server must know"] = False
    user: Annotated[str | None, "DN to bind as, or what else the server takes for a name"] = None
    password: Annotated[Password | None, "that user's password"] = None
    login_without_tls: Annotated[bool, "send the password also without TLS, for everyone on the way to read"] = False
    base: Annotated[str, "DN of the entry to look up, or to search from; by default the root DSE"] = ""
    search_scope: Annotated[Literal["base", "one", "sub"], "that entry, those right below it, or it and all below"] = (
        "base"
    )
    filter: Annotated[str, "which entries to look for, as RFC 4515 writes it"] = "(objectClass=*)"
    attributes: Annotated[list[str], "attributes to show; of the root DSE, namingContexts"] = field(
        default_factory=list
    )
    expect: Annotated[dict[str, str], "regular expressions, by the attribute in which they must be found"] = field(
        default_factory=dict
    )
    entries: Annotated[Count | None, "how many entries must be found, exactly"] = None
    min_entries: Annotated[Least | None, "how many entries must be found at least, 1 unless entries says otherwise"] = (
        None
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.user is None) != (self.password is None):
            raise ValueError("must have both user and password, or neither")
        if self.user == "":
            raise ValueError("user: must not be empty; leave it out to bind anonymously")
        if self.user is not None and not (self.speaks_tls() or self.login_without_tls):
            raise ValueError("password: would be sent without TLS: set starttls, or else login_without_tls")
        if self.entries is not None and self.min_entries is not None:
            raise ValueError("must have at most one of entries and min_entries")
        self._patterns = {name: regex(f"expect.{name}", pattern) for name, pattern in self.expect.items()}
        self._shown = _selected(self.attributes or ([] if self.base else [_NAMING_CONTEXTS]), list(self.expect))
        self._least = (self.min_entries or 1) if self.entries is None else self.entries
        # For an exact number, one more entry shows that there are too many
        self._most = self._least if self.entries is None else self.entries + 1
        password = self.password.reveal() if self.password else ""
        self._bind = ldap_message.bind(self.user or "", password)
        self._search = self._encoded_search()

    def speaks_tls(self) -> bool:
        """Return whether TLS is spoken from the start or later."""
        return self.over_tls or self.starttls

    def _encoded_search(self) -> bytes:
        """Return the search. Raises ValueError where the filter is none."""
        try:
            encoded_filter = ldap_filter.parse_filter(self.filter)
        except ValueError as error:
            raise ValueError(f"filter: {error}") from None
        scope = ldap_message.SCOPES[self.search_scope]
        return ldap_message.search(self.base, scope, self._most, encoded_filter, self._shown or [_NO_ATTRIBUTES])

    async def probe(self, target: Target, net: Net) -> str:
        """Bind, search, and say goodbye."""
        async with net.connect_tcp(target) as stream:
            talk = _Talk(net, stream)
            try:
                expires = await self._secured(talk, stream, target)
                require_success(await talk.ask("bind", self._bind, ldap_message.BIND_RESPONSE), login=True)
                found = await talk.search(self._search)
                seen = self._judge(found)
            finally:
                await talk.unbind()
        bound = f"bound as {self.user}" if self.user else ""
        return ", ".join(filter(None, (expires, bound, *seen)))

    async def _secured(self, talk: "_Talk", stream: Stream, target: Target) -> str:
        """Go on in TLS where that is wanted, and return when the certificate expires, in words."""
        if self.starttls:
            result = await talk.ask("StartTLS", ldap_message.start_tls(), ldap_message.EXTENDED_RESPONSE)
            if result.code != ldap_message.SUCCESS:
                raise CheckFailed(Reason.TLS, f"{result}, must be 0 success")
            talk.enter("TLS")
        return await self.secure(stream, target) if self.speaks_tls() else ""

    def _judge(self, found: "_Found") -> list[str]:
        """Return what is worth telling of what was found."""
        count = len(found.entries)
        cut = found.result.code == ldap_message.SIZE_LIMIT_EXCEEDED and count >= self._most
        if not cut:
            require_success(found.result)
        if count < self._least or (self.entries is not None and count > self.entries):
            wanted = str(self._least) if self.entries is not None else f"{self._least} at least"
            raise CheckFailed(Reason.CONTENT, f"{found.words(cut)}, must be {wanted}")
        for entry in found.entries:
            for name, pattern in self._patterns.items():
                _match(entry, name, pattern)
        shown = _values_of(found.entries[0], self._shown) if found.entries else []
        return [found.words(cut), *shown]


class _Found(msgspec.Struct, frozen=True):
    """What a search has come to."""

    entries: list[Entry]
    references: list[str]
    result: Result

    def words(self, cut: bool) -> str:
        """Return how many entries there are; `cut`: the server has stopped where it was told to."""
        words = f"{len(self.entries)} {'entry' if len(self.entries) == 1 else 'entries'}"
        if cut:
            words += " or more"
        return f"{words}, and others at {', '.join(self.references)}" if self.references else words


class _Talk:
    """A dialogue under way: one request, and what answers it."""

    def __init__(self, net: Net, stream: Stream) -> None:
        self._net = net
        self._stream = stream
        self._id = 0
        self._listens = False  # the server has answered, and waits for a request
        self._bytes_left = ANSWER_LIMIT_BYTES

    def enter(self, stage: str) -> None:
        """Begin something that the server has to answer."""
        self._listens = False
        self._net.stage(stage)

    async def ask(self, stage: str, operation: bytes, answer: int) -> Result:
        """Return the result of an operation that is answered by it alone."""
        await self._request(stage, operation)
        content = await self._hear()
        if not isinstance(content, Result):
            raise CheckFailed(Reason.PROTOCOL, "an answer to a search, which was not asked for")
        return self._ended(content, answer)

    async def search(self, operation: bytes) -> _Found:
        """Return what a search finds."""
        await self._request("search", operation)
        entries: list[Entry] = []
        references: list[str] = []
        while not isinstance(content := await self._hear(), Result):
            if isinstance(content, Reference):
                references.extend(content.uris)
            else:
                entries.append(content)
        return _Found(entries, references, self._ended(content, ldap_message.SEARCH_DONE))

    async def unbind(self) -> None:
        """Say goodbye to a server that listens. What came before is what counts."""
        if self._listens:
            with contextlib.suppress(CheckFailed, LocalFault):
                await self._stream.write(ldap_message.request(self._id + 1, ldap_message.unbind()))

    async def _request(self, stage: str, operation: bytes) -> None:
        self.enter(stage)
        self._id += 1
        await self._stream.write(ldap_message.request(self._id, operation))

    def _ended(self, result: Result, kind: int) -> Result:
        if result.kind != kind:
            raise CheckFailed(Reason.PROTOCOL, f"an answer of another kind, {result.kind:#04x}, must be {kind:#04x}")
        self._listens = True
        return result

    async def _hear(self) -> Result | Entry | Reference:
        """Return the next thing that is said to our request. What is said to none is passed over, but for the end."""
        while (message := ldap_message.read_body(await self._body())).id != self._id:
            if message.id:
                raise CheckFailed(Reason.PROTOCOL, f"an answer to request {message.id}, must be to {self._id}")
            content = message.content
            if isinstance(content, Result) and content.name == ldap_message.NOTICE_OF_DISCONNECTION:
                raise CheckFailed(Reason.STATUS, f"the server ends the connection: {content}")
        return message.content

    async def _body(self) -> bytes:
        head = await self._stream.read_exactly(ldap_message.HEAD_BYTES)
        head += await self._stream.read_exactly(ldap_message.further_head_bytes(head))
        length = ldap_message.body_length(head)
        self._bytes_left -= length
        if self._bytes_left < 0:
            raise CheckFailed(Reason.LIMIT, f"more than {ANSWER_LIMIT_BYTES} bytes of answers")
        return await self._stream.read_exactly(length)


def require_success(result: Result, *, login: bool = False) -> None:
    """Raise CheckFailed unless a result is a success."""
    if result.code != ldap_message.SUCCESS:
        reason = Reason.AUTH if login and result.code in ldap_message.NO_LOGIN else Reason.STATUS
        raise CheckFailed(reason, f"{result}, must be 0 success")


def _selected(attributes: list[str], expected: list[str]) -> list[str]:
    """Return the attributes to ask for. Raises ValueError where one can't be."""
    for option, names in (("attributes", attributes), ("expect", expected)):
        for name in names:
            if not ldap_filter.ATTRIBUTE.fullmatch(name):
                raise ValueError(f"{option}: must be attributes, like cn, not {name}")
    return list(dict.fromkeys((*attributes, *expected)))


def _match(entry: Entry, name: str, pattern: re.Pattern[str]) -> None:
    values = entry.attributes.get(name.lower(), ())
    if not any(map(pattern.search, values)):
        found = f"{name} is {_show(values)}" if values else f"there is no {name}"
        raise CheckFailed(Reason.CONTENT, f"{entry.dn or 'root DSE'}: {found}, must match {pattern.pattern}")


def _values_of(entry: Entry, names: list[str]) -> list[str]:
    """Return an entry's attributes of these names, in words."""
    return [f"{name}: {_show(values)}" for name in names if (values := entry.attributes.get(name.lower()))]


def _show(values: tuple[str, ...]) -> str:
    shown = [value if len(value) <= SHOWN_LETTERS else f"{value[:SHOWN_LETTERS]}…" for value in values[:SHOWN_VALUES]]
    more = len(values) - len(shown)
    return " and ".join([*shown, f"{more} more"] if more else shown)
