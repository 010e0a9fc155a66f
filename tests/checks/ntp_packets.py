"""Packets of NTP servers for tests."""

import struct

NONCE = b"\x01\x02\x03\x04\x05\x06\x07\x08"
SECOND = 2**32


def packet(
    *,
    leap: int = 0,
    version: int = 4,
    mode: int = 4,
    stratum: int = 2,
    reference: bytes = b"\xc0\x00\x02\x01",
    root_delay: int = 0,
    root_dispersion: int = 0,
    nonce: bytes = NONCE,
    received_at: int = 10 * SECOND,
    sent_at: int = 11 * SECOND,
) -> bytes:
    """Return a packet; the root's delay and dispersion in units of 2**-16 s, times as timestamps."""
    first = leap << 6 | version << 3 | mode
    head = struct.pack("!BBbbII4s", first, stratum, 6, -20, root_delay, root_dispersion, reference)
    return head + struct.pack("!Q8sQQ", 9 * SECOND, nonce, received_at, sent_at)
