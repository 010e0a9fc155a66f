"""Types of arguments that commands share."""

import argparse

import pytest

from feedback.commands.arguments import duration


def test_a_duration_is_seconds() -> None:
    assert duration("500ms") == 0.5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2", "must have a unit, like 2s"),
        ("2.5", "must have a unit, like 2s"),
        ("0s", "must be more than 0s"),
        ("soon", "must be a duration, like 500ms, 2s, 5m or 1h"),
    ],
)
def test_anything_else_is_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as raised:
        duration(text)
    assert str(raised.value) == sentence
