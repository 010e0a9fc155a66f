"""A check's test: what the server says is a script, so it needs neither a server nor time."""

import pytest
from feedback.model import Outcome
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, Step, interrupted, run_check

from gearman_check import GearmanCheck

DIALOGUE: list[Step] = [Receive(b"version\n"), Send(b"OK 1.1.20+ds\n")]


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_it_passes_however_the_answer_is_cut_into_packets(chunk_bytes: int | None) -> None:
    result = run_check(GearmanCheck(), Connection(*DIALOGUE), chunk_bytes=chunk_bytes)
    assert (result.outcome, result.detail) == (Outcome.PASS, "version 1.1.20")


def test_a_version_is_compared_as_numbers() -> None:
    assert run_check(GearmanCheck(min_version="1.1.9"), Connection(*DIALOGUE)).outcome is Outcome.PASS
    result = run_check(GearmanCheck(min_version="1.2"), Connection(*DIALOGUE))
    assert (result.reason, result.detail) == ("content", "version 1.1.20, must be at least 1.2")


def test_another_answer_fails() -> None:
    result = run_check(GearmanCheck(), Connection(DIALOGUE[0], Send(b"ERR UNKNOWN_COMMAND\n")))
    assert (result.reason, result.detail) == ("protocol", "not an answer to version: ERR UNKNOWN_COMMAND")


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_a_server_that_does_not_answer_fails(by: Step, reason: str) -> None:
    for connection in interrupted(DIALOGUE, by):
        assert run_check(GearmanCheck(), connection).reason == reason


def test_a_minimum_that_is_no_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^min_version: must be numbers"):
        GearmanCheck(min_version="new")
