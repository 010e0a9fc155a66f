"""Problems: all of them, each with its place, in the order of the file."""

import pytest

from feedback.errors import ConfigError
from feedback.tree import Node, Problems


def test_a_problem_is_told_with_file_line_path_and_sentence() -> None:
    problems = Problems("director.yaml")
    problems.add(Node("x", 14, "services.web.checks[0].http.path"), 'must start with "/"')
    assert problems.lines() == ('director.yaml:14: services.web.checks[0].http.path: must start with "/"',)


def test_what_is_not_known_of_the_place_is_left_out() -> None:
    problems = Problems()
    problems.add(Node(None), "is odd")
    problems.add(Node(None, path="path"), "is odd too")
    assert problems.lines() == ("is odd", "path: is odd too")


def test_problems_stand_in_the_order_of_the_file_and_once() -> None:
    problems = Problems("f")
    for line in (3, 1, 2, 3):
        problems.add(Node(None, line, "a"), "is odd")
    assert problems.lines() == ("f:1: a: is odd", "f:2: a: is odd", "f:3: a: is odd")


def test_all_problems_are_raised_together_and_none_raise_nothing() -> None:
    problems = Problems("f")
    problems.raise_any()
    problems.add(Node(None, 1, "a"), "is odd")
    problems.add(Node(None, 2, "b"), "is odd")
    with pytest.raises(ConfigError) as raised:
        problems.raise_any()
    assert raised.value.problems == ("f:1: a: is odd", "f:2: b: is odd")


def test_a_place_is_clean_when_nothing_is_wrong_at_it_or_below() -> None:
    problems = Problems("f")
    problems.add(Node(None, 1, "services.web.checks[0].http"), "is odd")
    assert not problems.none_at("services")
    assert not problems.none_at("services.web.checks")
    assert not problems.none_at("other", "services.web.checks[0].http")
    assert problems.none_at("services.we", "services.web.checks[0].http.path", "services.web.checks[1]")
