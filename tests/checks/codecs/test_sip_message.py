"""SIP's messages: the request as RFC 3261 has it, and responses in all the forms that it allows."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import sip_message
from feedback.checks.codecs.sip_message import Question, Response, body_length, read_response
from feedback.errors import CheckFailed
from feedback.model import Endpoint

QUESTION = Question(
    transport="UDP",
    sender=Endpoint("192.0.2.1", 40000),
    uri="sip:192.0.2.11:5060",
    to_uri="sip:192.0.2.11:5060",
    from_uri="sip:feedback@192.0.2.1:40000",
    branch="z9hG4bKhjhs8ass877",
    tag="1928301774",
    call_id="a84b4c76e66710",
)

# RFC 3261, 11.2, with the fields of our request
ANSWER = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:40000;branch=z9hG4bKhjhs8ass877\r\n"
    b" ;received=192.0.2.1\r\n"
    b"To: <sip:carol@chicago.com>;tag=93810874\r\n"
    b"From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
    b"Call-ID: a84b4c76e66710\r\n"
    b"CSeq: 1 OPTIONS\r\n"
    b"Contact: <sip:carol@chicago.com>\r\n"
    b"Contact: <mailto:carol@chicago.com>\r\n"
    b"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE\r\n"
    b"Content-Length: 4\r\n"
    b"\r\nv=0\n"
)
SHORT = (
    b"\r\n\r\nsip/2.0 486 \r\n"
    b"v : SIP / 2.0 / UDP 192.0.2.1:40000 ; rport=40000 ; Branch = z9hG4bKhjhs8ass877, SIP/2.0/UDP x;branch=z9\r\n"
    b"i:a84b4c76e66710\r\n"
    b"CSEQ: 1   options\r\n"
    b"l: 0\r\n\r\n"
)


def read(data: bytes) -> Response:
    response = read_response(data)
    assert response is not None
    return response


def test_the_request_is_a_whole_one() -> None:
    assert QUESTION.message == (
        b"OPTIONS sip:192.0.2.11:5060 SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.1:40000;branch=z9hG4bKhjhs8ass877;rport\r\n"
        b"Max-Forwards: 70\r\n"
        b"From: <sip:feedback@192.0.2.1:40000>;tag=1928301774\r\n"
        b"To: <sip:192.0.2.11:5060>\r\n"
        b"Call-ID: a84b4c76e66710\r\n"
        b"CSeq: 1 OPTIONS\r\n"
        b"Contact: <sip:feedback@192.0.2.1:40000>\r\n"
        b"Accept: application/sdp\r\n"
        b"User-Agent: feedback\r\n"
        b"Content-Length: 0\r\n"
        b"\r\n"
    )


def test_the_transport_is_said_where_it_is_another() -> None:
    tls = Question("TLS", Endpoint("2001:db8::1", 40000), "sip:a", "sip:b", "sip:c", "z9hG4bK1", "2", "3")
    assert b"\r\nVia: SIP/2.0/TLS [2001:db8::1]:40000;branch=z9hG4bK1;rport\r\n" in tls.message
    assert b"\r\nContact: <sip:feedback@[2001:db8::1]:40000;transport=tls>\r\n" in tls.message


def test_a_response_is_read() -> None:
    response = read(ANSWER)
    assert (response.status, response.phrase, str(response), response.final) == (200, "OK", "200 OK", True)
    assert response.fields["via"] == "SIP/2.0/UDP 192.0.2.1:40000;branch=z9hG4bKhjhs8ass877 ;received=192.0.2.1"
    assert response.fields["contact"] == "<sip:carol@chicago.com>"
    assert QUESTION.is_answered_by(response)


def test_names_may_be_short_and_fields_loose() -> None:
    response = read(SHORT)
    assert (str(response), response.fields["call-id"]) == ("486", "a84b4c76e66710")
    assert QUESTION.is_answered_by(response)


def test_a_provisional_response_is_not_the_last() -> None:
    assert not read(b"SIP/2.0 199 Early Dialog Terminated\r\n\r\n").final
    assert read(b"SIP/2.0 603 Decline\r\n\r\n").final


@pytest.mark.parametrize(
    ("line", "other"),
    [
        (b";branch=z9hG4bKhjhs8ass877", b";branch=z9hG4bKanother"),
        (b";branch=z9hG4bKhjhs8ass877", b""),
        (b"Via:", b"X-Via:"),
        (b"Call-ID: a84b4c76e66710", b"Call-ID: a84b4c76e66711"),
        (b"Call-ID:", b"X-Call-ID:"),
        (b"CSeq: 1 OPTIONS", b"CSeq: 2 OPTIONS"),
        (b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE"),
        (b"CSeq: 1 OPTIONS", b"CSeq: one"),
    ],
)
def test_a_response_to_another_request_is_none_to_ours(line: bytes, other: bytes) -> None:
    assert not QUESTION.is_answered_by(read(ANSWER.replace(line, other, 1)))


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"\0\0\0\0", b"OPTIONS sip:me SIP/2.0\r\n\r\n", b"SIP", QUESTION.message]
)
def test_what_is_no_response_is_passed_over(data: bytes) -> None:
    assert read_response(data) is None


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"SIP/2.0\r\n\r\n", 'not a status line of SIP/2.0: "SIP/2.0"'),
        (b"SIP/3.0 200 OK\r\n\r\n", 'not a status line of SIP/2.0: "SIP/3.0 200 OK"'),
        (b"SIP/2.0 700 OK\r\n\r\n", 'not a status line of SIP/2.0: "SIP/2.0 700 OK"'),
        (b"SIP/2.0 20 OK\r\n\r\n", 'not a status line of SIP/2.0: "SIP/2.0 20 OK"'),
        (b"SIP/2.0 200 OK\nVia: x\n\n", r'not a status line of SIP/2.0: "SIP/2.0 200 OK\nVia: x\n\n"'),
        (b"SIP/2.0 200 OK\r\nno field\r\n\r\n", 'not a header field: "no field"'),
        (b"SIP/2.0 200 OK\r\n: nothing\r\n\r\n", 'not a header field: ": nothing"'),
    ],
)
def test_what_is_broken_is_told(data: bytes, detail: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        read_response(data)
    assert (caught.value.reason, caught.value.detail) == ("protocol", detail)


def test_fields_beyond_all_measure_are_left_out() -> None:
    response = read(b"SIP/2.0 200 OK\r\n" + b"A: b\r\n" * sip_message.MAX_FIELDS + b"C: d\r\n\r\n")
    assert response.fields == {"a": "b"}


def test_the_end_of_a_message_is_where_it_says() -> None:
    head = ANSWER.partition(b"v=0")[0]
    assert body_length(head) == 4
    assert body_length(b"\r\n" + head) == 4
    assert body_length(SHORT) == 0


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (b"", "protocol", 'no Content-Length to find the message\'s end by: ""'),
        (b"Content-Length: -1\r\n", "protocol", 'no Content-Length to find the message\'s end by: "-1"'),
        (b"l: 12345678901\r\n", "protocol", 'no Content-Length to find the message\'s end by: "12345678901"'),
        (b"l: 65537\r\n", "limit", "a body of 65537 bytes, of which at most 65536 are read"),
    ],
)
def test_a_message_without_an_end_is_told(value: bytes, reason: str, detail: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        body_length(b"SIP/2.0 200 OK\r\n" + value + b"\r\n")
    assert (caught.value.reason, caught.value.detail) == (reason, detail)


@given(st.binary(max_size=200), st.sampled_from([b"", b"SIP/2.0 200 OK\r\n", ANSWER[:-8], SHORT[:-2]]))
def test_any_bytes_are_a_response_or_none_or_one_failure(data: bytes, before: bytes) -> None:
    with contextlib.suppress(CheckFailed):
        response = read_response(before + data)
        assert response is None or QUESTION.is_answered_by(response) in {True, False}
    with contextlib.suppress(CheckFailed):
        assert 0 <= body_length(before + data) <= sip_message.BODY_LIMIT_BYTES
