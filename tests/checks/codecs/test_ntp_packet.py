"""NTP packets: requests, replies of every kind, and the arithmetic of four timestamps."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.ntp_packet import (
    PACKET_BYTES,
    Reading,
    Reply,
    nonce_in,
    read_reply,
    reading,
    request,
    seconds_between,
    timestamp,
)
from feedback.errors import CheckFailed
from tests.checks.ntp_packets import NONCE, packet

SECOND = 2**32


def test_a_request_has_nothing_but_its_mode_and_what_is_to_be_repeated() -> None:
    assert request(NONCE) == b"\x23" + bytes(39) + NONCE


def test_a_reply_is_read() -> None:
    data = packet(stratum=2, reference=bytes([192, 0, 2, 1]), root_delay=0x8000, root_dispersion=0x1_4000)
    assert nonce_in(data) == NONCE
    assert read_reply(data) == Reply(2, "192.0.2.1", 0.5, 1.25, 10 * SECOND, 11 * SECOND)
    assert read_reply(data + b"an extension") == read_reply(data)


@pytest.mark.parametrize(
    ("stratum", "reference", "words"),
    [
        (1, b"GPS\x00", "GPS"),
        (1, b"DCFa", "DCFa"),
        (1, b"\xff\x00\x00\x01", "255.0.0.1"),
        (3, b"GPS\x00", "71.80.83.0"),
    ],
)
def test_a_reference_is_a_word_or_an_address(stratum: int, reference: bytes, words: str) -> None:
    assert read_reply(packet(stratum=stratum, reference=reference)).reference == words


@pytest.mark.parametrize(
    "data",
    [
        b"",
        packet()[:-1],
        packet(mode=3),
        packet(mode=5),
        packet(version=0),
        packet(version=5),
        request(NONCE),
    ],
)
def test_what_is_no_servers_packet_repeats_nothing(data: bytes) -> None:
    assert nonce_in(data) is None


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_older_versions_are_understood(version: int) -> None:
    assert nonce_in(packet(version=version)) == NONCE


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (packet(stratum=0, reference=b"RATE"), "status", "kiss-o'-death RATE: it is asked too often"),
        (packet(stratum=0, reference=b"DENY", leap=3), "status", "kiss-o'-death DENY: access is denied"),
        (packet(stratum=0, reference=b"X\x00\x00\x00"), "status", "kiss-o'-death X: the server does not want to say"),
        (packet(stratum=0, reference=bytes(4)), "status", "not synchronized: leap indicator 0, stratum 0"),
        (packet(stratum=0, reference=b"\xffABC"), "status", "not synchronized: leap indicator 0, stratum 0"),
        (packet(leap=3), "status", "not synchronized: leap indicator 3, stratum 2"),
        (packet(stratum=16, leap=3), "status", "not synchronized: leap indicator 3, stratum 16"),
        (packet(stratum=16), "status", "not synchronized: leap indicator 0, stratum 16"),
        (packet(sent_at=0), "protocol", "the server's times make no sense"),
        (packet(received_at=11 * SECOND, sent_at=10 * SECOND), "protocol", "the server's times make no sense"),
    ],
)
def test_a_clock_that_is_not_to_be_used_is_refused(data: bytes, reason: str, detail: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        read_reply(data)
    assert (caught.value.reason, caught.value.detail) == (reason, detail)


@pytest.mark.parametrize("leap", [0, 1, 2])
@pytest.mark.parametrize("stratum", [1, 15])
def test_a_leap_second_to_come_and_every_stratum_up_to_15_are_good(leap: int, stratum: int) -> None:
    assert read_reply(packet(leap=leap, stratum=stratum)).stratum == stratum


@pytest.mark.parametrize(
    ("unix_seconds", "ntp"),
    [
        (0, 2_208_988_800 * SECOND),  # RFC 5905, figure 4
        (946_684_800, 3_155_673_600 * SECOND),  # 1 January 2000
        (2_085_978_496, 0),  # 7 February 2036: the first day of the next era
    ],
)
def test_timestamps_are_those_of_the_rfc(unix_seconds: int, ntp: int) -> None:
    assert timestamp(unix_seconds * 1_000_000_000) == ntp
    assert timestamp(unix_seconds * 1_000_000_000 + 500_000_000) == ntp + SECOND // 2


@given(st.integers(0, 2**64 - 1), st.floats(-2e9, 2e9))
def test_differences_are_right_across_the_eras(earlier: int, seconds: float) -> None:
    later = (earlier + int(seconds * SECOND)) % 2**64
    assert seconds_between(earlier, later) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("asked_at", [0, 2**64 - SECOND, timestamp(1_700_000_000_000_000_000)])
@pytest.mark.parametrize("ahead", [-3600.0, -0.25, 0.0, 0.5, 1e8])
def test_four_timestamps_tell_the_offset_and_the_delay(asked_at: int, ahead: float) -> None:
    """Half a second there, a quarter in the server, half a second back."""
    their_clock = asked_at + int(ahead * SECOND)
    received, sent = (their_clock + SECOND // 2) % 2**64, (their_clock + SECOND * 3 // 4) % 2**64
    reply = read_reply(packet(received_at=received, sent_at=sent))
    answered_at = (asked_at + SECOND * 5 // 4) % 2**64
    assert reading(asked_at, reply, answered_at) == Reading(ahead, 1.0)


def test_what_the_delay_leaves_uncertain_is_no_offset() -> None:
    assert Reading(0.3, 1.0).certain_offset == 0.0
    assert Reading(-0.75, 1.0).certain_offset == 0.25


def test_a_delay_is_never_less_than_nothing() -> None:
    reply = read_reply(packet(received_at=10 * SECOND, sent_at=20 * SECOND))
    assert reading(10 * SECOND, reply, 12 * SECOND).delay == 0.0


@given(st.binary(min_size=PACKET_BYTES, max_size=PACKET_BYTES + 8))
def test_whatever_the_bytes_a_packet_is_read_or_refused(data: bytes) -> None:
    nonce_in(data)
    with contextlib.suppress(CheckFailed):
        reply = read_reply(data)
        assert 1 <= reply.stratum <= 15
        assert reply.reference.isprintable()
        assert reading(0, reply, SECOND).delay >= 0


def test_the_layout_is_that_of_the_rfc() -> None:
    """RFC 5905, figure 8: the places of what is read, written here by hand."""
    data = bytearray(PACKET_BYTES)
    data[0] = 0b00_100_100
    data[1] = 3
    data[4:8] = struct.pack("!I", 1 << 16)
    data[8:12] = struct.pack("!I", 2 << 16)
    data[12:16] = bytes([192, 0, 2, 3])
    data[24:32] = NONCE
    data[32:40] = struct.pack("!Q", 5)
    data[40:48] = struct.pack("!Q", 6)
    assert nonce_in(bytes(data)) == NONCE
    assert read_reply(bytes(data)) == Reply(3, "192.0.2.3", 1.0, 2.0, 5, 6)
