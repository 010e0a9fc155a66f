"""The `dns` check: one question, and what its answer must be."""

from collections.abc import Sequence
from dataclasses import field
from typing import Annotated, Literal

import msgspec

from feedback.checks.codecs import dns_message
from feedback.checks.codecs.dns_message import Answer, Question
from feedback.checks.dns_client import ask_over_stream, ask_over_udp
from feedback.checks.dns_serial import Comparison, Serial
from feedback.checks.matching import regex
from feedback.checks.secured import TlsCheck
from feedback.errors import CheckFailed, Reason
from feedback.net import Net, Target

SHOWN_RECORDS = 3

Rcode = Literal[
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH"
]


class DnsCheck(TlsCheck, name="dns"):
    """Pass when the answer to one question has the wanted rcode, flags and records.

    Unless told otherwise it asks for the SOA record of the root, which a resolver knows; an authoritative server is to
    be asked for a zone of its own. Over UDP it asks twice, and over TCP when the answer is truncated. `transport: tls`
    is DNS over TLS, on the destination's own port: give `port: 853` where that is another one.

    `serial` compares the zone's serial (RFC 1982) with that of its `authority`, which is asked over UDP, or with the
    newest one among the service's destinations. It must be the same, or behind by at most `max_behind`, or behind for
    at most `max_behind_for`, a time that begins anew when the serial changes. Give it one: until an update has gone
    round, all destinations are behind. A serial that is ahead of the authority's fails: such a server has what the
    authority never gave it, and will take nothing more from it. When the authority can't be asked, the outcome is
    UNKNOWN, and nothing is removed. The answer must be authoritative, too.

    Examples:
        - dns: {query_name: www.example.com, query_type: AAAA, answer: ["2001:db8::80"]}
        - dns: {transport: tls, port: 853, sni: dns.example.com, dnssec: true}
        - dns: {query_name: example.com, serial: {authority: 192.0.2.53, max_behind_for: 5m}}
    """

    query_name: Annotated[str, "name to ask for"] = "."
    query_type: Annotated[str, "type of the records to ask for, like AAAA, TYPE65 or ANY"] = "SOA"
    query_class: Annotated[str, "class of the records to ask for"] = "IN"
    transport: Annotated[Literal["udp", "tcp", "tls"], "how to ask"] = "udp"
    recursion: Annotated[bool | None, "ask for recursion; by default unless the answer must be authoritative"] = None
    edns: Annotated[bool, "use EDNS, and take up to 1232 bytes over UDP; dnssec and nsid do, too"] = False
    rcode: Annotated[Rcode | list[Rcode], "response codes that pass"] = "NOERROR"
    authoritative: Annotated[bool, "the answer must be authoritative (AA)"] = False
    dnssec: Annotated[bool, "the answer must have been validated (AD), so ask a resolver that does"] = False
    answer: Annotated[str | list[str], "data of one or more records that must be there, as in a zone file"] = field(
        default_factory=list
    )
    answer_regex: Annotated[str | None, "regular expression that must be found in the data of a record"] = None
    min_answers: Annotated[int, msgspec.Meta(ge=0), "records that a NOERROR must come with"] = 1
    nsid: Annotated[bool, "ask the server for its own name (NSID), and show it"] = False
    serial: Annotated[Serial | None, "which serial the zone must have"] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._rcodes = _listed(self.rcode)
        if not self._rcodes:
            raise ValueError("rcode: must have at least one response code")
        self._authoritative = self.authoritative or self.serial is not None
        self._question = self._make_question()
        self._records = [dns_message.make_record(self._question, text) for text in _listed(self.answer)]
        self._regex = None if self.answer_regex is None else regex("answer_regex", self.answer_regex)
        self._comparison = None if self.serial is None else self._make_comparison(self.serial)

    def _make_question(self) -> Question:
        return dns_message.make_question(
            self.query_name,
            self.query_type,
            self.query_class,
            recursion=not self._authoritative if self.recursion is None else self.recursion,
            edns=self.edns,
            dnssec=self.dnssec,
            nsid=self.nsid,
        )

    def _make_comparison(self, wanted: Serial) -> Comparison:
        if self.query_type.upper() != "SOA":
            raise ValueError("serial: goes with query_type SOA")
        return Comparison(wanted, self.query_name, self.query_class, (self.port, self.address))

    def scope(self, target: Target) -> Target:
        """Return all of it where the destinations of a service are compared."""
        return super().scope(target) if self.serial is None else self.aimed(target)

    def speaks_tls(self) -> bool:
        """Return whether the question is asked over TLS."""
        return self.transport == "tls"

    async def probe(self, target: Target, net: Net) -> str:
        """Ask, look at the answer, and compare the serial."""
        answer, expires = await self._ask(target, net)
        self._judge(answer)
        words = [_in_words(answer)]
        if self._comparison is not None:
            words.append(await self._comparison.compare(_serial_in(answer), target, net))
        if answer.nsid:
            words.append(f"NSID {answer.nsid}")
        return "; ".join([*words, expires] if expires else words)

    async def _ask(self, target: Target, net: Net) -> tuple[Answer, str]:
        """Return the answer, and when the certificate expires in words."""
        if self.transport == "udp":
            answer = await ask_over_udp(net, target, self._question, net.time_left())
            if not answer.truncated:
                return answer, ""
            net.stage("TCP, as the answer over UDP is truncated")
        async with net.connect_tcp(target, brief=True) as stream:
            expires = await self.secure(stream, target) if self.transport == "tls" else ""
            return await ask_over_stream(stream, self._question), expires

    def _judge(self, answer: Answer) -> None:
        """Raise CheckFailed when the answer is not as wanted."""
        if answer.rcode not in self._rcodes:
            wanted = " or ".join(self._rcodes)
            raise CheckFailed(Reason.DNS, f"rcode {answer.rcode} for {self._question}, must be {wanted}")
        if self._authoritative and not answer.authoritative:
            raise CheckFailed(Reason.DNS, f"the answer for {self._question} is not authoritative (AA)")
        if self.dnssec and not answer.authenticated:
            raise CheckFailed(Reason.DNS, f"the answer for {self._question} has not been validated (AD)")
        count = len(answer.records)
        if answer.rcode == "NOERROR" and count < self.min_answers:
            least = f", must be {self.min_answers} at least" if count else ""
            raise CheckFailed(Reason.DNS, f"{count or 'no'} records in the answer for {self._question}{least}")
        self._judge_records(answer)

    def _judge_records(self, answer: Answer) -> None:
        there = {record.canonical for record in answer.records}
        missing = [record.text for record in self._records if record.canonical not in there]
        if missing:
            raise CheckFailed(Reason.CONTENT, f"{', '.join(missing)} not in the answer: {_in_words(answer)}")
        if self._regex is not None and not any(self._regex.search(record.text) for record in answer.records):
            raise CheckFailed(Reason.CONTENT, f"no match of {self.answer_regex} in the answer: {_in_words(answer)}")


def _serial_in(answer: Answer) -> int:
    if answer.serial is None:
        raise CheckFailed(Reason.DNS, f"no SOA record in the answer, and so no serial: {_in_words(answer)}")
    return answer.serial


def _listed(option: str | Sequence[str]) -> Sequence[str]:
    return [option] if isinstance(option, str) else option


def _in_words(answer: Answer) -> str:
    """Return `NOERROR: 192.0.2.1, 192.0.2.2`."""
    shown = sorted(record.text for record in answer.records)[:SHOWN_RECORDS]  # servers shuffle them
    more = len(answer.records) - len(shown)
    words = ", ".join(shown) + (f" and {more} more" if more else "")
    return f"{answer.rcode}: {words}" if words else answer.rcode
