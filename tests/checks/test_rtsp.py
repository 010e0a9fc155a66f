"""The `rtsp` check against scripts: what RFC 2326's servers say, and what it means."""

import pytest

from feedback.model import Outcome
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check
from tests.checks.made import made

URL = "rtsp://media.example.com/channel1"
ASK = Receive(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: feedback\r\n\r\n")
ANSWER = Send(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, TEARDOWN, PLAY, PAUSE\r\n\r\n")
DESCRIBE = Receive(
    f"DESCRIBE {URL} RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\nUser-Agent: feedback\r\n\r\n".encode()
)
DESCRIBED = Send(b"RTSP/1.0 200 OK\r\nContent-Length: 7\r\nContent-Type: application/sdp\r\nCSeq: 2\r\n\r\nv=0\r\ns=")
ALL: list[Step] = [ASK, ANSWER, DESCRIBE, DESCRIBED]


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("options", "script", "detail"),
    [
        ({}, [ASK, ANSWER], "RTSP/1.0 200 OK"),
        ({"tls": True}, [StartTls(), ASK, ANSWER], "RTSP/1.0 200 OK"),
        ({"url": URL}, ALL, "RTSP/1.0 200 OK, described"),
        ({}, [ASK, Send(b"rtsp/1.0 200\r\nServer: x\r\ncseq:1\r\n\r\n")], "rtsp/1.0 200"),
    ],
)
def test_it_does_what_the_options_ask_for(
    options: dict[str, str | bool], script: list[Step], detail: str, chunk_bytes: int | None
) -> None:
    result = run_check(made("rtsp", **options), Connection(*script), chunk_bytes=chunk_bytes)
    assert (result.outcome, result.detail) == (Outcome.PASS, detail)


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("script", "said", "reason", "detail"),
    [
        (ALL[:1], b"RTSP/1.0 503 Service Unavailable\r\n", "status", "OPTIONS: answered"),
        (
            ALL[:1],
            b"RTSP/1.0 302 Moved\r\nLocation: rtsp://b\r\n\r\n",
            "status",
            'OPTIONS: answered "RTSP/1.0 302 Moved"',
        ),
        (ALL[:1], b"HTTP/1.1 400 Bad Request\r\n", "protocol", 'OPTIONS: answered "HTTP/1.1 400 Bad Request"'),
        (ALL[:1], b"RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n", "protocol", 'OPTIONS: answered "RTSP/1.0 200 OK"'),
        (
            ALL[:1],
            b"RTSP/1.0 200 OK\r\nServer: x\r\n\r\nCSeq: 1\r\n",
            "protocol",
            'OPTIONS: answered "RTSP/1.0 200 OK"',
        ),
        (
            ALL[:3],
            b"RTSP/1.0 404 Not Found\r\nCSeq: 2\r\n\r\n",
            "status",
            'DESCRIBE: answered "RTSP/1.0 404 Not Found"',
        ),
        (
            ALL[:3],
            b"RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\n\r\n",
            "auth",
            'DESCRIBE: answered "RTSP/1.0 401 Unauthorized"',
        ),
    ],
)
def test_another_answer_fails_at_once_and_is_told(
    script: list[Step], said: bytes, reason: str, detail: str, chunk_bytes: int | None
) -> None:
    result = run_check(made("rtsp", url=URL), Connection(*script, Send(said), Hang()), chunk_bytes=chunk_bytes)
    assert (result.outcome, result.reason) == (Outcome.FAIL, reason)
    assert result.detail.startswith(detail)


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_an_interruption_anywhere_fails(by: Step, reason: str) -> None:
    for connection in interrupted(ALL, by):
        assert run_check(made("rtsp", url=URL), connection).reason == reason
