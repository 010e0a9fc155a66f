"""The words of HAProxy's agent-check."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.agent_words import Words, of_base, parse


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", Words()),
        ("up", Words()),
        ("ready", Words()),
        ("75%", Words(share=0.75)),
        ("weight:75%", Words(share=0.75)),
        ("0%", Words(share=0.0)),
        ("99999999%", Words(share=256.0)),
        ("weight:30", Words(weight=30)),
        ("weight:256", Words(weight=256)),
        ("weight:257", Words(unknown="weight:257")),
        ("drain", Words(drains=True)),
        ("maint", Words(drains=True)),
        ("drain ready", Words()),
        ("ready,DRAIN", Words(drains=True)),
        ("down", Words(down="down")),
        ("Fail", Words(down="fail")),
        ("stopped #down for lunch, up at 2", Words(down="stopped")),
        ("down\tup", Words()),
        ("up, 50% maxconn:30\r", Words(share=0.5)),
        ("weight:30 50%", Words(share=0.5)),
        ("50% weight:30", Words(weight=30)),
        ("drain 50% down#gone", Words(share=0.5, drains=True, down="down")),
        ("#75%", Words()),
        ("failed better 5%", Words(share=0.05, unknown="failed")),
        ("-5% weight: 1.5%", Words(unknown="-5%")),
        ("x" * 100, Words(unknown="x" * 60)),
        ("٣%", Words(unknown="٣%")),
    ],
)
def test_a_line_says_it_in_words(line: str, words: Words) -> None:
    assert parse(line) == words


@pytest.mark.parametrize(
    ("words", "base_weight", "ratio"),
    [
        (Words(), 50, None),
        (Words(share=0.5), 50, 0.5),
        (Words(weight=25), 50, 0.5),
        (Words(weight=0), 50, 0.0),
        (Words(weight=25), 0, None),
        (Words(share=0.5, drains=True), 50, 0.0),
    ],
)
def test_words_are_a_share_of_the_base_weight(words: Words, base_weight: int, ratio: float | None) -> None:
    assert words.ratio(base_weight) == ratio


def test_a_weight_is_bounded() -> None:
    assert of_base(1e9, 1) == 256.0


@given(st.text(), st.integers(0, 65535))
def test_any_line_is_understood_or_not(line: str, base_weight: int) -> None:
    ratio = parse(line).ratio(base_weight)
    assert ratio is None or 0 <= ratio <= 256


@given(st.lists(st.sampled_from(["75%", "weight:3", "drain", "ready", "down", "up", "maxconn:5"])))
def test_of_several_words_for_one_thing_the_last_counts(words: list[str]) -> None:
    said = parse(" ".join(words))
    last = {kind: next((word for word in reversed(words) if word in kind), "") for kind in (ADMIN, HEALTH, WEIGHT)}
    assert said.drains == (last[ADMIN] == "drain")
    assert said.down == ("down" if last[HEALTH] == "down" else "")
    assert (said.share, said.weight) == {"75%": (0.75, None), "weight:3": (None, 3), "": (None, None)}[last[WEIGHT]]


ADMIN, HEALTH, WEIGHT = ("drain", "ready"), ("down", "up"), ("75%", "weight:3")
