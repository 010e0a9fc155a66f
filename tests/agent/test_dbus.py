import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent import dbus
from feedback.agent.dbus import Message, length_after, object_name, pack_call, parse_message
from feedback.agent.source import SourceError

# What dbus-daemon 1.14 has answered to Hello
HELLO = bytes.fromhex(
    "6c02010109000000010000003d00000006017300040000003a312e3000000000050175000100000008016700017300000701730014000000"
    "6f72672e667265656465736b746f702e4442757300000000040000003a312e3000"
)


def test_what_a_bus_has_answered_is_read() -> None:
    assert length_after(HELLO[:16]) == len(HELLO) - 16
    assert parse_message(HELLO) == Message(dbus.METHOD_RETURN, 1, "", ":1.0")


def test_a_call_has_its_parts_where_they_belong() -> None:
    call = pack_call(7, "org.example", "/org/example", "org.example.Thing", "Get", "one", "three")
    assert call[:4] == b"l\1\0\1"
    body, serial = struct.unpack_from("<II", call, 4)
    assert (body, serial) == (18, 7)
    assert call.endswith(b"\3\0\0\0one\0\5\0\0\0three\0")
    assert length_after(call[:16]) == len(call) - 16
    assert b"\x08\1g\0\2ss\0" in call
    assert parse_message(call) == Message(dbus.METHOD_CALL, value="one")
    assert b"\x08\1g\0" not in pack_call(1, "a", "/", "b", "c")


def answer(signature: bytes, body: bytes, *, kind: int = 2, order: str = "<", error: bytes = b"") -> bytes:
    fields = struct.pack(f"{order}BB2sI", 5, 1, b"u\0", 7)
    if error:
        fields += struct.pack(f"{order}BB2sI", 4, 1, b"s\0", len(error)) + error + b"\0"
        fields += bytes(-len(fields) % 8)
    if signature:
        fields += bytes([8, 1]) + b"g\0" + bytes([len(signature)]) + signature + b"\0"
    start = (b"l" if order == "<" else b"B") + bytes([kind, 0, 1])
    start += struct.pack(f"{order}III", len(body), 3, len(fields))
    return start + fields + bytes(-len(fields) % 8) + body


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_text_is_read_alone_or_as_a_variant(order: str) -> None:
    text = struct.pack(f"{order}I", 6) + b"active\0"
    assert parse_message(answer(b"s", text, order=order)).value == "active"
    assert parse_message(answer(b"v", b"\1s\0\0" + text, order=order)).value == "active"
    assert parse_message(answer(b"v", b"\1u\0\0\0\0\0\1", order=order)).value is None
    assert parse_message(answer(b"", b"", order=order)) == Message(dbus.METHOD_RETURN, 7)


def test_an_error_has_a_name_and_words() -> None:
    said = answer(b"s", b"\4\0\0\0gone\0", kind=3, error=b"org.example.NoSuchUnit")
    assert parse_message(said) == Message(dbus.ERROR, 7, "org.example.NoSuchUnit", "gone")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"HTTP/1.1 400 Bad Request", "b'HTTP/1.1 400 Bad' is no message of D-Bus"),
        (
            b"l\2\0\2" + bytes(12),
            r"b'l\x02\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00' is no message of D-",
        ),
        (answer(b"s", b"\x09\0\0\0gone\0"), " is no message of D-Bus"),
        (answer(b"s", b""), " is no message of D-Bus"),
        (answer(b"s", b"\1\0\0\0\xff\0"), " is no message of D-Bus"),
        (answer(b"", b"").replace(b"u\0", b"t\0"), "a value of type 't' where a text or a number should be"),
        (answer(b"", b"").replace(b"u\0\7\0\0\0", b"s\0\1\0\0\0a\0"), "'a' where the number of the call should be"),
        (HELLO[:20], " is no message of D-Bus"),
    ],
)
def test_what_is_no_message_is_shown(data: bytes, why: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_message(data)
    assert why in str(caught.value)


def test_a_message_that_is_too_long_is_not_read() -> None:
    with pytest.raises(SourceError, match=r"^a message of 70000 bytes, 65536 are allowed$"):
        length_after(b"l\2\0\1" + struct.pack("<III", 70000, 1, 0))


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_a_message_or_one_named_error(data: bytes, cut: int) -> None:
    for message in (data, HELLO[:cut] + data, HELLO[:16] + data):
        with contextlib.suppress(SourceError):
            parse_message(message)


def test_a_unit_is_named_as_systemd_writes_it_into_a_path() -> None:
    assert object_name("nginx.service") == "nginx_2eservice"
    assert object_name("getty@tty1.service") == "getty_40tty1_2eservice"
    assert object_name("3proxy_é") == "_33proxy_5f_c3_a9"
