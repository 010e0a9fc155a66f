"""The `icmp` check against scripts: enough answers, lost packets, late answers, and silence."""

from typing import Any

import pytest

from feedback.checks.icmp import IcmpCheck
from feedback.model import CheckResult, Outcome
from feedback.testing import Exchange, Hang, Receive, Refuse, Send, Step, run_check


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def packet(check: IcmpCheck, number: int, at: float = 0.0) -> bytes:
    return check.packet(at, number)


def test_one_answer_passes_and_no_more_is_asked() -> None:
    check = IcmpCheck()
    exchange = Exchange(Receive(packet(check, 1)), Send(packet(check, 1)))
    assert outcome(run_check(check, exchange)) == (Outcome.PASS, "", "round trip 0.00 ms")
    assert len(exchange.sent) == 56
    assert exchange.closed


def test_a_lost_packet_is_followed_by_another_when_its_share_of_the_time_is_over() -> None:
    check = IcmpCheck()
    second = packet(check, 2, at=1.5)
    exchange = Exchange(Receive(packet(check, 1)), Receive(second), Send(second))
    result = run_check(check, exchange, timeout_seconds=3.0)
    assert outcome(result) == (Outcome.PASS, "", "round trip 0.00 ms, 1 of 2 not answered")
    assert result.duration_seconds == 1.5


def test_an_answer_that_comes_late_counts() -> None:
    check = IcmpCheck()
    exchange = Exchange(Receive(packet(check, 1)), Receive(packet(check, 2, at=1.5)), Send(packet(check, 1)))
    result = run_check(check, exchange, timeout_seconds=3.0)
    assert outcome(result) == (Outcome.PASS, "", "round trip 1500.00 ms, 1 of 2 not answered")


def test_what_is_no_answer_to_a_packet_counts_for_nothing_and_an_answer_counts_once() -> None:
    check = IcmpCheck(count=3, max_loss=0.4)
    first, second, third = (packet(check, number) for number in (1, 2, 3))
    strange: list[Step] = [Send(b"strange"), Send(first), Receive(second), Send(first), Send(b""), Send(second)]
    assert run_check(check, Exchange(Receive(first), *strange)).outcome is Outcome.PASS
    strict = IcmpCheck(count=3, max_loss=0.0)
    script: list[Step] = [
        Receive(first),
        Send(first),
        Receive(second),
        Send(second),
        Receive(third),
        Send(second),
        Hang(),
    ]
    assert outcome(run_check(strict, Exchange(*script))) == (
        Outcome.FAIL,
        "timeout",
        "packet 3 of 3, 2 answered: no answer within 1 s",
    )


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({"count": 1, "max_loss": 0.0}, 1),
        ({"count": 1, "max_loss": 1.0}, 1),
        ({"count": 5, "max_loss": 1.0}, 1),
        ({"count": 5, "max_loss": 0.0}, 5),
        ({"count": 5, "max_loss": 0.2}, 4),
        ({"count": 5, "max_loss": 0.39}, 4),
        ({"count": 10, "max_loss": 0.3}, 7),
        ({"count": 100, "max_loss": 0.29}, 71),
    ],
)
def test_as_many_packets_are_sent_as_must_be_answered(options: dict[str, Any], needed: int) -> None:
    check = IcmpCheck(**options)
    packets = [packet(check, number + 1) for number in range(needed)]
    exchange = Exchange(*(step for data in packets for step in (Receive(data), Send(data))))
    assert run_check(check, exchange).outcome is Outcome.PASS
    assert exchange.sent == b"".join(packets)


def test_silence_is_a_timeout_after_all_packets() -> None:
    check = IcmpCheck(count=3)
    packets = [packet(check, number + 1, at) for number, at in enumerate((0.0, 1.0, 2.0))]
    exchange = Exchange(*map(Receive, packets), Hang())
    result = run_check(check, exchange, timeout_seconds=3.0)
    assert outcome(result) == (Outcome.FAIL, "timeout", "packet 3 of 3, 0 answered: no answer within 3 s")
    assert exchange.sent == b"".join(packets)
    assert exchange.closed


def test_an_error_by_icmp_fails_at_once() -> None:
    check = IcmpCheck()
    result = run_check(check, Exchange(Receive(packet(check, 1)), Refuse()))
    assert outcome(result)[:2] == (Outcome.FAIL, "refused")


@pytest.mark.parametrize("size", [16, 1400])
def test_a_packet_is_as_large_as_is_wanted(size: int) -> None:
    assert len(IcmpCheck(size=size).packet(1e6, 100)) == size
