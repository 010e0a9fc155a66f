"""`make bench-weights` in the lab: what it prints of what was measured."""

import pytest
from weights_lab import LOADS, arguments_of, lines

from tests.lab.uneven import Measured

FOUND = Measured(
    seconds=1800.0,
    busy={"rs1": 1.0, "rs2": 0.5, "rs3": 0.3},
    answers_seconds=[0.1] * 98 + [0.6] * 2,
    failed=["timed out"],
    writes=6,
    weights={"rs3": 200, "rs1": 50, "rs2": 100},
)


def test_a_line_has_the_figures_of_a_policy_with_the_servers_in_order_of_their_speed() -> None:
    assert list(lines({"equalize": FOUND})) == [
        ("equalize", "1.000 0.500 0.300", "1.667", "110", "600", "4", "50:100:200", "1")
    ]


def test_arguments_say_how_long_and_at_which_loads() -> None:
    assert tuple(arguments_of([]).loads) == LOADS
    found = arguments_of(["--seconds", "60", "0.3"])
    assert (found.seconds, found.loads) == (60.0, [0.3])


def test_a_load_that_is_no_number_is_refused_before_anything_is_booted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments_of(["heavy"])
    assert "LOAD: invalid float value: 'heavy'" in capsys.readouterr().err
