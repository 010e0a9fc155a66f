"""A check's test: what the server says is a script, so it needs neither a server nor time."""

import pytest
from feedback.model import Outcome
from feedback.testing import Connection, Receive, Send, conform_check, run_check

from gearman_check import GearmanCheck

VERSION = Receive(b"version\n")
DIALOGUE = VERSION, Send(b"OK 1.1.20+ds\n")


def test_it_is_a_check_as_the_director_needs_it() -> None:
    conform_check(GearmanCheck, Connection(*DIALOGUE), min_version="1.1.9")


def test_a_version_is_compared_as_numbers() -> None:
    result = run_check(GearmanCheck(min_version="1.2"), Connection(*DIALOGUE))
    assert (result.outcome, result.reason) == (Outcome.FAIL, "content")
    assert result.detail == "version 1.1.20, must be at least 1.2"


def test_another_answer_fails() -> None:
    result = run_check(GearmanCheck(), Connection(VERSION, Send(b"ERR UNKNOWN_COMMAND\n")))
    assert (result.reason, result.detail) == ("protocol", "not an answer to version: ERR UNKNOWN_COMMAND")


def test_a_minimum_that_is_no_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^min_version: must be numbers"):
        GearmanCheck(min_version="new")
