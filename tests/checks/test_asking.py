"""Questions over UDP: lost datagrams, and those that are no answer."""

import pytest

from feedback.checks.asking import STRANGE_LIMIT, ask_twice
from feedback.checks.check import Check
from feedback.errors import CheckFailed
from feedback.model import CheckResult, Outcome
from feedback.net import Net, Target
from feedback.testing import Exchange, Hang, Receive, Refuse, Send, Step, run_check


class AskingCheck(Check):
    """Asks "1?", then "2?", and takes for an answer what begins with "a". "b" is a broken one."""

    seconds: float | None = None

    async def probe(self, target: Target, net: Net) -> str:
        numbers = iter((b"1?", b"2?"))
        seconds = net.time_left() if self.seconds is None else self.seconds
        return await ask_twice(net, target, lambda: next(numbers), read, seconds)


def read(data: bytes) -> str | None:
    if data == b"broken":
        raise CheckFailed("protocol", "the answer is broken")
    return data.decode() if data.startswith(b"a") else None


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def test_the_first_answer_is_taken_at_once() -> None:
    exchange = Exchange(Receive(b"1?"), Send(b"answer"), Send(b"another"))
    result = run_check(AskingCheck(), exchange)
    assert outcome(result) == (Outcome.PASS, "", "answer")
    assert result.duration_seconds == 0.0
    assert exchange.closed


def test_a_second_question_is_asked_when_half_of_the_time_is_over() -> None:
    result = run_check(AskingCheck(), Exchange(Receive(b"1?"), Receive(b"2?"), Send(b"answer")), timeout_seconds=3.0)
    assert outcome(result) == (Outcome.PASS, "", "answer")
    assert result.duration_seconds == 1.5


def test_silence_fails_in_time() -> None:
    exchange = Exchange(Receive(b"1?"), Receive(b"2?"), Hang())
    result = run_check(AskingCheck(seconds=1.0), exchange, timeout_seconds=3.0)
    assert outcome(result) == (Outcome.FAIL, "timeout", "no answer from 192.0.2.11:80, asked twice")
    assert result.duration_seconds == 1.0


@pytest.mark.parametrize("lost", [0, 1])
def test_datagrams_that_are_no_answer_are_passed_over(lost: int) -> None:
    asked = [Receive(b"1?"), Receive(b"2?")][: lost + 1]
    result = run_check(AskingCheck(), Exchange(*asked, Send(b"x"), Send(b""), Send(b"answer")))
    assert outcome(result) == (Outcome.PASS, "", "answer")


@pytest.mark.parametrize(("strange", "words"), [(1, "1 datagram that answers"), (2, "2 datagrams that answer")])
def test_they_are_counted_in_what_a_failure_says(strange: int, words: str) -> None:
    steps: list[Step] = [Receive(b"1?"), *[Send(b"x")] * strange, Receive(b"2?"), Hang()]
    result = run_check(AskingCheck(), Exchange(*steps))
    sentence = f"no answer from 192.0.2.11:80, asked twice, but {words} something else"
    assert outcome(result) == (Outcome.FAIL, "timeout", sentence)


def test_too_many_of_them_fail() -> None:
    result = run_check(AskingCheck(), Exchange(Receive(b"1?"), *[Send(b"x")] * (STRANGE_LIMIT + 1), Send(b"answer")))
    sentence = f"no answer from 192.0.2.11:80, but {STRANGE_LIMIT + 1} datagrams that answer something else"
    assert outcome(result) == (Outcome.FAIL, "protocol", sentence)
    enough = Exchange(Receive(b"1?"), *[Send(b"x")] * STRANGE_LIMIT, Send(b"answer"))
    assert run_check(AskingCheck(), enough).outcome is Outcome.PASS


def test_a_broken_answer_and_a_refusal_fail_at_once() -> None:
    result = run_check(AskingCheck(), Exchange(Receive(b"1?"), Send(b"broken")))
    assert outcome(result) == (Outcome.FAIL, "protocol", "the answer is broken")
    result = run_check(AskingCheck(), Exchange(Receive(b"1?"), Refuse()))
    assert outcome(result) == (Outcome.FAIL, "refused", "connection refused by 192.0.2.11:80")
