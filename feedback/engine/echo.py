"""ICMP echo messages, of IPv4 (RFC 792) and of IPv6 (RFC 4443, 4). Pure."""

import struct

from feedback.model import Family

HEADER = struct.Struct("!BBHHH")
REQUEST = {Family.IPV4: 8, Family.IPV6: 128}
REPLY = {Family.IPV4: 0, Family.IPV6: 129}


def request(family: Family, identifier: int, sequence: int, data: bytes) -> bytes:
    """Return an echo request. The checksum of IPv6 covers the addresses, so it is the kernel's business there."""
    kind = REQUEST[family]
    packet = HEADER.pack(kind, 0, 0, identifier, sequence) + data
    if family is Family.IPV6:
        return packet
    return HEADER.pack(kind, 0, checksum(packet), identifier, sequence) + data


def reply(family: Family, packet: bytes, identifier: int | None) -> bytes | None:
    """Return the data of an echo reply; None for any other message, or one with another identifier."""
    if len(packet) < HEADER.size:
        return None
    kind, code, _, its_identifier, _ = HEADER.unpack_from(packet)
    if (kind, code) != (REPLY[family], 0) or identifier not in {None, its_identifier}:
        return None
    return packet[HEADER.size :]


def without_ip_header(packet: bytes) -> bytes:
    """Return what is in an IPv4 packet: a raw socket gets it with its header (RFC 791, 3.1)."""
    return packet[(packet[0] & 0x0F) * 4 :] if packet else b""


def checksum(packet: bytes) -> int:
    """Return the Internet checksum (RFC 1071): that of a packet that holds its own checksum is 0."""
    if len(packet) % 2:
        packet += b"\0"
    # Numbers that differ by a multiple of 0xffff have the same sum of 16-bit words, with the carries put back in
    total = int.from_bytes(packet, "big")
    return 0xFFFF - (total % 0xFFFF or (0xFFFF if total else 0))
