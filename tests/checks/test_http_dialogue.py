"""Several requests of one `http` check, and redirects on the way: what is asked on which connection, and what fails."""

from typing import Any

import pytest

from feedback.checks.http import HttpCheck
from feedback.checks.http_request import HttpRequest
from feedback.checks.https import HttpsCheck
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.secret import Secret
from feedback.testing import (
    Close,
    Connection,
    Hang,
    Receive,
    Refuse,
    Reset,
    Send,
    StartTls,
    Step,
    interrupted,
    run_check,
)

HERE = Target(Endpoint("192.0.2.11", 8080), vip=Endpoint("192.0.2.1", 80))


def get(path: str, host: str = "192.0.2.11", *, close: bool = False, method: str = "GET", more: str = "") -> Receive:
    end = "Connection: close\r\n" if close else ""
    usual = "User-Agent: feedback\r\nAccept: */*\r\n"
    return Receive(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{usual}{end}{more}\r\n".encode())


def answer(status: str = "200 OK", body: str = "", *fields: str) -> Send:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return Send(("\r\n".join(lines) + "\r\n\r\n" + body).encode())


def moved(location: str, status: str = "302 Found") -> Send:
    return answer(status, "elsewhere", f"Location: {location}")


def two(**options: Any) -> HttpCheck:
    return HttpCheck(path="/a", requests=(HttpRequest(path="/b", body="alive"),), **options)


def passed(result: CheckResult) -> str:
    assert (result.outcome, result.reason) == (Outcome.PASS, "")
    return result.detail


# Several requests

ON_ONE: list[Step] = [get("/a"), answer(body="some"), get("/b", close=True), answer("203 Other", "I'm alive")]


@pytest.mark.parametrize("chunk_bytes", [None, 1, 7])
def test_all_are_asked_on_one_connection_and_the_last_one_closes_it(chunk_bytes: int | None) -> None:
    assert passed(run_check(two(), Connection(*ON_ONE), chunk_bytes=chunk_bytes)) == "200 OK, 203 Other"


@pytest.mark.parametrize(
    ("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")], ids=["hang", "close", "reset"]
)
def test_an_interruption_anywhere_fails(by: Step, reason: str) -> None:
    steps: list[Step] = [ON_ONE[0], Send(b"HTTP/1.1 200 OK\r\nContent-Le"), Send(b"ngth: 4\r\n\r\nso"), Send(b"me")]
    steps += [ON_ONE[2], Send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nali"), Send(b"ve")]
    assert passed(run_check(two(), Connection(*steps))) == "200 OK, 200 OK"
    again = Connection(ON_ONE[2], by)  # where it is gone when the second one is asked, or in the middle of the first
    for connection in interrupted(steps, by):
        assert run_check(two(), connection, again).reason == reason


@pytest.mark.parametrize(
    ("check", "connections", "reason", "detail"),
    [
        (
            two(),
            [Connection(get("/a"), answer("503 Busy"))],
            "status",
            "request 1, GET /a: status 503 Busy, must be 200-399",
        ),
        (
            two(),
            [Connection(*ON_ONE[:3], answer(body="dead"))],
            "content",
            'request 2, GET /b: no "alive" in the body, which begins with "dead"',
        ),
        (
            two(),
            [Connection(*ON_ONE[:3], Hang())],
            "timeout",
            "request 2, GET /b: no answer within 1 s",
        ),
        (
            two(keep_alive=False),
            [Connection(get("/a", close=True), answer()), Connection(Refuse())],
            "refused",
            "request 2, GET /b: connection refused by 192.0.2.11:80",
        ),
    ],
)
def test_a_failure_names_its_request(check: HttpCheck, connections: list[Connection], reason: str, detail: str) -> None:
    result = run_check(check, *connections)
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, reason, detail)


@pytest.mark.parametrize(
    "first",
    [
        answer("200 OK", "some", "Connection: close"),
        Send(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nsome"),
        Send(b"HTTP/1.1 200 OK\r\n\r\nsome"),
        Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        Send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsome, and what nobody asked for"),
        Send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nalive"),
        Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000),
    ],
)
def test_a_connection_that_can_not_be_kept_is_followed_by_a_new_one(first: Send) -> None:
    connections = [Connection(get("/a"), first), Connection(get("/b", close=True), answer(body="alive"))]
    assert passed(run_check(two(), *connections)) == "200 OK, 200 OK"


def test_a_chunked_answer_is_read_to_its_end_before_the_next_is_asked() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n0\r\nTrailer: a\r\n\r\n"
    assert passed(run_check(two(), Connection(get("/a"), Send(chunked), *ON_ONE[2:]))) == "200 OK, 203 Other"


@pytest.mark.parametrize("end", [Close(), Reset()])
def test_a_connection_that_was_kept_and_is_gone_after_all_is_replaced_once(end: Step) -> None:
    connections = [Connection(*ON_ONE[:3], end), Connection(*ON_ONE[2:])]
    assert passed(run_check(two(), *connections)) == "200 OK, 203 Other"
    result = run_check(two(), Connection(*ON_ONE[:3], end), Connection(ON_ONE[2], Close()))
    assert (result.reason, result.detail) == (
        "closed",
        "request 2, GET /b: the connection was closed after 0 bytes of an answer",
    )


@pytest.mark.parametrize("options", [{"keep_alive": False}, {"version": "1.0"}])
def test_each_may_have_a_connection_of_its_own(options: dict[str, Any]) -> None:
    check = two(**options)

    def asked(step: Receive) -> Receive:
        return Receive(step.data.replace(b"HTTP/1.1", f"HTTP/{check.version}".encode()))

    connections = [
        Connection(asked(get("/a", close=True)), answer(body="some")),
        Connection(asked(get("/b", close=True)), answer(body="alive")),
    ]
    assert passed(run_check(check, *connections)) == "200 OK, 200 OK"
    assert all(connection.closed for connection in connections)


def test_what_must_not_be_asked_twice_has_a_new_connection() -> None:
    check = HttpCheck(requests=(HttpRequest(path="/search", send="q=lvs"), HttpRequest(method="HEAD")))
    content = "Content-Length: 5\r\n"
    asked = get("/search", method="POST", more=content).data + b"q=lvs"
    first = Connection(get("/"), answer())
    second = Connection(Receive(asked), answer(), get("/", method="HEAD", close=True), answer())
    assert passed(run_check(check, first, second)) == "200 OK, 200 OK, 200 OK"


def test_a_failed_login_is_one_request_and_a_good_one_the_other() -> None:
    check = HttpCheck(status=401, requests=(HttpRequest(user="u", password=Secret("p"), status=200),))
    login = get("/", close=True, more="Authorization: Basic dTpw\r\n")
    assert passed(run_check(check, Connection(get("/"), answer("401 No"), login, answer()))) == "401 No, 200 OK"


def test_a_login_that_is_refused_is_one() -> None:
    check = HttpCheck(requests=(HttpRequest(path="/b", user="u", password=Secret("p")),))
    login = get("/b", close=True, more="Authorization: Basic dTpw\r\n")
    result = run_check(check, Connection(get("/"), answer(), login, answer("401 No")))
    assert (result.reason, result.detail) == ("auth", "request 2, GET /b: the login of u was refused: 401 No")


# 404 drains


def test_a_404_drains_where_that_is_wanted() -> None:
    result = run_check(HttpCheck(disable_on_404=True), Connection(get("/", close=True), answer("404 Not Found")))
    assert passed(result) == "404 Not Found: drained by its server"
    assert result.weight_ratio == 0.0


def test_another_status_fails_all_the_same() -> None:
    result = run_check(HttpCheck(disable_on_404=True), Connection(get("/", close=True), answer("410 Gone")))
    assert (result.outcome, result.detail) == (Outcome.FAIL, "status 410 Gone, must be 200-399")


def test_an_answer_that_passes_has_no_hint() -> None:
    result = run_check(HttpCheck(disable_on_404=True), Connection(get("/", close=True), answer()))
    assert result.weight_ratio is None


def test_a_404_of_any_request_drains_unless_it_is_what_is_expected_there() -> None:
    check = HttpCheck(disable_on_404=True, requests=(HttpRequest(path="/b", status=404), HttpRequest(path="/c")))
    steps: list[Step] = [get("/"), answer(), get("/b"), answer("404 Not Found"), get("/c", close=True)]
    result = run_check(check, Connection(*steps, answer("404 Not Found")))
    assert (passed(result), result.weight_ratio) == ("404 Not Found: drained by its server", 0.0)
    result = run_check(check, Connection(*steps, answer()))
    assert (passed(result), result.weight_ratio) == ("200 OK, 404 Not Found, 200 OK", None)


def test_a_404_can_not_both_pass_and_drain() -> None:
    with pytest.raises(ValueError, match=r"^disable_on_404: 404 is among the statuses that pass$"):
        HttpCheck(disable_on_404=True, status="200-499")


# Redirects


def test_a_redirect_is_followed_on_the_same_connection() -> None:
    check = HttpCheck(path="/old", follow=2, body="alive")
    steps: list[Step] = [get("/old"), moved("/new"), get("/new"), answer(body="alive")]
    assert passed(run_check(check, Connection(*steps))) == "200 OK after 1 redirect"


def test_the_last_redirect_that_may_be_followed_ends_the_connection() -> None:
    steps: list[Step] = [get("/"), moved("/1"), get("/1"), moved("/2"), get("/2", close=True), answer()]
    assert passed(run_check(HttpCheck(follow=2), Connection(*steps))) == "200 OK after 2 redirects"
    result = run_check(HttpCheck(follow=2), Connection(*steps[:-1], moved("/3")))
    assert (result.outcome, result.reason) == (Outcome.FAIL, "status")
    assert result.detail == "redirected to /2: 302 Found leads on to /3 after 2 redirects"


def test_an_answer_that_is_no_redirect_is_judged_at_once() -> None:
    assert passed(run_check(HttpCheck(follow=3), Connection(get("/"), answer()))) == "200 OK"
    assert passed(run_check(HttpCheck(follow=3), Connection(get("/"), answer("304 Same")))) == "304 Same"


def test_a_redirect_to_another_name_is_asked_of_the_same_server() -> None:
    steps: list[Step] = [get("/", "192.0.2.11:8080"), moved("http://www.example.com/x")]
    steps += [get("/x", "www.example.com", close=True), answer()]
    assert passed(run_check(HttpCheck(follow=1), Connection(*steps), target=HERE)) == "200 OK after 1 redirect"
    result = run_check(HttpCheck(follow=1), Connection(*steps[:3], Hang()), target=HERE)
    assert result.detail == "redirected to www.example.com/x: no answer within 1 s"


@pytest.mark.parametrize("location", ["https://www.example.com/", "http://www.example.com:81/"])
def test_a_redirect_to_another_service_fails(location: str) -> None:
    steps: list[Step] = [get("/", "192.0.2.11:8080"), moved(location)]
    result = run_check(HttpCheck(follow=1), Connection(*steps), target=HERE)
    assert (result.reason, result.detail) == ("content", f"302 Found leads to {location}, which is another service")


def test_a_check_that_follows_depends_on_the_service_s_own_port_and_another_does_not() -> None:
    elsewhere = Target(HERE.endpoint, vip=Endpoint("192.0.2.2", 81))
    further = HttpCheck(requests=(HttpRequest(follow=1),))
    assert further.scope(HERE) != further.scope(elsewhere)
    assert HttpCheck().scope(HERE) == HttpCheck().scope(elsewhere)


def test_a_form_goes_on_as_a_page_and_is_not_sent_twice() -> None:
    check = HttpCheck(path="/form", send="a=b", content_type="text/plain", follow=1)
    form = get("/form", method="POST", more="Content-Length: 3\r\nContent-Type: text/plain\r\n").data + b"a=b"
    steps: list[Step] = [Receive(form), moved("/done", "303 See Other"), get("/done", close=True), answer()]
    assert passed(run_check(check, Connection(*steps))) == "200 OK after 1 redirect"


def test_a_redirect_of_a_further_request_is_named() -> None:
    check = HttpCheck(requests=(HttpRequest(path="/b", follow=1),))
    steps: list[Step] = [get("/"), answer(), get("/b"), moved("/c"), get("/c", close=True), answer("500 No")]
    result = run_check(check, Connection(*steps))
    assert result.detail == "request 2, GET /b, redirected to /c: status 500 No, must be 200-399"


# A connection for several runs


def test_a_connection_is_kept_for_the_next_runs_when_the_answer_was_read_to_its_end() -> None:
    connection = Connection(get("/"), answer(body="alive"), Hang())
    assert passed(run_check(HttpCheck(reuse=5), connection)) == "200 OK"
    assert (connection.reuse, connection.kept) == (5, True)


def test_a_run_goes_on_where_an_earlier_one_has_ended() -> None:
    check = HttpsCheck(reuse=5, proxy_protocol="v2", host="a.example")
    connection = Connection(get("/", "a.example"), answer(), Hang(), reused=True)
    assert passed(run_check(check, connection, target=Target(Endpoint("192.0.2.11", 443)))) == "200 OK"
    assert connection.kept


@pytest.mark.parametrize(
    "last",
    [
        answer("200 OK", "alive", "Connection: close"),
        answer("404 Gone", "", "Connection: close"),
        Send(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
        Send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore"),
        Send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"),
        Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut off"),
    ],
)
def test_a_connection_that_can_not_be_used_again_is_not_kept(last: Send) -> None:
    connection = Connection(get("/"), last)
    assert run_check(HttpCheck(reuse=5, disable_on_404=True), connection).outcome is Outcome.PASS
    assert not connection.kept


def test_a_connection_is_not_kept_after_a_failure() -> None:
    connection = Connection(get("/"), answer("500 No"), Hang())
    assert run_check(HttpCheck(reuse=5), connection).reason == "status"
    assert not connection.kept


@pytest.mark.parametrize("end", [Close(), Reset()])
def test_a_kept_connection_that_is_gone_is_replaced(end: Step) -> None:
    gone = Connection(get("/"), end, reused=True)
    fresh = Connection(get("/"), answer(), Hang())
    assert passed(run_check(HttpCheck(reuse=5), gone, fresh)) == "200 OK"
    assert (gone.kept, fresh.kept) == (False, True)


def test_what_needs_a_connection_of_its_own_has_one_and_the_first_is_kept() -> None:
    check = HttpCheck(reuse=5, requests=(HttpRequest(send=""), HttpRequest()))
    first = Connection(get("/"), answer(), Hang(), reused=True)
    posted = get("/", method="POST", more="Content-Length: 0\r\n")
    second = Connection(posted, answer(), get("/", close=True), answer())
    assert passed(run_check(check, first, second)) == "200 OK, 200 OK, 200 OK"
    assert (first.kept, second.kept) == (True, False)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"version": "1.0"}, "reuse: goes with version 1.1 and with keep_alive"),
        ({"keep_alive": False}, "reuse: goes with version 1.1 and with keep_alive"),
        ({"send": ""}, "reuse: a connection must be new for POST, which must not be asked twice"),
    ],
)
def test_a_reuse_that_can_not_be_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^reuse: ") as caught:
        HttpCheck(reuse=1, **options)
    assert str(caught.value) == sentence


# Over TLS

SECURE = Target(Endpoint("192.0.2.11", 443))


def test_a_name_of_its_own_has_a_connection_with_that_name_s_certificate() -> None:
    check = HttpsCheck(host="a.example", requests=(HttpRequest(path="/2"), HttpRequest(host="b.example:443")))
    first = Connection(StartTls(), get("/", "a.example"), answer(), get("/2", "a.example"), answer())
    second = Connection(StartTls(), get("/", "b.example:443", close=True), answer())
    assert passed(run_check(check, first, second, target=SECURE)) == "200 OK, 200 OK, 200 OK"
    assert (first.server_hostname, second.server_hostname) == ("a.example", "b.example")


def test_a_name_that_was_chosen_is_that_of_every_connection() -> None:
    check = HttpsCheck(sni="c.example", host="a.example", follow=1)
    steps: list[Step] = [
        get("/", "a.example"),
        moved("https://b.example/"),
        get("/", "b.example", close=True),
        answer(),
    ]
    connection = Connection(StartTls(), *steps)
    assert passed(run_check(check, connection, target=SECURE)) == "200 OK after 1 redirect"
    assert connection.server_hostname == "c.example"


def test_a_redirect_away_from_tls_fails() -> None:
    steps: list[Step] = [StartTls(), get("/"), moved("http://192.0.2.11/")]
    result = run_check(HttpsCheck(follow=1), Connection(*steps), target=SECURE)
    assert result.detail == "302 Found leads to http://192.0.2.11/, which is another service"


def test_a_host_that_is_no_name_is_refused_with_every_request() -> None:
    for options in ({"host": "[a"}, {"requests": (HttpRequest(host="[a"),)}):
        with pytest.raises(ValueError, match=r"^host: must be a name, like www\.example\.com$"):
            HttpsCheck(**options)


def test_a_handshake_that_fails_on_the_way_names_the_request() -> None:
    check = HttpsCheck(requests=(HttpRequest(path="/b"),), keep_alive=False)
    first = Connection(StartTls(), get("/", close=True), answer())
    result = run_check(check, first, Connection(StartTls(error="no")), target=SECURE)
    assert (result.reason, result.detail) == ("tls", "request 2, GET /b: no")
