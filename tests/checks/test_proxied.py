"""The PROXY protocol header at the beginning of checks that can send one."""

import pytest

from feedback.checks.check import Check
from feedback.checks.codecs.proxy_protocol import LOCAL_V2, UNKNOWN_V1, Form, header
from feedback.checks.http import HttpCheck
from feedback.checks.https import HttpsCheck
from feedback.checks.tcp import TcpCheck
from feedback.model import Endpoint, Outcome
from feedback.net import Target
from feedback.testing import LOCAL_IPV4, LOCAL_IPV6, Connection, Hang, Receive, Reset, Send, StartTls, Step, run_check

REQUEST = b"GET / HTTP/1.1\r\nHost: %s\r\nUser-Agent: feedback\r\nAccept: */*\r\nConnection: close\r\n\r\n"
HOST = b"[2001:db8::11]"
V4 = Target(Endpoint("192.0.2.11", 80))
V6 = Target(Endpoint("2001:db8::11", 80))
OK = Send(b"HTTP/1.1 200 OK\r\n\r\n")


@pytest.mark.parametrize(
    ("form", "first"),
    [
        ("v1", b"PROXY TCP6 2001:db8::1 2001:db8::11 40000 80\r\n"),
        ("v2", LOCAL_V2),
        ("v1-unknown", UNKNOWN_V1),
        ("v2-own", header("v2-own", LOCAL_IPV6, V6.endpoint)),
    ],
)
def test_the_header_comes_before_everything_else(form: Form, first: bytes) -> None:
    for check, rest in (
        (TcpCheck(proxy_protocol=form), ()),
        (HttpCheck(proxy_protocol=form), (Receive(REQUEST % HOST), OK)),
    ):
        connection = Connection(Receive(first), *rest)
        assert run_check(check, connection, target=V6).outcome is Outcome.PASS
        assert connection.sent.startswith(first)


def test_it_comes_before_tls() -> None:
    steps: list[Step] = [Receive(LOCAL_V2), StartTls(), Receive(REQUEST % b"192.0.2.11:80"), OK]
    assert run_check(HttpsCheck(proxy_protocol="v2"), Connection(*steps), target=V4).outcome is Outcome.PASS


def test_it_names_both_ends_of_the_connection_that_is_checked() -> None:
    check = TcpCheck(proxy_protocol="v1", port=25)
    first = header("v1", LOCAL_IPV4, Endpoint("192.0.2.11", 25))
    assert run_check(check, Connection(Receive(first)), target=V4).outcome is Outcome.PASS


def test_each_connection_of_a_check_begins_with_it() -> None:
    check = HttpCheck(proxy_protocol="v2", follow=1)
    asked = REQUEST % b"192.0.2.11"
    first = [Receive(LOCAL_V2), Receive(asked.replace(b"Connection: close\r\n", b""))]
    moved = Send(b"HTTP/1.1 302 Found\r\nLocation: /\r\nConnection: close\r\n\r\n")
    second = Connection(Receive(LOCAL_V2), Receive(asked), OK)
    assert run_check(check, Connection(*first, moved), second).detail == "200 OK after 1 redirect"


def test_a_connection_is_closed_in_order_behind_a_header_so_that_it_arrives() -> None:
    connection = Connection(Receive(LOCAL_V2), Hang())
    assert run_check(TcpCheck(proxy_protocol="v2"), connection).detail == "connected"
    assert not connection.brief


@pytest.mark.parametrize("check", [HttpCheck(proxy_protocol="v2"), HttpsCheck(proxy_protocol="v2")])
def test_a_server_that_refuses_it_fails(check: Check) -> None:
    result = run_check(check, Connection(Receive(LOCAL_V2), Reset()))
    assert (result.outcome, result.reason) in {(Outcome.FAIL, "reset"), (Outcome.FAIL, "tls")}
