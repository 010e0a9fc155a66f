"""The `tcp` check against scripts."""

import pytest

from feedback.checks.tcp import TcpCheck
from feedback.model import Endpoint, Outcome
from feedback.net import Target
from feedback.testing import Connection, Drop, Hang, Refuse, ScriptError, run_check


@pytest.mark.parametrize("quiet", [True, False])
def test_an_accepted_connection_passes_and_nothing_is_sent(quiet: bool) -> None:
    connection = Connection(Hang())
    result = run_check(TcpCheck(quiet=quiet), connection)
    assert (result.outcome, result.reason, result.detail) == (Outcome.PASS, "", "connected")
    assert connection.sent == b""
    assert connection.closed
    assert connection.brief is quiet


def test_a_check_is_quiet_where_nobody_says_otherwise() -> None:
    assert TcpCheck().quiet


def test_a_refused_connection_fails() -> None:
    result = run_check(TcpCheck(), Connection(Refuse()))
    assert (result.outcome, result.reason) == (Outcome.FAIL, "refused")
    assert result.detail == "connection refused by 192.0.2.11:80"


def test_a_host_that_does_not_answer_fails_at_the_deadline() -> None:
    connection = Connection(Drop())
    result = run_check(TcpCheck(), connection, timeout_seconds=2.5)
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, "timeout", "no answer within 2.5 s")
    assert result.duration_seconds == 2.5
    assert connection.closed


@pytest.mark.parametrize(
    ("check", "named"),
    [
        (TcpCheck(), "10.0.0.1:7"),
        (TcpCheck(port=9000), "10.0.0.1:9000"),
        (TcpCheck(address="10.0.0.2"), "10.0.0.2:7"),
        (TcpCheck(address="2001:db8::2", port=9000), "[2001:db8::2]:9000"),
    ],
)
def test_a_check_goes_where_its_options_say(check: TcpCheck, named: str) -> None:
    result = run_check(check, Connection(Refuse()), target=Target(Endpoint("10.0.0.1", 7)))
    assert result.detail == f"connection refused by {named}"


def test_it_connects_once() -> None:
    with pytest.raises(ScriptError, match=r"^the check opens a Connection, the script has nothing more$"):
        run_check(TcpCheck())
