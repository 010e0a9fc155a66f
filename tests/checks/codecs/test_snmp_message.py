import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import ber
from feedback.checks.codecs.snmp_message import get, get_bulk, is_oid, read_response
from feedback.errors import CheckFailed

COUNTER32, COUNTER64, NO_SUCH_INSTANCE = 0x41, 0x46, 0x81


def variable(oid: str, value: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.element(0x06, bytes.fromhex(oid)), value)


def response(*variables: bytes, version: int = 1, request_id: int = 7, status: int = 0, place: int = 0) -> bytes:
    head = map(ber.integer, (request_id, status, place))
    pdu = ber.element(0xA2, *head, ber.element(ber.SEQUENCE, *variables))
    return ber.element(ber.SEQUENCE, ber.integer(version), ber.string("orch"), pdu)


@pytest.mark.parametrize(
    ("oid", "good"),
    [
        ("1.3.6.1.4.1.2021.4.5.0", True),
        (".1.3.6", True),
        ("2.39.1", True),
        ("1", False),
        ("", False),
        ("3.1.1", False),
        ("1.40.1", False),
        ("1.3.x", False),
        ("1.3." + "1." * 70 + "1", False),
    ],
)
def test_object_identifiers_are_told_from_other_texts(oid: str, *, good: bool) -> None:
    assert is_oid(oid) is good


def test_a_request_names_what_it_wants() -> None:
    wanted = "3026 020101 0404 6f726368 a01b 020107 020100 020100 3010 300e 060a 2b060104018f650a8148 0500"
    assert get(7, "orch", [".1.3.6.1.4.1.2021.10.200"]) == bytes.fromhex(wanted)


def test_requests_and_answers_are_of_one_kind() -> None:
    message = ber.Reader(get_bulk(7, "orch", "1.3.6.1.2.1.25")).inside(ber.SEQUENCE)
    assert (message.integer(), message.string()) == (1, "orch")
    pdu = message.inside(0xA5)
    assert [pdu.integer() for _ in range(3)] == [7, 0, 64]
    wanted = pdu.inside(ber.SEQUENCE).inside(ber.SEQUENCE)
    assert wanted.content(0x06) == bytes.fromhex("2b0601020119")
    assert wanted.content(0x05) == b""


def test_numbers_are_read_and_what_is_not_there_is_left_out() -> None:
    answer = response(
        variable("2b06010401 8f65 0a", ber.integer(5)),
        variable("2b06010401 8f65 0b", ber.element(COUNTER32, b"\0\xff\xff\xff\xff")),
        variable("2b06010401 8f65 0c", ber.element(COUNTER64, b"\0" + b"\xff" * 8)),
        variable("2b06010401 8f65 0d", ber.element(NO_SUCH_INSTANCE)),
        variable("8837 01", ber.element(ber.INTEGER, b"\xff")),
    )
    assert read_response(answer, 7) == {
        "1.3.6.1.4.1.2021.10": 5,
        "1.3.6.1.4.1.2021.11": 2**32 - 1,
        "1.3.6.1.4.1.2021.12": 2**64 - 1,
        "2.999.1": -1,
    }
    assert read_response(answer, 8) is None


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "an element in BER ends too early"),
        (response(version=0), "the answer is of SNMP version 0, must be 1, which is 2c"),
        (response(status=2, place=3), "the agent answers error 2, noSuchName, at object 3"),
        (response(status=99), "the agent answers error 99, an unknown error, at object 0"),
        (response(variable("", ber.integer(5))), "an object identifier of 0 octets that does not end"),
        (response(variable("2b86", ber.integer(5))), "an object identifier of 2 octets that does not end"),
        (response(variable("2b06", ber.element(COUNTER32))), "a number of 0 octets, must be from 1 to 9"),
        (
            response(*(variable(f"2b{number:02x}", ber.integer(5)) for number in range(65))),
            "the answer has more than 64 objects",
        ),
    ],
)
def test_what_is_no_answer_is_refused(answer: bytes, message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        read_response(answer, 7)


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for answer in (data, response(data)):
        with contextlib.suppress(CheckFailed):
            read_response(answer, 7)
