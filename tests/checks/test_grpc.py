"""The `grpc` and `grpcs` checks against scripts: frames, states, refusals, and a connection that goes down."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.grpc import GrpcCheck
from feedback.checks.grpcs import GrpcsCheck
from feedback.checks.http2 import FRAMES_LIMIT
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.testing import Close, Connection, Hang, Reset, Send, StartTls, Step, run_check
from tests.checks.certificates import NAMED
from tests.checks.http2_frames import END_STREAM, PING, RST_STREAM, SETTINGS, Peer, data, frame, goodbye, headers

HERE = Target(Endpoint("2001:db8::1", 50051), "rs1", "shop")

BEGUN = frame(SETTINGS)
FIELDS = {":status": "200", "content-type": "application/grpc"}
SERVING = data(b"\0\0\0\0\x02\x08\x01")
OK = headers({"grpc-status": "0"}, end=True)
ANSWER = BEGUN + headers(FIELDS) + SERVING + OK


def refused(code: str, message: str = "") -> bytes:
    """Return an answer that is nothing but a status."""
    said = {"grpc-message": message} if message else {}
    return BEGUN + headers({**FIELDS, "grpc-status": code, **said}, end=True)


def reset(code: int) -> bytes:
    return frame(RST_STREAM, code.to_bytes(4), stream=1)


def check_by(answer: bytes, chunk_bytes: int | None = None, **options: Any) -> CheckResult:
    return run_check(GrpcCheck(**options), Peer(Send(answer)), target=HERE, chunk_bytes=chunk_bytes)


@pytest.mark.parametrize("chunk_bytes", [None, 1, 7])
def test_a_server_that_serves_passes_however_its_frames_are_cut(chunk_bytes: int | None) -> None:
    result = check_by(ANSWER, chunk_bytes)
    assert (result.outcome, result.detail) == (Outcome.PASS, "server is SERVING")


@pytest.mark.parametrize(
    ("options", "authority", "body"),
    [
        ({}, b"[2001:db8::1]:50051", b"\0\0\0\0\0"),
        ({"authority": "a.example.com", "service": "a.B"}, b"a.example.com", b"\0\0\0\0\x05\x0a\x03a.B"),
    ],
)
def test_the_request_is_grpc_s(options: dict[str, Any], authority: bytes, body: bytes) -> None:
    peer = Peer(Send(ANSWER))
    run_check(GrpcCheck(**options), peer, target=HERE)
    assert peer.brief
    assert peer.heard() == (
        {
            b":method": b"POST",
            b":scheme": b"http",
            b":path": b"/grpc.health.v1.Health/Check",
            b":authority": authority,
            b"te": b"trailers",
            b"content-type": b"application/grpc",
            b"user-agent": b"feedback",
        },
        body,
    )


def test_a_ping_is_answered_and_a_goodbye_lets_the_answer_come() -> None:
    peer = Peer(Send(BEGUN + frame(PING, b"12345678") + goodbye(1) + ANSWER.removeprefix(BEGUN)))
    assert run_check(GrpcCheck(), peer).outcome is Outcome.PASS
    assert frame(PING, b"12345678", flags=1) in peer.sent


def test_another_state_may_be_the_one_that_is_wanted() -> None:
    answer = ANSWER.replace(SERVING, data(b"\0\0\0\0\x02\x08\x02"))
    assert check_by(answer, service="a.B", status="NOT_SERVING").detail == "a.B is NOT_SERVING"
    result = check_by(answer, service="a.B")
    assert (result.reason, result.detail) == ("status", "a.B is NOT_SERVING, must be SERVING")


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (refused("14", "going%20down"), "status", "gRPC status 14 UNAVAILABLE, going down"),
        (refused("5"), "status", "gRPC status 5 NOT_FOUND: a.B is not known to the server"),
        (
            refused("12", "no"),
            "status",
            "gRPC status 12 UNIMPLEMENTED, no: the server does not have /grpc.health.v1.Health/Check",
        ),
        (refused("7"), "auth", "gRPC status 7 PERMISSION_DENIED"),
        (refused("16"), "auth", "gRPC status 16 UNAUTHENTICATED"),
        (refused("99"), "status", "gRPC status 99"),
        (refused("one"), "protocol", 'an answer without a gRPC status, but with "one"'),
        (BEGUN + headers({":status": "503"}, end=True), "status", "HTTP status 503, must be 200"),
        (
            BEGUN + headers({":status": "200", "content-type": "text/html"}, end=True),
            "protocol",
            'content type "text/html", must be application/grpc',
        ),
        (
            BEGUN + headers(FIELDS) + data(b"\0\0\0\0\x02\x08\x01", end=True),
            "protocol",
            'an answer without a gRPC status, but with ""',
        ),
        (BEGUN + headers(FIELDS) + OK, "protocol", "an answer of 0 bytes that is not one message"),
        (
            BEGUN + frame(RST_STREAM, b"\0\0\0\x07", stream=1),
            "reset",
            "the request was reset with code 7 REFUSED_STREAM",
        ),
        (BEGUN + frame(RST_STREAM, b"\0\0\0\x63", stream=1), "reset", "the request was reset with code 99"),
        (
            BEGUN + goodbye(0, 0, b"max_age"),
            "closed",
            "the server said goodbye with code 0 NO_ERROR: max_age",
        ),
        (BEGUN + goodbye(1, 11), "closed", "the server said goodbye with code 11 ENHANCE_YOUR_CALM"),
        (BEGUN + frame(7, b"\0"), "protocol", "a GOAWAY that is cut off"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol", 'an answer that is not HTTP/2: "HTTP/1.1 "'),
        (
            b"\x40\x01\0\x04\0\0\0\0\0",
            "protocol",
            r'an answer that is not HTTP/2: "@\x01\x00\x04\x00\x00\x00\x00\x00"',
        ),
        (BEGUN + b"\x40\x01\0\0\0\0\0\0\x01", "protocol", "a frame of 4194560 bytes, must be at most 16384"),
        (
            BEGUN + frame(SETTINGS, b"?"),
            "protocol",
            "an answer that breaks HTTP/2: ",
        ),
        (BEGUN + frame(1, b"\xff\xff\xff", END_STREAM | 4, 1), "protocol", "an answer that breaks HTTP/2: "),
        (BEGUN + frame(PING, bytes(8)) * FRAMES_LIMIT, "limit", f"no end of the answer in {FRAMES_LIMIT} frames"),
    ],
)
def test_another_answer_fails(answer: bytes, reason: str, words: str) -> None:
    result = check_by(answer, service="a.B")
    assert (result.outcome, result.reason) == (Outcome.FAIL, reason)
    assert result.detail.startswith(words) if words.endswith(": ") else result.detail == words


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_a_server_that_stops_anywhere_fails(by: Step, reason: str) -> None:
    for count in (0, 5, 9, 12, len(ANSWER) - 1):
        peer = Peer(Send(ANSWER[:count]), by) if count else Peer(by)
        assert run_check(GrpcCheck(), peer).reason == reason


@given(st.binary(max_size=60))
def test_any_frame_fails_or_passes(payload: bytes) -> None:
    for kind in range(11):
        for stream in (0, 1):
            result = check_by(BEGUN + frame(kind, payload, 4, stream) + ANSWER.removeprefix(BEGUN))
            assert result.outcome in {Outcome.PASS, Outcome.FAIL}


@pytest.mark.parametrize("authority", ["", "a b", "http://a", "[::1", "a:b"])
def test_a_name_that_is_none_is_refused(authority: str) -> None:
    with pytest.raises(ValueError, match=r"^authority: must be a name, like orders\.example\.com$"):
        GrpcCheck(authority=authority)


@pytest.mark.parametrize("service", ["a\n", "a" * 1001])
def test_a_service_that_can_be_none_is_refused(service: str) -> None:
    with pytest.raises(ValueError, match=r"^service: must be a service's full name, like shop\.v1\.Orders$"):
        GrpcCheck(service=service)


def test_a_proxy_protocol_header_goes_first() -> None:
    peer = Peer(Send(ANSWER))
    run_check(GrpcCheck(proxy_protocol="v1"), peer)
    assert peer.sent.startswith(b"PROXY TCP4 192.0.2.1 192.0.2.11 40000 80\r\nPRI * HTTP/2.0\r\n")


# Over TLS


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "2001:db8::1"),
        ({"authority": "a.example.com"}, "a.example.com"),
        ({"authority": "a.example.com:443"}, "a.example.com"),
        ({"authority": "[2001:db8::2]:443"}, "2001:db8::2"),
        ({"authority": "a.example.com", "sni": "b.example.com"}, "b.example.com"),
    ],
)
def test_the_certificate_must_be_valid_for_the_name_that_is_asked(options: dict[str, Any], name: str) -> None:
    peer = Peer(StartTls(certificate=NAMED, alpn="h2"), Send(ANSWER))
    result = run_check(GrpcsCheck(**options), peer, target=HERE)
    assert result.outcome is Outcome.PASS
    assert result.detail.startswith("server is SERVING, certificate expires in ")
    assert peer.server_hostname == name
    assert peer.heard()[0][b":scheme"] == b"https"


@pytest.mark.parametrize("alpn", [None, "http/1.1"])
def test_a_server_that_has_not_chosen_http_2_fails(alpn: str | None) -> None:
    result = run_check(GrpcsCheck(), Connection(StartTls(certificate=NAMED, alpn=alpn)))
    assert (result.reason, result.detail) == ("tls", "the server has not chosen h2 by ALPN, as gRPC must")


def test_options_of_both_are_looked_at() -> None:
    with pytest.raises(ValueError, match=r"^authority: "):
        GrpcsCheck(authority="a b")
    with pytest.raises(ValueError, match=r"^key_file: "):
        GrpcsCheck(key_file="a.pem")
