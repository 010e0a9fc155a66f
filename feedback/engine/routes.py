"""Questions to the kernel's routing table, of rtnetlink (linux/rtnetlink.h). Pure: bytes out, bytes in."""

import ipaddress
import struct

import msgspec

from feedback.model import Family

HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port id
ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, lengths of destination and source, tos, table, …, type, flags
ATTRIBUTE = struct.Struct("=HH")  # rtattr: length without padding, type
NUMBER = struct.Struct("=i")

NLM_F_REQUEST = 0x1
NLMSG_ERROR = 2
RTM_NEWROUTE = 24
RTM_GETROUTE = 26
RTN_LOCAL = 2
DESTINATION, SOURCE, INPUT, OUTPUT = 1, 2, 3, 4  # RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF
PREFERRED_SOURCE = 7  # RTA_PREFSRC

FAMILIES = {Family.IPV4: (2, 32), Family.IPV6: (10, 128)}


class Route(msgspec.Struct, frozen=True):
    """How the kernel would send a packet: out of which device, from which address, or to itself.

    error: why it would not send it, as an error number; 0 where it would.
    """

    error: int = 0
    device: int = 0
    source: str = ""
    local: bool = False


def out(destination: str) -> bytes:
    """Return the question how this host reaches a destination."""
    return _question(destination)


def back(answerer: str, here: str, device: int) -> bytes:
    """Return the question whether a packet from an answerer is let in that comes by a device to an address here."""
    attributes = _attribute(SOURCE, _packed(answerer)) + _attribute(INPUT, NUMBER.pack(device))
    return _question(here, attributes, from_one=True)


def read(answer: bytes) -> Route:
    """Return what the kernel has answered. Raises ValueError for what is no answer to such a question."""
    try:
        length, kind, *_ = HEADER.unpack_from(answer)
        if kind == NLMSG_ERROR:
            return Route(error=-int(NUMBER.unpack_from(answer, HEADER.size)[0]))
        fields = ROUTE.unpack_from(answer, HEADER.size)
        if kind != RTM_NEWROUTE or length > len(answer):
            raise ValueError(f"the kernel answered a question for a route with a message of type {kind}")
        return _route(fields[7] == RTN_LOCAL, answer, HEADER.size + ROUTE.size, length)
    except struct.error:
        raise ValueError("the kernel's answer to a question for a route breaks off") from None


def _route(local: bool, data: bytes, start: int, end: int) -> Route:
    device, source = 0, ""
    while start < end:
        length, kind = ATTRIBUTE.unpack_from(data, start)
        value = data[start + ATTRIBUTE.size : start + max(length, ATTRIBUTE.size)]
        if kind == OUTPUT:
            (device,) = NUMBER.unpack(value)
        elif kind == PREFERRED_SOURCE:
            source = str(ipaddress.ip_address(value))
        start += max(_padded(length), ATTRIBUTE.size)
    return Route(0, device, source, local)


def _question(destination: str, attributes: bytes = b"", *, from_one: bool = False) -> bytes:
    family, bits = FAMILIES[Family.IPV6 if ":" in destination else Family.IPV4]
    route = ROUTE.pack(family, bits, bits if from_one else 0, 0, 0, 0, 0, 0, 0)
    content = route + _attribute(DESTINATION, _packed(destination)) + attributes
    return HEADER.pack(HEADER.size + len(content), RTM_GETROUTE, NLM_F_REQUEST, 1, 0) + content


def _attribute(kind: int, value: bytes) -> bytes:
    """Addresses and numbers need no padding."""
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def _padded(length: int) -> int:
    return (length + 3) & ~3
