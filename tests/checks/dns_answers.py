"""Answers of DNS servers for tests, as dnspython writes them."""

from collections.abc import Sequence

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

IDENTIFIER = b"\x12\x34"

SOA = "ns1.example.com. hostmaster.example.com. {} 3600 600 86400 300"


def message(
    *lines: str,
    question: str = "www.example.com. IN A",
    flags: int = dns.flags.QR,
    rcode: int = dns.rcode.NOERROR,
    options: Sequence[dns.edns.Option] | None = None,
    additional: Sequence[str] = (),
) -> bytes:
    """Return an answer of lines of a zone file."""
    name, of_class, kind = question.split()
    made = dns.message.Message(id=int.from_bytes(IDENTIFIER))
    made.flags = dns.flags.Flag(flags)
    made.question.append(
        dns.rrset.RRset(dns.name.from_text(name), dns.rdataclass.from_text(of_class), dns.rdatatype.from_text(kind))
    )
    for section, records in ((made.answer, lines), (made.additional, additional)):
        for line in records:
            owner, line_class, line_kind, data = line.split(maxsplit=3)
            section.append(dns.rrset.from_text(owner, 300, line_class, line_kind, data))
    if options is not None or rcode > 15:
        made.use_edns(0, options=list(options or ()))
    made.set_rcode(dns.rcode.Rcode.make(rcode))
    return made.to_wire()


def soa(serial: int, zone: str = "example.com.", flags: int = dns.flags.QR | dns.flags.AA) -> bytes:
    """Return the answer for a zone's SOA record."""
    return message(f"{zone} IN SOA {SOA.format(serial)}", question=f"{zone} IN SOA", flags=flags)
