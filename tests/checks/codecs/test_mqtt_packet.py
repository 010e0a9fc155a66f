"""MQTT's packets: those of the specifications' own examples, and broken ones."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import mqtt_packet
from feedback.checks.codecs.mqtt_packet import CONNACK, DISCONNECT, PUBLISH, SUBACK, Message, Packet
from feedback.errors import CheckFailed


def fails(parse: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(CheckFailed) as caught:
        parse()
    return caught.value.reason, caught.value.detail


def test_connect_says_who_comes() -> None:
    assert mqtt_packet.connect("3.1.1", "me", None, None) == b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02me"
    login = b"\x10\x17\0\x04MQTT\x04\xc2\0\x3c\0\x02me\0\x03joe\0\x02pw"
    assert mqtt_packet.connect("3.1.1", "me", "joe", "pw") == login
    assert mqtt_packet.connect(5, "me", "joe", None) == b"\x10\x14\0\x04MQTT\x05\x82\0\x3c\0\0\x02me\0\x03joe"


def test_subscribe_asks_for_one_topic_at_most_once_each() -> None:
    assert mqtt_packet.subscribe("3.1.1", "a/b") == b"\x82\x08\0\x01\0\x03a/b\0"
    assert mqtt_packet.subscribe(5, "a/b") == b"\x82\x09\0\x01\0\0\x03a/b\0"


def test_a_long_packet_says_its_length_in_several_bytes() -> None:
    packet = mqtt_packet.subscribe("3.1.1", "x" * 316)
    assert packet[:3] == b"\x82\xc1\x02"  # 321, as in 2.2.3
    assert mqtt_packet.remaining_length(packet[1:3]) == 321 == len(packet) - 3


@pytest.mark.parametrize(
    ("encoded", "length"),
    [
        ("00", 0),
        ("7f", 127),
        ("80", None),
        ("8001", 128),
        ("ff7f", 16_383),
        ("8080", None),
        ("808001", 16_384),
        ("808000", 0),
    ],
)
def test_a_length_has_its_end_in_itself(encoded: str, length: int | None) -> None:
    assert mqtt_packet.remaining_length(bytes.fromhex(encoded)) == length


def test_a_length_is_bounded() -> None:
    words = "a packet of 262145 bytes, of which at most 262144 are read"
    assert fails(lambda: mqtt_packet.remaining_length(bytes.fromhex("818010"))) == ("limit", words)
    assert fails(lambda: mqtt_packet.remaining_length(b"\xff" * 4)) == ("protocol", "no length of MQTT: ffffffff")


@given(st.integers(0, mqtt_packet.MAX_BYTES - 5))
def test_a_length_that_was_written_is_read(count: int) -> None:
    packet = mqtt_packet._packet(1, 0, bytes(count))
    end = len(packet) - count
    assert mqtt_packet.remaining_length(packet[1:end]) == count


@pytest.mark.parametrize(
    ("first", "expected", "kind"),
    [(0x20, (CONNACK,), CONNACK), (0x31, (SUBACK, PUBLISH), PUBLISH), (0xE0, (PUBLISH, DISCONNECT), DISCONNECT)],
)
def test_the_first_byte_says_what_a_packet_is(first: int, expected: tuple[int, ...], kind: int) -> None:
    assert mqtt_packet.kind_of(first, *expected) == kind


@pytest.mark.parametrize(
    ("first", "expected", "words"),
    [
        (0x48, (CONNACK,), 'not CONNACK: "H"'),
        (0x21, (CONNACK,), 'not CONNACK: "!"'),
        (0x00, (SUBACK, PUBLISH), r'not SUBACK or PUBLISH: "\x00"'),
    ],
)
def test_what_is_not_expected_is_told(first: int, expected: tuple[int, ...], words: str) -> None:
    assert fails(lambda: mqtt_packet.kind_of(first, *expected)) == ("protocol", words)


def connack(body: bytes, version: Any = "3.1.1") -> None:
    mqtt_packet.read_connack(Packet(CONNACK, 0, body), version)


def test_connack_is_a_yes() -> None:
    connack(b"\0\0")
    connack(b"\0\0\0", 5)
    connack(b"\0\0\x03\x21\0\x14", 5)


@pytest.mark.parametrize(
    ("version", "body", "reason", "words"),
    [
        ("3.1.1", b"\0\x01", "status", "refused: unacceptable protocol version (0x01)"),
        ("3.1.1", b"\0\x02", "status", "refused: client identifier rejected (0x02)"),
        ("3.1.1", b"\0\x03", "status", "refused: server unavailable (0x03)"),
        ("3.1.1", b"\0\x04", "auth", "refused: bad user name or password (0x04)"),
        ("3.1.1", b"\0\x05", "auth", "refused: not authorized (0x05)"),
        ("3.1.1", b"\0\x06", "status", "refused: 0x06"),
        ("3.1.1", b"\0\x88", "status", "refused: 0x88"),
        (5, b"\0\x01", "status", "refused: unacceptable protocol version (0x01)"),
        (5, b"\0\x86\0", "auth", "refused: bad user name or password (0x86)"),
        (5, b"\0\x87\0", "auth", "refused: not authorized (0x87)"),
        (5, b"\0\x88\x05\x1f\0\x02no", "status", "refused: server unavailable (0x88)"),
        (5, b"\0\xff\0", "status", "refused: 0xff"),
        ("3.1.1", b"", "protocol", "CONNACK ends in the middle"),
        ("3.1.1", b"\0", "protocol", "CONNACK ends in the middle"),
        ("3.1.1", b"\0\0\0", "protocol", "CONNACK is longer than it can be"),
        ("3.1.1", b"\x01\0", "protocol", "CONNACK has the flags 0x01, where the session is a new one"),
        (5, b"\0\0", "protocol", "CONNACK ends in the middle"),
        (5, b"\0\0\x05\0", "protocol", "CONNACK ends in the middle"),
        (5, b"\0\0\x80", "protocol", "CONNACK ends in the middle"),
        (5, b"\0\0\x80\x80\x80\x80", "protocol", "no length of MQTT: 80808080"),
    ],
)
def test_connack_is_a_no(version: Any, body: bytes, reason: str, words: str) -> None:
    assert fails(lambda: connack(body, version)) == (reason, words)


def suback(body: bytes, version: Any = "3.1.1") -> None:
    mqtt_packet.read_suback(Packet(SUBACK, 0, body), version)


def test_suback_grants_the_subscription() -> None:
    suback(b"\0\x01\0")
    suback(b"\0\x01\0\0", 5)
    suback(b"\0\x01\x05\x1f\0\x02ok\x02", 5)


@pytest.mark.parametrize(
    ("version", "body", "reason", "words"),
    [
        ("3.1.1", b"\0\x01\x80", "status", "refused: 0x80"),
        (5, b"\0\x01\0\x87", "auth", "refused: not authorized (0x87)"),
        (5, b"\0\x01\0\xa2", "status", "refused: wildcard subscriptions not supported (0xa2)"),
        ("3.1.1", b"\0\x02\0", "protocol", "SUBACK to subscription 2, must be 1"),
        ("3.1.1", b"\0\x01", "protocol", "SUBACK ends in the middle"),
        ("3.1.1", b"\0\x01\0\0", "protocol", "SUBACK is longer than it can be"),
    ],
)
def test_suback_refuses_it(version: Any, body: bytes, reason: str, words: str) -> None:
    assert fails(lambda: suback(body, version)) == (reason, words)


def test_a_message_is_read() -> None:
    body = b"\0\x03a/b"
    assert mqtt_packet.read_publish(Packet(PUBLISH, 1, body + b"hello"), "3.1.1") == Message("a/b", b"hello")
    assert mqtt_packet.read_publish(Packet(PUBLISH, 0, body + b"\x02\x01\x01hello"), 5) == Message("a/b", b"hello")
    assert mqtt_packet.read_publish(Packet(PUBLISH, 0, body), "3.1.1") == Message("a/b", b"")


@pytest.mark.parametrize(
    ("flags", "body", "words"),
    [
        (2, b"\0\x01a\0\x01hello", "PUBLISH has the flags 0x02, must be of quality 0"),
        (0, b"\0\x05abc", "PUBLISH ends in the middle"),
        (0, b"\0", "PUBLISH ends in the middle"),
    ],
)
def test_a_message_that_is_broken_is_told(flags: int, body: bytes, words: str) -> None:
    assert fails(lambda: mqtt_packet.read_publish(Packet(PUBLISH, flags, body), "3.1.1")) == ("protocol", words)


@pytest.mark.parametrize(
    ("body", "reason", "words"),
    [
        (b"\x8b\0", "closed", "the server disconnects: server shutting down (0x8b)"),
        (b"\x87", "auth", "the server disconnects: not authorized (0x87)"),
        (b"", "closed", "the server disconnects: 0x00"),
    ],
)
def test_a_server_says_why_it_disconnects(body: bytes, reason: str, words: str) -> None:
    error = mqtt_packet.read_disconnect(Packet(DISCONNECT, 0, body))
    assert (error.reason, error.detail) == (reason, words)


@pytest.mark.parametrize(
    ("text", "can_be"), [("", True), ("schön", True), ("a\0b", False), ("x" * 65536, False), ("\udc80", False)]
)
def test_text_must_be_mqtts(text: str, can_be: bool) -> None:
    assert mqtt_packet.is_string(text) is can_be


@given(st.binary(max_size=60), st.sampled_from(["3.1.1", 5]), st.integers(0, 15))
def test_any_bytes_are_a_packet_or_one_failure(data: bytes, version: Any, flags: int) -> None:
    for kind, read in (
        (CONNACK, mqtt_packet.read_connack),
        (SUBACK, mqtt_packet.read_suback),
        (PUBLISH, mqtt_packet.read_publish),
    ):
        with contextlib.suppress(CheckFailed):
            read(Packet(kind, flags, data), version)
    assert mqtt_packet.read_disconnect(Packet(DISCONNECT, flags, data)).detail
    if data:
        with contextlib.suppress(CheckFailed):
            mqtt_packet.remaining_length(data[:4])
        with contextlib.suppress(CheckFailed):
            mqtt_packet.kind_of(data[0], SUBACK, PUBLISH, DISCONNECT)
