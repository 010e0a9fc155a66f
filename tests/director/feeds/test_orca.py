import pytest

from feedback.director.feeds.orca import OrcaFeed
from feedback.report import Report
from feedback.testing import Connection, Receive, Send
from tests.director.feeds.asked import asked, refused

REQUEST = (
    b"GET /load HTTP/1.1\r\nHost: 192.0.2.11:80\r\nUser-Agent: feedback\r\nAccept: */*\r\nConnection: close\r\n\r\n"
)
BODY = b'{"cpu_utilization": 0.5, "rps_fractional": 250}'


def answer(body: bytes, *headers: str, status: str = "200 OK") -> Connection:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return Connection(Receive(REQUEST), Send(("\r\n".join(lines) + "\r\n\r\n").encode() + body))


def feed(**limits: float) -> OrcaFeed:
    return OrcaFeed(port=80, path="/load", limits=limits)


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_the_body_is_a_report(chunk_bytes: int | None) -> None:
    assert asked(feed(), answer(BODY), chunk_bytes=chunk_bytes) == Report({"cpu": 0.5})
    assert asked(feed(rps=500.0), answer(BODY)) == Report({"cpu": 0.5, "rps": 0.5})


def test_the_header_of_any_answer_goes_before_its_body() -> None:
    header = "Endpoint-Load-Metrics: TEXT application_utilization=0.75"
    assert asked(feed(), answer(b"<html>", header)) == Report({"application": 0.75})
    assert asked(feed(), answer(b"x" * 70_000, header)) == Report({"application": 0.75})


def test_a_service_may_have_a_name() -> None:
    script = Connection(Receive(REQUEST.replace(b"192.0.2.11:80", b"shop")), Send(b"HTTP/1.0 200 OK\r\n\r\n" + BODY))
    assert asked(OrcaFeed(port=80, path="/load", host="shop"), script) == Report({"cpu": 0.5})


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (answer(b"", status="404 Not Found"), "status: 404 Not Found"),
        (answer(b""), "content: the load report says nothing of load"),
        (answer(b"x" * 70_000), "limit: the answer's body is longer than 65536 bytes"),
        (Connection(Receive(REQUEST), Send(b"220 hello\r\n")), 'protocol: the answer is not HTTP: "220 hello\\r\\n"'),
    ],
)
def test_what_is_no_report_is_no_answer(script: Connection, why: str) -> None:
    assert refused(feed(), script) == why


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "load"}, 'path: must start with "/", and have no spaces'),
        ({"path": "/a b"}, 'path: must start with "/", and have no spaces'),
        ({"host": "a\r\nb: c"}, "host: must be a name, and have no spaces"),
    ],
)
def test_options_that_would_break_the_request_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OrcaFeed(port=80, **options)  # type: ignore[arg-type]
