"""The beginning of TLS 1.2: what is asked, and what comes of every answer."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import tls_hello
from feedback.checks.codecs.tls_hello import Flight, Handshake, NoTls12Error
from feedback.errors import CheckFailed

ALERT, HANDSHAKE = 21, 22


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3) + body


def counted(data: bytes) -> bytes:
    return len(data).to_bytes(3) + data


HELLO = message(2, b"\x03\x03" + bytes(36))
CERTIFICATE = message(11, counted(counted(b"leaf") + counted(b"issuer")))
STATUS = message(22, b"\x01" + counted(b"response"))
DONE = message(14, b"")
FLIGHT = HELLO + CERTIFICATE + STATUS + message(12, b"key exchange") + DONE


def fed(*records: bytes, kind: int = HANDSHAKE) -> Flight | None:
    handshake, flight = Handshake(), None
    for record in records:
        flight = handshake.feed(kind, record)
    return flight


def test_a_hello_asks_for_tls_1_2_a_name_and_a_staple() -> None:
    hello = tls_hello.client_hello("www.example.com", bytes(range(32)))
    assert hello[:3] == b"\x16\x03\x01"
    assert int.from_bytes(hello[3:5]) == len(hello) - 5
    assert hello[5:6] == b"\x01"
    assert int.from_bytes(hello[6:9]) == len(hello) - 9
    assert hello[9:43] == b"\x03\x03" + bytes(range(32))
    assert b"\0\0\0\x14\0\x12\0\0\x0fwww.example.com" in hello
    assert b"\0\x05\0\x05\x01\0\0\0\0" in hello


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_is_no_server_name(address: str) -> None:
    assert address.encode() not in tls_hello.client_hello(address, bytes(32))


def test_the_flight_has_the_certificate_and_the_response() -> None:
    assert fed(FLIGHT) == Flight(b"leaf", b"response")
    assert fed(HELLO + CERTIFICATE + DONE) == Flight(b"leaf", b"")


def test_messages_may_be_cut_into_records_anywhere() -> None:
    assert fed(*(FLIGHT[index : index + 1] for index in range(len(FLIGHT)))) == Flight(b"leaf", b"response")
    assert fed(FLIGHT[:-1]) is None


@pytest.mark.parametrize(
    ("kind", "record"), [(ALERT, bytes([2, 70])), (HANDSHAKE, message(2, b"\x03\x01" + bytes(36)))]
)
def test_a_server_without_tls_1_2_is_told_from_others(kind: int, record: bytes) -> None:
    with pytest.raises(NoTls12Error):
        fed(record, kind=kind)


@pytest.mark.parametrize(
    ("kind", "record", "words"),
    [
        (ALERT, bytes([2, 40]), "tls: refused a handshake in TLS 1.2 by alert 40"),
        (ALERT, b"\x02", "tls: refused a handshake in TLS 1.2 by alert 0"),
        (HANDSHAKE, CERTIFICATE, "protocol: a handshake that does not begin with ServerHello"),
        (HANDSHAKE, HELLO + message(11, counted(b"")), "protocol: a handshake whose lengths are wrong"),
        (HANDSHAKE, HELLO + message(22, b"\x01\0\0\x09short"), "protocol: a handshake whose lengths are wrong"),
    ],
)
def test_other_answers_fail(kind: int, record: bytes, words: str) -> None:
    with pytest.raises(CheckFailed) as raised:
        fed(record, kind=kind)
    assert str(raised.value) == words


def test_a_handshake_without_an_end_fails() -> None:
    with pytest.raises(CheckFailed, match=r"^limit: more than 131072 bytes of handshake$"):
        fed(HELLO, *[bytes([12, 255, 255, 255]) + bytes(16380)] * 9)


@pytest.mark.parametrize("header", ["1603030010", "1503030002", "1603014000"])
def test_a_record_has_a_length(header: str) -> None:
    assert tls_hello.record_length(bytes.fromhex(header)) == int(header[6:], 16)


@pytest.mark.parametrize(
    "header", [b"HTTP/", b"\x17\x03\x03\0\x10", b"\x16\x02\0\0\x10", b"\x16\x03\x03\0\0", b"\x16\x03\x03\x40\x01"]
)
def test_what_is_no_record_fails(header: bytes) -> None:
    with pytest.raises(CheckFailed, match=r"^protocol: not an answer in TLS$"):
        tls_hello.record_length(header)


@given(st.sampled_from([ALERT, HANDSHAKE]), st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_flight_or_fail(kind: int, data: bytes, greeted: bool) -> None:
    handshake = Handshake()
    if greeted:
        handshake.feed(HANDSHAKE, HELLO)
    with contextlib.suppress(CheckFailed, NoTls12Error):
        flight = handshake.feed(kind, data)
        assert flight is None or isinstance(flight, Flight)
