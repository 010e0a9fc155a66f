"""The options of an HTTP request: the bytes that come of them, and the sentences in which they are refused."""

from pathlib import Path
from typing import Any

import pytest

from feedback.checks.http import HttpCheck
from feedback.checks.http_request import HttpRequest
from feedback.config import read_arguments
from feedback.model import Outcome
from feedback.secret import Secret
from feedback.testing import Connection, Receive, Send, run_check

OK = b"HTTP/1.1 200 OK\r\n\r\n"
MD5 = "0" * 32


def lines(check: HttpCheck) -> list[str]:
    """Return what a check asks, line by line, without what it always says."""
    message = check.message(check.verb, check.path, "h", check.version, keep=False)
    connection = Connection(Receive(message.replace(b"Host: h\r\n", b"Host: 192.0.2.11\r\n")), Send(OK))
    assert run_check(check, connection).outcome is Outcome.PASS
    usual = {"Host: h", "User-Agent: feedback", "Accept: */*", "Connection: close"}
    return [line for line in message.decode().split("\r\n") if line not in usual]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, ["GET / HTTP/1.1", "", ""]),
        ({"version": "1.0"}, ["GET / HTTP/1.0", "", ""]),
        ({"method": "DELETE", "path": "/x?y"}, ["DELETE /x?y HTTP/1.1", "", ""]),
        ({"send": "a=schön"}, ["POST / HTTP/1.1", "Content-Length: 8", "", "a=schön"]),
        ({"send": ""}, ["POST / HTTP/1.1", "Content-Length: 0", "", ""]),
        (
            {"method": "PUT", "send": "{}", "content_type": "application/json"},
            ["PUT / HTTP/1.1", "Content-Length: 2", "Content-Type: application/json", "", "{}"],
        ),
        # RFC 7617, 2: the example of the RFC itself
        (
            {"user": "Aladdin", "password": Secret("open sesame")},
            ["GET / HTTP/1.1", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "", ""],
        ),
        (
            {"user": "test", "password": Secret("123\u00a3")},  # RFC 7617, 2.1: in UTF-8
            ["GET / HTTP/1.1", "Authorization: Basic dGVzdDoxMjPCow==", "", ""],
        ),
    ],
)
def test_what_is_asked_is_what_the_options_say(options: dict[str, Any], said: list[str]) -> None:
    assert lines(HttpCheck(**options)) == said


def test_a_password_may_stand_in_a_file_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame\n")
    check = read_arguments(HttpCheck, ["user=Aladdin", f"password=file:{tmp_path}/password"])
    assert "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" in lines(check)
    assert "sesame" not in repr(check)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"user": "a"}, "user: goes with password, and one of them is missing"),
        ({"password": Secret("a")}, "user: goes with password, and one of them is missing"),
        ({"user": "a:b", "password": Secret("a")}, 'user: must be a name without ":", in one line'),
        ({"user": "a\n", "password": Secret("a")}, 'user: must be a name without ":", in one line'),
        ({"content_type": "text/plain"}, "content_type: must be one line, and goes with send"),
        ({"content_type": "text\r\nX: y", "send": ""}, "content_type: must be one line, and goes with send"),
        ({"send": "a", "headers": {"content-length": "2"}}, "headers: content-length is made of send and content_type"),
        ({"location": "a", "follow": 1}, "location: goes without follow, which goes where the answer leads"),
        ({"location": "("}, "location: must be a regular expression: missing ), unterminated subpattern at position 0"),
        ({"body_no_match": "*"}, "body_no_match: must be a regular expression: nothing to repeat at position 0"),
        ({"digest": "abc"}, "digest: must be 32 hexadecimal digits of MD5, or 64 of SHA-256"),
        ({"digest": f"sha256:{MD5}"}, "digest: must be 32 hexadecimal digits of MD5, or 64 of SHA-256"),
        ({"json": {"a": 1}}, 'json: a must be a pointer, like /nodes/0/state, or "" for all of it'),
        ({"json_regex": {"/~2": "a"}}, 'json_regex: /~2 must have "~" written as ~0, and "/" in a name as ~1'),
        ({"json_regex": {"/a": "("}}, "json_regex: must be a regular expression: missing ), unterminated subpattern "),
        ({"method": "HEAD", "digest": MD5}, "digest: an answer to HEAD has no body"),
        ({"method": "HEAD", "json": {"/a": None}}, "json: an answer to HEAD has no body"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    for make in (HttpRequest, HttpCheck):
        with pytest.raises(ValueError, match=":") as caught:
            make(**options)
        assert str(caught.value).startswith(sentence)


# A further request


def test_a_further_request_asks_as_the_first_one_does_where_it_does_not_say_otherwise() -> None:
    first = HttpRequest(
        path="/1", host="www.example.com", headers={"X-A": "1", "X-B": "1"}, user="u", password=Secret("p"), body="b"
    )
    after = HttpRequest(path="/2", headers={"x-a": "2"}).after(first)
    assert (after.path, after.host, after.body) == ("/2", "www.example.com", None)
    assert after.headers == {"X-B": "1", "x-a": "2"}
    assert (after.user, after.password) == ("u", Secret("p"))


def test_a_further_request_has_its_own_host_and_login_where_it_says_so() -> None:
    first = HttpRequest(host="www.example.com", user="u", password=Secret("p"))
    after = HttpRequest(host="other.example.com", user="v", password=Secret("q")).after(first)
    assert (after.host, after.user, after.password) == ("other.example.com", "v", Secret("q"))


def test_a_configuration_is_read_with_all_its_parts() -> None:
    check = read_arguments(
        HttpCheck,
        [
            "version=1.0",
            "json={/status: ok, /up: true, /load: 0.5, /error: null}",
            "requests=[{path: /a, status: 404}, {path: /b, password: p, user: u}]",
        ],
    )
    assert check.version == "1.0"
    assert check.json == {"/status": "ok", "/up": True, "/load": 0.5, "/error": None}
    assert [request.path for request in check.requests] == ["/a", "/b"]
    assert check.requests[1].password == Secret("p")
