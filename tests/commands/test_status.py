"""`feedback status`: what it prints, for people and for programs."""

import json
import sys
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from feedback.cli import main
from feedback.commands.status import as_sentences, as_text, headline
from feedback.director.weights import Bound, Terms
from feedback.model import Admin, AgentState, Health
from tests.commands.threads import director
from tests.director.fake_control import FakeControl, make_destination, make_service

WEB = make_service(
    "web",
    make_destination("rs1"),
    make_destination(
        "rs2",
        address="10.2.0.12:8080",
        health=Health.DOWN,
        in_table=False,
        weight=0,
        utilization=None,
        agent=AgentState.ABSENT,
        active_connections=0,
        inactive_connections=0,
        why="down, removed: http check failed 3 of 3: refused",
    ),
    make_destination("rs3", weight=0, admin=Admin.DRAIN, why="drained by the operator: 12 connections left"),
    make_destination("rs4", weight=0, why="drained by its http check: 404 Not Found; 12 connections left"),
    fallback="127.0.0.1:8080",
)


def test_a_service_is_a_headline_and_aligned_columns() -> None:
    assert as_text(WEB) == (
        "web: tcp 192.0.2.10:80, wlc, masquerade, fallback 127.0.0.1:8080 stands by\n"
        "  destination  address         health  admin    weight  base  load  active  inactive  agent      why\n"
        "  rs1          10.2.0.11:8080  up      enabled      87   100  0.62      12         3  connected  "
        "up; weight 87 of base 100\n"
        "  rs2          10.2.0.12:8080  down    enabled     out   100     -       0         0  absent     "
        "down, removed: http check failed 3 of 3: refused\n"
        "  rs3          10.2.0.11:8080  up      drain         0   100  0.62      12         3  connected  "
        "drained by the operator: 12 connections left\n"
        "  rs4          10.2.0.11:8080  up      enabled       0   100  0.62      12         3  connected  "
        "drained by its http check: 404 Not Found; 12 connections left\n"
    )


def test_a_headline_says_when_the_fallback_serves_and_needs_no_protocol() -> None:
    service = make_service(
        "marked", protocol="", address="fwmark 80 ipv4", fallback="127.0.0.1:1", fallback_in_table=True
    )
    assert headline(service) == "marked: fwmark 80 ipv4, wlc, masquerade, fallback 127.0.0.1:1 SERVES"
    assert headline(make_service("web")) == "web: tcp 192.0.2.10:80, wlc, masquerade"


def test_a_headline_says_that_a_service_is_overloaded_and_when_its_overflow_serves() -> None:
    waiting = make_service("web", overflow="10.2.0.99:80")
    assert headline(waiting) == "web: tcp 192.0.2.10:80, wlc, masquerade, overflow 10.2.0.99:80 stands by"
    serving = make_service("web", overflow="10.2.0.99:80", overflow_in_table=True, overloaded=True)
    assert headline(serving).endswith(", overflow 10.2.0.99:80 SERVES, OVERLOADED")


def test_what_an_agent_can_not_read_is_told_in_its_words_up_to_three_of_them() -> None:
    failing = make_destination("rs1", failures={"jobs": "KeyError: 'load'", "disk": "no answer within 2 s"})
    *_, line = as_text(make_service("web", failing)).splitlines()
    assert line.endswith("; can't read disk: no answer within 2 s; can't read jobs: KeyError: 'load'")
    many = make_destination("rs1", failures={f"m{number}": "gone" for number in range(5)})
    *_, line = as_text(make_service("web", many)).splitlines()
    assert line.endswith("; can't read m0: gone; can't read m1: gone; can't read m2: gone; and 2 more")


def test_a_policy_that_fails_is_told_in_the_headline() -> None:
    service = make_service("web", policy_failure="the policy mine fails, and weights stay as they are: KeyError: 'rs1'")
    assert headline(service).endswith(
        "masquerade, POLICY: the policy mine fails, and weights stay as they are: KeyError: 'rs1'"
    )


TERMS = Terms(
    utilization=0.62,
    aim=0.58,
    error=-0.065,
    follow_seconds=120.4,
    wanted_weight=87.6,
    tolerance_ratio=0.025,
    bound="tolerance",
)


def explained(scheduler: str = "wlc", *, weight: int = 87, in_table: bool = True, **changes: Any) -> str:
    seen = make_destination("rs1", weight=weight, in_table=in_table, weighing=replace(TERMS, **changes))
    *_, line = as_sentences(make_service("web", seen, scheduler=scheduler)).splitlines()
    return line


def test_a_weight_is_explained_in_a_sentence_and_who_is_not_weighed_by_its_why() -> None:
    seen = make_destination("rs1", weighing=TERMS)
    drained = make_destination("rs2", weight=0, why="drained by the operator: 12 connections left")
    assert as_sentences(make_service("web", seen, drained)) == (
        "web: tcp 192.0.2.10:80, wlc, masquerade\n"
        "  rs1: busy 0.62, aimed at 0.58, followed over 120 s: weight 88 wanted, 87 written (within tolerance)\n"
        "  rs2: drained by the operator: 12 connections left\n"
    )


def test_what_plays_no_part_is_left_out_of_the_sentence() -> None:
    nothing: dict[str, Any] = {"aim": None, "error": None, "follow_seconds": None}
    assert explained(**nothing, weight=88, bound="") == "  rs1: busy 0.62: weight 88 wanted and written"
    silent = explained(**nothing, utilization=None, weight=88, bound="no_report")
    assert silent == "  rs1: weight 88 wanted and written (no fresh report)"
    assert explained(in_table=False, bound="").endswith(": weight 88 wanted, and not in the table")


@pytest.mark.parametrize("bound", set(get_args(Bound)) - {"", "scheduler"})
def test_every_bound_has_its_words(bound: Bound) -> None:
    assert explained(bound=bound).endswith(")")
    assert bound not in explained(bound=bound) or "_" not in bound


@pytest.mark.parametrize(
    ("scheduler", "words"),
    [
        *((name, f"({name} takes no shares, so the base weight stays)") for name in ("rr", "lc", "dh", "fo", "ovf")),
        *((name, f"({name} is told every 30 s at most)") for name in ("sh", "mh", "lblc", "lblcr")),
        ("wrr", "(wrr gets short cycles, in which only shares count)"),
    ],
)
def test_a_scheduler_that_bounds_a_weight_is_said_how_it_does(scheduler: str, words: str) -> None:
    assert explained(scheduler, bound="scheduler").endswith(words)


def test_what_servers_say_can_not_drive_the_terminal() -> None:
    text = as_text(make_service("web", make_destination(why="content (\x1b[2J\nrm)")))
    assert text.splitlines()[-1].endswith(r"content (\x1b[2J\nrm)")


@pytest.mark.loopback
def test_without_a_terminal_it_is_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    with director(FakeControl(WEB, make_service("dns"))) as there:
        assert main(["status", "--director", there.url]) == 0
    output = capsys.readouterr().out
    assert output == as_text(WEB) + "\n" + as_text(make_service("dns"))


@pytest.mark.loopback
def test_one_service_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with director(FakeControl(WEB, make_service("dns"))) as there:
        assert main(["status", "dns", "--director", there.url]) == 0
        assert capsys.readouterr().out.startswith("dns: ")
        assert main(["status", "ntp", "--director", there.url]) == 1
    assert capsys.readouterr().err == 'feedback status: there is no service "ntp"; there are: web, dns\n'


@pytest.mark.loopback
def test_one_destination_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with director(FakeControl(WEB)) as there:
        assert main(["status", "--explain", "web", "rs3", "--director", there.url]) == 0
        assert capsys.readouterr().out.splitlines()[1:] == ["  rs3: drained by the operator: 12 connections left"]
        assert main(["status", "web", "rs9", "--director", there.url]) == 1
    assert capsys.readouterr().err == (
        'feedback status: service web has no destination "rs9"; there are: rs1, rs2, rs3, rs4\n'
    )


@pytest.mark.loopback
def test_sentences_are_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["status", "--explain", "--json"])
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.loopback
def test_json_has_what_the_api_has(capsys: pytest.CaptureFixture[str]) -> None:
    with director(FakeControl(WEB)) as there:
        assert main(["status", "--json", "--director", there.url]) == 0
    services = json.loads(capsys.readouterr().out)["services"]
    assert [seen["name"] for seen in services[0]["destinations"]] == ["rs1", "rs2", "rs3", "rs4"]
    assert services[0]["destinations"][1]["utilization"] is None
    assert services[0]["destinations"][0]["checks"][0]["weight_ratio"] is None


@pytest.mark.loopback
def test_a_terminal_gets_a_table_in_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("TERM", "xterm")
    with director(FakeControl(WEB)) as there:
        assert main(["status", "--director", there.url]) == 0
    output = capsys.readouterr().out
    assert "\x1b[1;31mdown" in output
    assert "drained by the operator" in output


@pytest.mark.loopback
def test_a_narrow_terminal_gets_plain_text_with_nothing_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    with director(FakeControl(WEB)) as there:
        assert main(["status", "--director", there.url]) == 0
    assert capsys.readouterr().out == as_text(WEB)


@pytest.mark.loopback
def test_a_terminal_without_rich_gets_plain_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with director(FakeControl(WEB)) as there:
        assert main(["status", "--director", there.url]) == 0
    assert capsys.readouterr().out == as_text(WEB)
