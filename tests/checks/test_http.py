"""The `http` check against scripts: what it asks, what passes, and each sentence in which it fails."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.http import REQUESTS_KEPT, HttpCheck, host_header
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.testing import (
    Close,
    Connection,
    Drop,
    Hang,
    Receive,
    Refuse,
    Reset,
    Send,
    Step,
    interrupted,
    run_check,
)

REQUEST = b"GET / HTTP/1.1\r\nHost: 192.0.2.11\r\nUser-Agent: feedback\r\nAccept: */*\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-Node: rs1\r\nX-Node: a\r\n\r\nI'm alive"


def answered(check: HttpCheck, *answer: bytes, chunk_bytes: int | None = None) -> CheckResult:
    return run_check(check, Connection(Receive(REQUEST), *map(Send, answer)), chunk_bytes=chunk_bytes)


def failure(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


# What it asks


def test_it_asks_once_on_a_connection_of_its_own_and_the_detail_is_the_status() -> None:
    connection = Connection(Receive(REQUEST), Send(OK))
    result = run_check(HttpCheck(), connection)
    assert (result.outcome, result.reason, result.detail) == (Outcome.PASS, "", "200 OK")
    assert connection.sent == REQUEST
    assert connection.closed


def test_every_option_of_the_request_is_in_its_bytes() -> None:
    check = HttpCheck(path="/alive?deep=1", method="OPTIONS", host="www.example.com:8080", headers={"X-Probe": "lvs"})
    connection = Connection(Send(OK))
    with pytest.raises(AssertionError, match="the check sent"):
        run_check(check, connection)
    assert connection.sent == (
        b"OPTIONS /alive?deep=1 HTTP/1.1\r\nHost: www.example.com:8080\r\nUser-Agent: feedback\r\nAccept: */*\r\n"
        b"Connection: close\r\nX-Probe: lvs\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        (Endpoint("192.0.2.11", 80), "192.0.2.11"),
        (Endpoint("192.0.2.11", 8080), "192.0.2.11:8080"),
        (Endpoint("2001:db8::80", 80), "[2001:db8::80]"),
        (Endpoint("2001:db8::80", 8080), "[2001:db8::80]:8080"),
    ],
)
def test_the_host_header_has_the_port_where_it_is_not_the_usual_one(endpoint: Endpoint, host: str) -> None:
    assert host_header(endpoint, 80) == host


def test_one_check_asks_each_destination_in_its_own_name() -> None:
    check = HttpCheck()
    for _ in range(2):
        for address in ("192.0.2.11", "192.0.2.12"):
            connection = Connection(Receive(REQUEST.replace(b"192.0.2.11", address.encode())), Send(OK))
            assert run_check(check, connection, target=Target(Endpoint(address, 80))).outcome is Outcome.PASS


def test_a_check_remembers_no_more_requests_than_it_should() -> None:
    check = HttpCheck()
    endpoints = [Endpoint("192.0.2.11", 1 + number) for number in range(REQUESTS_KEPT + 5)]
    messages = {check._message_for(endpoint) for endpoint in endpoints}
    assert len(messages) == len(endpoints)
    assert len(check._messages) <= REQUESTS_KEPT


def test_another_port_and_address_may_be_checked() -> None:
    check = HttpCheck(port=8080, address="192.0.2.99")
    connection = Connection(Receive(REQUEST.replace(b"192.0.2.11", b"192.0.2.99:8080")), Send(OK))
    assert run_check(check, connection).outcome is Outcome.PASS


# What passes

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nI'm \r\n5\r\nalive\r\n0\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\n\r\nI'm alive"


@pytest.mark.parametrize("answer", [OK, CHUNKED, UNTIL_CLOSE, OK.replace(b"\r\n", b"\n")])
@pytest.mark.parametrize("chunk_bytes", [None, 1, 7])
@pytest.mark.parametrize(
    "options",
    [{}, {"body": "I'm alive"}, {"body_regex": "^I.m alive$"}, {"body": "alive", "body_regex": "m a"}, {"body": ""}],
)
def test_every_form_of_an_answer_passes_however_it_is_cut(
    answer: bytes, chunk_bytes: int | None, options: dict[str, Any]
) -> None:
    result = answered(HttpCheck(**options), answer, chunk_bytes=chunk_bytes)
    assert (result.outcome, result.detail) == (Outcome.PASS, "200 OK")


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_interim_answers_are_passed_over(chunk_bytes: int | None) -> None:
    answers = (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + OK)
    check = HttpCheck(body="alive", expect_headers={"X-Node": "rs1"})
    assert answered(check, *answers, chunk_bytes=chunk_bytes).detail == "200 OK"


def test_a_body_is_read_no_further_than_its_text() -> None:
    endless = Connection(Receive(REQUEST), Send(b"HTTP/1.1 200 OK\r\n\r\nI'm alive, and so on"), Hang())
    assert run_check(HttpCheck(body="alive"), endless).outcome is Outcome.PASS


def test_a_body_of_which_nothing_is_expected_is_not_read() -> None:
    slow = Connection(Receive(REQUEST), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), Hang())
    assert run_check(HttpCheck(expect_headers={"content-length": "9"}), slow).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("status", "answer"), [(404, 404), ([200, "500-503"], 502), ("204, 301", 301), ("200-399", 399)]
)
def test_the_statuses_that_pass_are_an_option(status: Any, answer: int) -> None:
    assert answered(HttpCheck(status=status), b"HTTP/1.1 %d\r\n\r\n" % answer).detail == str(answer)


def test_a_header_is_looked_for_in_any_of_its_values_and_whatever_its_case() -> None:
    for pattern in ("^rs", "^a$"):
        assert answered(HttpCheck(expect_headers={"x-NODE": pattern}), OK).outcome is Outcome.PASS


def test_a_body_regex_sees_text() -> None:
    answer = "HTTP/1.1 200 OK\r\n\r\nschön".encode()
    assert answered(HttpCheck(body_regex="^sch.n$"), answer).outcome is Outcome.PASS
    assert answered(HttpCheck(body="schön"), answer).outcome is Outcome.PASS


# What fails


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        ([Refuse()], "refused", "connection refused by 192.0.2.11:80"),
        ([Drop()], "timeout", "no answer within 1 s"),
        ([Hang()], "timeout", "no answer within 1 s"),
        ([Reset()], "reset", "connection reset by 192.0.2.11:80"),
        ([Close()], "closed", "the connection was closed after 0 bytes of an answer"),
        ([Send(b"HTTP/1.1 200"), Close()], "closed", "the connection was closed after 12 bytes of an answer"),
        (
            [Send(b"HTTP/1.1 100 Continue\r\n\r\n"), Close()],
            "closed",
            "the connection was closed after 0 bytes of an answer",
        ),
        ([Send(b"SSH-2.0-x\r\n")], "protocol", 'the answer is not HTTP: "SSH-2.0-x\\r\\n"'),
        (
            [Send(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 9999)],
            "limit",
            "the answer's headers are longer than 16384 bytes",
        ),
        ([Send(b"HTTP/1.1 503 Busy\r\n\r\n")], "status", "status 503 Busy, must be 200-399"),
        ([Send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), Hang()], "timeout", "no answer within 1 s"),
    ],
)
def test_a_failure_says_what_is_wrong(script: list[Step], reason: str, detail: str) -> None:
    steps = script if isinstance(script[0], Refuse | Drop) else [Receive(REQUEST), *script]
    connection = Connection(*steps)
    assert failure(run_check(HttpCheck(), connection)) == (Outcome.FAIL, reason, detail)
    assert connection.closed


@pytest.mark.parametrize(
    ("options", "answer", "reason", "detail"),
    [
        ({"status": [200, "204-206"]}, b"HTTP/1.1 404 No\r\n\r\n", "status", "status 404 No, must be 200 or 204-206"),
        ({"expect_headers": {"X-Gone": "a"}}, OK, "content", "the answer has no header x-gone"),
        ({"expect_headers": {"X-Node": "rs2"}}, OK, "content", 'header x-node is "rs1, a", must match rs2'),
        (
            {"expect_headers": {"A": "b"}},
            b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
            "protocol",
            'not a header field: "no field\\r"',
        ),
        ({"body": "well"}, OK, "content", 'no "well" in the body, which begins with "I\'m alive"'),
        ({"body_regex": "^a"}, OK, "content", 'no match of ^a in the body, which begins with "I\'m alive"'),
        ({"body": "alive", "body_limit": 6}, UNTIL_CLOSE, "limit", 'no "alive" in the first 6 bytes of a larger body'),
        ({"body": "alive", "body_limit": 6}, OK, "limit", 'no "alive" in the first 6 bytes of a larger body'),
        ({"body": "I'm dead"}, OK[:-1], "closed", "the connection was closed in the middle of the body"),
        ({"body": "a"}, b"HTTP/1.1 204 None\r\n\r\n", "content", 'no "a" in the body, which begins with ""'),
        ({"body": "a"}, b"HTTP/1.1 204 None\r\n\r\na", "content", 'no "a" in the body, which begins with ""'),
        (
            {"body": "a"},
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\na",
            "protocol",
            'unknown transfer coding: "gzip"',
        ),
        (
            {"body": "a"},
            b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\na",
            "protocol",
            "the answer's Content-Length is not one number",
        ),
        (
            {"body": "a"},
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "protocol",
            'not the size of a chunk: "xyz\\r\\n"',
        ),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_an_answer_that_is_not_as_expected_is_shown(
    options: dict[str, Any], answer: bytes, reason: str, detail: str, chunk_bytes: int | None
) -> None:
    result = answered(HttpCheck(**options), answer, chunk_bytes=chunk_bytes)
    assert failure(result) == (Outcome.FAIL, reason, detail)


@pytest.mark.parametrize(
    ("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")], ids=["hang", "close", "reset"]
)
def test_an_interruption_anywhere_fails_and_leaves_nothing_open(by: Step, reason: str) -> None:
    check = HttpCheck(body="alive", expect_headers={"X-Node": "rs1"})
    steps: list[Step] = [
        Receive(REQUEST),
        Send(b"HTTP/1.1 100 Continue\r\n\r\n"),
        Send(OK[:5]),
        Send(OK[5:40]),
        Send(OK[40:-5]),
        Send(OK[-5:]),
    ]
    assert run_check(check, Connection(*steps)).outcome is Outcome.PASS
    for connection in interrupted(steps, by):
        assert run_check(check, connection).reason == reason
        assert connection.closed


# Options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"path": "alive"}, 'path: must start with "/"'),
        ({"path": ""}, 'path: must start with "/"'),
        ({"path": "/a b"}, "path: must be printable ASCII without spaces; write other characters as %XX"),
        ({"path": "/schön"}, "path: must be printable ASCII without spaces; write other characters as %XX"),
        ({"path": "/\r\nX: y"}, "path: must be printable ASCII without spaces; write other characters as %XX"),
        ({"path": "/\n"}, "path: must be printable ASCII without spaces; write other characters as %XX"),
        ({"method": "GET /"}, "method: must be a word like GET"),
        ({"method": ""}, "method: must be a word like GET"),
        ({"host": "a b"}, "host: must be a name, like www.example.com"),
        ({"host": ""}, "host: must be a name, like www.example.com"),
        ({"headers": {"X Y": "a"}}, "headers: X Y must be a header's name, and its value one line"),
        ({"headers": {"X": "a\r\nY: b"}}, "headers: X must be a header's name, and its value one line"),
        ({"method": "HEAD", "body": "a"}, "body: an answer to HEAD has no body"),
        ({"method": "HEAD", "body_regex": "a"}, "body_regex: an answer to HEAD has no body"),
        ({"status": 99}, 'status: must be statuses from 100 to 599, like 200 or "200-299", not 99'),
        (
            {"body_regex": "("},
            "body_regex: must be a regular expression: missing ), unterminated subpattern at position 0",
        ),
        (
            {"expect_headers": {"a": "*"}},
            "expect_headers: must be a regular expression: nothing to repeat at position 0",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=":") as caught:
        HttpCheck(**options)
    assert str(caught.value) == sentence


# Any bytes


@given(
    st.lists(
        st.binary(min_size=1, max_size=40)
        | st.sampled_from(
            [b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", b"\r\n", b"Content-Length: 2\r\n", b"5\r\n", b"I'm alive"]
        ),
        max_size=8,
    ),
    st.integers(1, 50),
)
def test_whatever_the_peer_says_the_outcome_is_its_own(said: list[bytes], chunk_bytes: int) -> None:
    check = HttpCheck(body="alive", expect_headers={"A": "b"}, body_limit=100)
    result = answered(check, *said, chunk_bytes=chunk_bytes)
    assert result.outcome in {Outcome.PASS, Outcome.FAIL}
    assert result.detail.isprintable()
