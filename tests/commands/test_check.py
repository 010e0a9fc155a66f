"""`feedback check`: one check, once, with a plugin's exit status."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from feedback.cli import main
from feedback.commands import check as command
from feedback.commands.check import as_line, find_endpoint
from feedback.errors import ConfigError, FeedbackError
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from tests import made_up

PASSED = CheckResult(Outcome.PASS, "", "HTTP 200", 0.00125)
HALVED = CheckResult(Outcome.PASS, "", "HTTP 200", 0.00125, 0.5)
FAILED = CheckResult(Outcome.FAIL, "refused", "nobody listens", 0.0004)
UNSURE = CheckResult(Outcome.UNKNOWN, "bug", "KeyError: 'x'", 2.0)

Answer = Callable[[CheckResult], list[Any]]


@pytest.fixture(autouse=True)
def plugins() -> Iterator[None]:
    with made_up.plugins():
        yield


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Return a function that sets the result of every run, and returns what is run."""

    def put(result: CheckResult) -> list[Any]:
        runs: list[Any] = []

        async def run_once(*arguments: Any) -> CheckResult:
            await asyncio.sleep(0)
            runs.append(arguments)
            return result

        monkeypatch.setattr(command, "run_once", run_once)
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: [(socket.AF_INET, 0, 0, "", (host, 0))])
        return runs

    return put


@pytest.mark.parametrize(
    ("result", "status", "line"),
    [
        (PASSED, 0, "PASS page 10.2.0.11:80: HTTP 200 (1.2 ms)\n"),
        (FAILED, 2, "FAIL page 10.2.0.11:80: refused: nobody listens (0.4 ms)\n"),
        (HALVED, 0, "PASS page 10.2.0.11:80: HTTP 200, weight 50 % (1.2 ms)\n"),
        (UNSURE, 3, "UNKNOWN page 10.2.0.11:80: bug: KeyError: 'x' (2000.0 ms)\n"),
    ],
)
def test_the_result_is_one_line_and_a_plugins_exit_status(
    answer: Answer, capsys: pytest.CaptureFixture[str], result: CheckResult, status: int, line: str
) -> None:
    answer(result)
    assert main(["check", "page", "10.2.0.11:80"]) == status
    assert capsys.readouterr() == (line, "")


def test_the_result_is_json_on_demand(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answer(FAILED)
    assert main(["check", "page", "10.2.0.11:80", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {
        "check": "page",
        "endpoint": "10.2.0.11:80",
        "outcome": "fail",
        "reason": "refused",
        "detail": "nobody listens",
        "duration_seconds": 0.0004,
        "weight_ratio": None,
    }


def test_options_and_timeout_reach_the_check_in_any_order(answer: Answer) -> None:
    runs = answer(PASSED)
    words = ["page", "[2001:db8::11]:80", "path=/a", "--timeout", "500ms", "status=[200,204]", "--json", "version=1.0"]
    assert main(["check", *words]) == 0
    ((check, target, timeout_seconds),) = runs
    assert (check.path, check.status, check.version) == ("/a", [200, 204], "1.0")
    assert target == Target(Endpoint("2001:db8::11", 80))
    assert timeout_seconds == 0.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["page", "10.2.0.11:80", "path=alive"], 'path: must start with "/"\n'),
        (["page", "10.2.0.11:80", "paht=/alive"], "paht: unknown key; did you mean path?\n"),
        (["page", "10.2.0.11:80", "alive"], '"alive" must be an option and its value, like path=/alive\n'),
        (
            ["page", "10.2.0.11:80", "via=vip"],
            "via: vip goes with a service: only a running director leads a check to one destination\n",
        ),
        (["page", "10.2.0.11"], '"10.2.0.11" has no port: write it like 192.0.2.10:80 or [2001:db8::10]:80\n'),
        (["page", "10.2.0.11:0"], '"10.2.0.11:0": the port must be a number from 1 to 65535\n'),
        (
            ["page", "http://x/"],
            '"http://x/" must be an IP address and a port, like 192.0.2.10:80 or [2001:db8::10]:80\n',
        ),
    ],
)
def test_what_is_wrong_with_the_words_is_said_and_unknown(
    answer: Answer, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    runs = answer(PASSED)
    assert main(["check", *words]) == 3
    assert capsys.readouterr() == ("", said)
    assert not runs


def test_an_unknown_check_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "nothing", "10.2.0.11:80"]) == 3
    assert capsys.readouterr().err.startswith('feedback check: there is no check "nothing"; there are: ')


@pytest.mark.parametrize("timeout", ["2", "0s", "soon"])
def test_a_wrong_timeout_is_unknown(capsys: pytest.CaptureFixture[str], timeout: str) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["check", "page", "10.2.0.11:80", "--timeout", timeout])
    assert raised.value.code == 3
    assert "feedback check: argument --timeout: must " in capsys.readouterr().err


def resolver(monkeypatch: pytest.MonkeyPatch, found: list[tuple[Any, ...]] | Exception) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_name_stands_for_its_first_address_and_ipv4_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    six = (socket.AF_INET6, 1, 6, "", ("2001:db8::1", 0, 0, 0))
    four = (socket.AF_INET, 1, 6, "", ("192.0.2.1", 0))
    resolver(monkeypatch, [six, four, (socket.AF_INET, 1, 6, "", ("192.0.2.2", 0))])
    assert find_endpoint("web:80", 1.0) == Endpoint("192.0.2.1", 80)
    resolver(monkeypatch, [six])
    assert find_endpoint("web:80", 1.0) == Endpoint("2001:db8::1", 80)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("web", Endpoint("192.0.2.1", 0)),
        ("192.0.2.1", Endpoint("192.0.2.1", 0)),
        ("2001:db8::1", Endpoint("2001:db8::1", 0)),
        ("[2001:db8::1]", Endpoint("2001:db8::1", 0)),
        ("web:80", Endpoint("192.0.2.1", 80)),
    ],
)
def test_a_check_that_goes_to_no_port_needs_none(
    monkeypatch: pytest.MonkeyPatch, text: str, endpoint: Endpoint
) -> None:
    resolver(monkeypatch, [(socket.AF_INET, 1, 6, "", ("192.0.2.1", 0))])
    assert find_endpoint(text, 1.0, 0) == endpoint


def test_a_name_without_a_port_is_refused_before_it_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver(monkeypatch, OSError("nobody asks"))
    with pytest.raises(ConfigError, match=r'^"web" must be an IP address and a port, like'):
        find_endpoint("web", 1.0)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (socket.gaierror(-2, "Name or service not known"), "web can't be resolved: Name or service not known"),
        (UnicodeError("label too long"), "web can't be resolved: label too long"),
    ],
)
def test_a_name_without_an_address_is_an_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    resolver(monkeypatch, error)
    with pytest.raises(FeedbackError) as raised:
        find_endpoint("web:80", 1.0)
    assert str(raised.value) == sentence


def test_a_resolver_that_does_not_answer_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    late = [(socket.AF_INET, 1, 6, "", ("192.0.2.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: late * done.wait(30))
    with pytest.raises(FeedbackError) as raised:
        find_endpoint("web:80", 0.01)
    done.set()
    assert str(raised.value) == "web can't be resolved: no answer in 10ms"


def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver(monkeypatch, [(socket.AF_INET, 1, 6, "", ("192.0.2.1", 0))])
    with pytest.raises(ConfigError, match="the port must be a number from 1 to 65535"):
        find_endpoint("web:99999", 1.0)


def test_a_result_without_a_reason_has_no_gap() -> None:
    assert as_line("tcp", Endpoint("::1", 80), PASSED) == "PASS tcp [::1]:80: HTTP 200 (1.2 ms)"


@pytest.mark.loopback
class TestOnLoopback:
    """The real check, runner and network."""

    def test_a_listening_port_passes_and_a_closed_one_fails(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            assert main(["check", "tcp", f"localhost:{port}"]) == 0
        assert main(["check", "tcp", f"127.0.0.1:{port}", "--timeout", "5s"]) == 2
        passed, failed = capsys.readouterr().out.splitlines()
        assert passed.startswith(f"PASS tcp 127.0.0.1:{port}: ")
        assert failed.startswith(f"FAIL tcp 127.0.0.1:{port}: refused: ")

    def test_a_host_without_a_port_is_pinged_or_it_is_said_what_that_needs(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status = main(["check", "icmp", "::1"])
        line = capsys.readouterr().out
        if status == 0:
            assert line.startswith("PASS icmp ::1: round trip ")
        else:
            assert (status, line[:27]) == (3, "UNKNOWN icmp ::1: local: IC")
