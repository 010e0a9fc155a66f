"""Feeds asked against scripts."""

from feedback.director.feeder import Question
from feedback.director.feeds.feed import Feed
from feedback.model import Outcome
from feedback.net import Target
from feedback.report import Report
from feedback.testing import TARGET, Part, run_check


def asked(feed: Feed, *script: Part, target: Target = TARGET, chunk_bytes: int | None = None) -> Report:
    """Return what a feed makes of an answer."""
    question = Question(feed=feed)
    result = run_check(question, *script, target=target, chunk_bytes=chunk_bytes)
    assert result.outcome is Outcome.PASS, result
    assert question.report is not None
    return question.report


def refused(feed: Feed, *script: Part) -> str:
    """Return why there is no answer."""
    result = run_check(Question(feed=feed), *script)
    assert result.outcome is Outcome.FAIL, result
    return f"{result.reason}: {result.detail}"
