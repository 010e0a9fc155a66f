"""What a PROXY protocol header says (haproxy's doc/proxy-protocol.txt, 2.1 and 2.2), as bytes. Pure."""

import ipaddress
import struct
from typing import Literal

from feedback.model import Endpoint

Form = Literal["v1", "v2", "v1-unknown", "v2-own"]
"""A header of a check. Version 1 names the connection's own two ends, version 2 says that it is a check (LOCAL): so the
specification has it. `v1-unknown` names none, for where the addresses are translated on the way; `v2-own` names both,
for servers that refuse LOCAL."""

LOCAL_V2 = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
UNKNOWN_V1 = b"PROXY UNKNOWN\r\n"

_SIGNATURE_V2 = LOCAL_V2[:12]
_VERSION_2_PROXY = 0x21
_TCP4, _TCP6 = 0x11, 0x21


def header(form: Form, source: Endpoint, destination: Endpoint) -> bytes:
    """Return the bytes that come before everything else. The two ends are of one address family."""
    if form == "v1-unknown":
        return UNKNOWN_V1
    if form == "v2":
        return LOCAL_V2
    return (_version_1 if form == "v1" else _version_2)(source, destination)


def _version_1(source: Endpoint, destination: Endpoint) -> bytes:
    ends = (_address(source), _address(destination))
    return f"PROXY TCP{ends[0].version} {ends[0]} {ends[1]} {source.port} {destination.port}\r\n".encode("ascii")


def _version_2(source: Endpoint, destination: Endpoint) -> bytes:
    ends = (_address(source), _address(destination))
    block = ends[0].packed + ends[1].packed + struct.pack("!HH", source.port, destination.port)
    family = _TCP4 if ends[0].version == 4 else _TCP6
    return _SIGNATURE_V2 + struct.pack("!BBH", _VERSION_2_PROXY, family, len(block)) + block


def _address(end: Endpoint) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an end's address without the zone of a link-local one, which means nothing to others."""
    return ipaddress.ip_address(end.address.partition("%")[0])
