"""Echo messages: what RFC 792, RFC 1071 and RFC 4443 say, and any bytes from the network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.engine.echo import REPLY, checksum, reply, request, without_ip_header
from feedback.model import Family

FAMILIES = pytest.mark.parametrize("family", list(Family))


def test_the_checksum_is_the_one_of_the_rfcs_example() -> None:
    # RFC 1071, 3: the sum of these words is ddf2, and its complement goes into the packet
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@pytest.mark.parametrize(("packet", "sum_"), [(b"", 0xFFFF), (b"\0\0", 0xFFFF), (b"\xff\xff", 0), (b"\x01", 0xFEFF)])
def test_the_checksum_of_little_is_right(packet: bytes, sum_: int) -> None:
    assert checksum(packet) == sum_


@given(st.binary(min_size=1, max_size=200))
def test_a_packet_with_its_checksum_has_none(packet: bytes) -> None:
    packet += bytes(len(packet) % 2)
    total = checksum(packet)
    if total != 0xFFFF:  # all zeros: a sum of nothing
        assert checksum(packet + total.to_bytes(2, "big")) == 0


def test_a_request_is_what_ping_sends() -> None:
    assert request(Family.IPV4, 0x1234, 7, b"abcd") == bytes.fromhex("0800 20fe 1234 0007") + b"abcd"
    assert request(Family.IPV6, 0x1234, 7, b"abcd") == bytes.fromhex("8000 0000 1234 0007") + b"abcd"


@FAMILIES
@given(data=st.binary(max_size=100), identifier=st.integers(0, 0xFFFF), sequence=st.integers(0, 0xFFFF))
def test_a_reply_brings_back_the_data_of_its_request(
    family: Family, data: bytes, identifier: int, sequence: int
) -> None:
    packet = bytes([REPLY[family]]) + request(family, identifier, sequence, data)[1:]
    assert reply(family, packet, identifier) == data
    assert reply(family, packet, None) == data
    assert reply(family, packet, identifier ^ 1) is None


@FAMILIES
def test_what_is_no_reply_is_none(family: Family) -> None:
    answer = bytes([REPLY[family], 0, 0, 0, 0, 1, 0, 1]) + b"data"
    assert reply(family, answer, 1) == b"data"
    assert reply(family, answer[:7], 1) is None
    assert reply(family, request(family, 1, 1, b"data"), 1) is None
    assert reply(family, answer[:1] + b"\x01" + answer[2:], 1) is None


@pytest.mark.parametrize(
    ("packet", "rest"),
    [
        (b"", b""),
        (b"\x45" + bytes(19) + b"icmp", b"icmp"),
        (b"\x46" + bytes(23) + b"icmp", b"icmp"),
        (b"\x4f" + bytes(19), b""),
    ],
)
def test_an_ip_header_is_as_long_as_it_says(packet: bytes, rest: bytes) -> None:
    assert without_ip_header(packet) == rest


@FAMILIES
@given(packet=st.binary(max_size=100))
def test_any_bytes_are_a_reply_or_none(family: Family, packet: bytes) -> None:
    data = reply(family, without_ip_header(packet), None)
    assert data is None or packet.endswith(data)
