"""AMQP's frames and methods, as a broker sends them, and broken ones."""

import contextlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import amqp_frame
from feedback.checks.codecs.amqp_frame import Close, Head, Queue, Reader, Start, Tune
from feedback.errors import CheckFailed


def fails(parse: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(CheckFailed) as caught:
        parse()
    return caught.value.reason, caught.value.detail


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def long(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


PROPERTIES = (
    short(b"capabilities")
    + b"F"
    + long(short(b"product") + b"t\x01" + short(b"deep") + b"A" + long(b"?"))
    + short(b"product")
    + b"S"
    + long(b"RabbitMQ")
    + b"".join(short(b"n") + bytes([kind]) + bytes(size) for kind, size in amqp_frame._FIXED.items())
    + short(b"raw")
    + b"x"
    + long(b"\0\xff")
    + short(b"version")
    + b"S"
    + long(b"3.10.8")
)
START = b"\0\x09" + long(PROPERTIES) + long(b"AMQPLAIN PLAIN") + long(b"en_US")


def test_a_frame_is_its_head_and_as_many_bytes() -> None:
    assert amqp_frame.read_head(b"\x01\0\x01\0\0\x01\x02") == Head(1, 1, 258)
    assert amqp_frame.read_head(b"\x08\0\0\0\0\0\0") == Head(8, 0, 0)


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (b"HTTP/1.", "protocol", 'not a frame of AMQP 0-9-1: "HTTP/1."'),
        (b"\x02\0\x01\0\0\0\0", "protocol", r'not a frame of AMQP 0-9-1: "\x02\x00\x01\x00\x00\x00\x00"'),
        (b"\x01\0\0\0\x02\0\x01", "limit", "a frame of 131073 bytes, of which at most 131072 are read"),
    ],
)
def test_what_is_no_frame_is_told(data: bytes, reason: str, words: str) -> None:
    assert not amqp_frame.is_header(data)
    assert fails(lambda: amqp_frame.read_head(data)) == (reason, words)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"AMQP\0\x01\0\0", "the server has another version of AMQP: 1-0-0 (protocol 0)"),
        (b"AMQP\x03\x01\0\0", "the server has another version of AMQP: 1.0.0 (protocol 3)"),
        (b"AMQP\x01\x01\0\x0a", "the server has another version of AMQP: 1.0.10 (protocol 1)"),
    ],
)
def test_a_server_of_another_version_says_which(header: bytes, words: str) -> None:
    assert amqp_frame.is_header(header[:7])
    error = amqp_frame.other_version(header)
    assert (error.reason, error.detail) == ("protocol", words)


def test_a_method_has_a_name_and_arguments() -> None:
    name, arguments = amqp_frame.read_method(Head(1, 0, 6), b"\0\x0a\0\x1e\x07\x08\xce")
    assert (name, arguments.number(2), arguments.ended) == (amqp_frame.TUNE, 0x0708, True)
    name, arguments = amqp_frame.read_method(Head(8, 0, 0), b"\xce")
    assert (name, arguments.ended) == (amqp_frame.NO_METHOD, True)


def test_a_frame_without_an_end_or_a_name_is_told() -> None:
    assert fails(lambda: amqp_frame.read_method(Head(1, 0, 4), b"\0\x0a\0\x1e\xcd")) == (
        "protocol",
        "a frame ends with cd, must be ce",
    )
    words = "a method's arguments end in the middle"
    assert fails(lambda: amqp_frame.read_method(Head(1, 0, 3), b"\0\x0a\0\xce")) == ("protocol", words)


def test_a_server_says_what_it_is() -> None:
    start = amqp_frame.read_start(Reader(START))
    assert start == Start("RabbitMQ", "3.10.8", ("AMQPLAIN", "PLAIN"))
    assert str(start) == "RabbitMQ 3.10.8"
    start = amqp_frame.read_start(Reader(b"\0\x09" + long(b"") + long(b"") + long(b"")))
    assert (str(start), start.mechanisms) == ("a server without a name", ())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (b"\x08\0", "the server starts version 8-0, must be 0-9"),
        (START[:-1], "a method's arguments end in the middle"),
        (b"\0\x09" + long(short(b"a")), "a method's arguments end in the middle"),
        (b"\0\x09" + long(short(b"a") + b"l\0\0"), "a method's arguments end in the middle"),
        (b"\0\x09" + long(short(b"a") + b"?\0\0"), 'a table has a value of no kind: "?"'),
        (b"\0\x09\xff\xff\xff\xff", "a method's arguments end in the middle"),
    ],
)
def test_a_broken_start_is_told(arguments: bytes, words: str) -> None:
    assert fails(lambda: amqp_frame.read_start(Reader(arguments))) == ("protocol", words)


def test_numbers_and_reasons_are_read() -> None:
    assert amqp_frame.read_tune(Reader(b"\x07\xff\0\x02\0\0\0\x3c")) == Tune(2047, 131_072, 60)
    assert amqp_frame.read_declare_ok(Reader(short(b"jobs") + b"\0\0\0\x05\0\0\0\x02")) == Queue(5, 2)
    assert amqp_frame.read_close(Reader(b"\x01\x94" + short(b"NOT_FOUND\n") + bytes(4))) == Close(404, r"NOT_FOUND\n")


@pytest.mark.parametrize(
    ("close", "reason", "words"),
    [
        (Close(403, "ACCESS_REFUSED"), "auth", "the server closes: 403 ACCESS_REFUSED"),
        (Close(530, "NOT_ALLOWED"), "status", "the server closes: 530 NOT_ALLOWED"),
        (Close(320, ""), "status", "the server closes: 320"),
    ],
)
def test_a_server_that_closes_fails(close: Close, reason: str, words: str) -> None:
    error = close.failure()
    assert (error.reason, error.detail) == (reason, words)


def payload(frame: bytes, channel: int = 0) -> bytes:
    """Return what is in a frame of ours, which must be a whole one."""
    head = amqp_frame.read_head(frame[:7])
    assert (head.kind, head.channel, len(frame)) == (amqp_frame.METHOD, channel, 7 + head.size + 1)
    amqp_frame.read_method(head, frame[7:])
    return frame[7:-1]


def test_what_is_said_is_what_the_specification_has() -> None:
    capabilities = long(short(b"authentication_failure_close") + b"t\x01")
    properties = long(short(b"product") + b"S" + long(b"feedback") + short(b"capabilities") + b"F" + capabilities)
    login = b"\0\x0a\0\x0b" + properties + short(b"PLAIN") + long(b"\0joe\0pw") + short(b"en_US")
    assert payload(amqp_frame.start_ok("joe", "pw")) == login
    assert payload(amqp_frame.open_virtual_host("/a")) == b"\0\x0a\0\x28" + short(b"/a") + b"\0\0"
    assert payload(amqp_frame.open_channel(), 1) == b"\0\x14\0\x0a\0"
    assert payload(amqp_frame.declare("jobs"), 1) == b"\0\x32\0\x0a\0\0" + short(b"jobs") + b"\x01" + long(b"")
    bye = b"\0\xc8" + short(b"the check is over") + bytes(4)
    assert payload(amqp_frame.close_channel(), 1) == b"\0\x14\0\x28" + bye
    assert payload(amqp_frame.close()) == b"\0\x0a\0\x32" + bye


@pytest.mark.parametrize(
    ("tune", "agreed"),
    [
        (Tune(2047, 131_072, 60), b"\0\x01\0\x02\0\0\0\0"),
        (Tune(0, 0, 0), b"\0\x01\0\x02\0\0\0\0"),
        (Tune(1, 4096, 580), b"\0\x01\0\0\x10\0\0\0"),
        (Tune(1, 2**32 - 1, 0), b"\0\x01\0\x02\0\0\0\0"),
    ],
)
def test_limits_are_within_those_of_the_server(tune: Tune, agreed: bytes) -> None:
    assert payload(amqp_frame.tune_ok(tune)) == b"\0\x0a\0\x1f" + agreed


@pytest.mark.parametrize(
    ("text", "can_be"), [("/", True), ("ö" * 127, True), ("", False), ("ö" * 128, False), ("\udc80", False)]
)
def test_a_short_text_must_be_one(text: str, can_be: bool) -> None:
    assert amqp_frame.is_short(text) is can_be


@given(st.binary(min_size=7, max_size=80), st.sampled_from([b"", START[:30], b"\0\x09" + long(PROPERTIES)]))
def test_any_bytes_are_a_method_or_one_failure(data: bytes, before: bytes) -> None:
    with contextlib.suppress(CheckFailed):
        amqp_frame.read_head(data[:7])
    with contextlib.suppress(CheckFailed):
        amqp_frame.read_method(Head(1, 0, len(data)), data + amqp_frame.END)
    for read in (amqp_frame.read_start, amqp_frame.read_tune, amqp_frame.read_close, amqp_frame.read_declare_ok):
        with contextlib.suppress(CheckFailed):
            read(Reader(before + data))
