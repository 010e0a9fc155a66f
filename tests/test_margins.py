"""The margins in docs/weights.md: those of the loop, computed right, and those that the policy has when it runs."""

import math
import re
from collections import deque
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest

from feedback.director.weights import Member
from feedback.director.weights.equalize import EqualizePolicy
from feedback.director.weights.writing import PACE_SECONDS
from scripts.margins import RESPONSES_SECONDS, Loop, loop_of, table

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "weights.md").read_text()
SPEEDS = {"a": 1.0, "b": 1.0, "c": 1.5}
BASE = 10_000  # so many that whole numbers don't matter


def test_the_page_has_the_table_that_is_computed_or_else_run_make_plots() -> None:
    assert table() in PAGE


@pytest.mark.parametrize(("response", "interval"), [(10.0, 1.0), (10.0, 5.0), (10.0, 10.0), (40.0, 10.0)])
def test_the_page_has_the_phase_that_slow_reports_leave(response: float, interval: float) -> None:
    degrees = math.degrees(loop_of(response, interval_seconds=interval).phase_margin())
    (guide,) = re.findall(r"^- \*\*At least four times.*?(?=^- )", PAGE, re.MULTILINE | re.DOTALL)
    assert f" {degrees:.0f}°" in guide


def test_slow_reports_make_weights_overshoot_as_the_page_says_and_settle() -> None:
    goal = math.log(SPEEDS["c"])
    for response, interval, least, most in ((10.0, 1, 0.0, 0.05), (10.0, 5, 0.0, 0.15), (10.0, 10, 0.5, 0.75)):
        course = weigh(response, 1.0, 0, interval=interval)
        assert least <= max(course) / goal - 1.0 < most, interval
        assert course[-1] == pytest.approx(goal, abs=0.05)
    assert max(weigh(40.0, 1.0, 0, interval=10)) < 1.05 * goal


@pytest.mark.parametrize("name", ["weights-step.png", "weights-response-times.png"])
def test_the_pictures_are_small(name: str) -> None:
    picture = (DOCS / "images" / name).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 60_000


@pytest.mark.parametrize("response", [*RESPONSES_SECONDS, 7.9, 8.1])
@pytest.mark.parametrize(("scheduler", "pace"), [("wrr", 0.0), ("mh", PACE_SECONDS)])
def test_the_loop_is_that_of_the_policy(response: float, scheduler: str, pace: float) -> None:
    policy, loop = EqualizePolicy(scheduler=scheduler, response=response), loop_of(response, pace)
    assert policy._fast_seconds == pytest.approx(loop.follow_seconds)
    assert policy._filter_seconds == pytest.approx(loop.filter_seconds)


def test_a_loop_without_a_filter_has_the_margins_of_an_integrator_with_dead_time() -> None:
    loop = Loop(follow_seconds=10.0, filter_seconds=0.0, delay_seconds=2.0)
    assert loop.crossover() == pytest.approx(0.1)
    assert loop.gain_margin() == pytest.approx(math.pi / 2.0 * 10.0 / 2.0)
    assert loop.phase_margin() == pytest.approx(math.pi / 2.0 - 0.2)
    assert loop.delay_margin_seconds() == pytest.approx(math.pi / 2.0 * 10.0 - 2.0)


def test_a_loop_without_dead_time_bears_any_gain_and_has_the_phase_of_a_second_order_system() -> None:
    loop = Loop(follow_seconds=4.0, filter_seconds=1.0, delay_seconds=0.0)
    assert loop.gain_margin() == math.inf
    damping = math.sqrt(4.0 / 1.0) / 2.0  # 1: no overshoot
    closed = math.atan(2.0 * damping / math.sqrt(math.sqrt(1.0 + 4.0 * damping**4) - 2.0 * damping**2))
    assert loop.phase_margin() == pytest.approx(closed)


@pytest.mark.parametrize("response", RESPONSES_SECONDS)
def test_at_its_margin_a_loop_is_on_the_edge_whichever_way_it_came_there(response: float) -> None:
    loop = loop_of(response)
    stronger = Loop(**(fields(loop) | {"gain": loop.gain_margin()}))
    later = Loop(**(fields(loop) | {"delay_seconds": loop.delay_seconds + loop.delay_margin_seconds()}))
    for edge in (stronger, later):
        assert edge.gain_margin() == pytest.approx(1.0)
        assert edge.phase_margin() == pytest.approx(0.0, abs=1e-9)
        assert edge.delay_margin_seconds() == pytest.approx(0.0, abs=1e-6)
        assert edge.crossover() == pytest.approx(edge.turning())


def test_the_equation_itself_settles_below_a_margin_and_swings_ever_more_beyond() -> None:
    loop = loop_of(10.0)
    for share, settles in ((0.9, True), (1.1, False)):
        stronger = Loop(**(fields(loop) | {"gain": share * loop.gain_margin()}))
        later = Loop(**(fields(loop) | {"delay_seconds": loop.delay_seconds + share * loop.delay_margin_seconds()}))
        for moved in (stronger, later):
            course = solve(moved, seconds=400.0)
            early, late = (max(map(abs, part)) for part in (course[: len(course) // 2], course[-len(course) // 4 :]))
            assert (late < early / 2.0) is settles
            assert (late > early) is not settles


def test_more_dead_time_or_gain_or_filter_leaves_less_phase_and_longer_following_more() -> None:
    base = fields(loop_of(10.0))
    for name, better in (("follow_seconds", 1), ("filter_seconds", -1), ("delay_seconds", -1), ("gain", -1)):
        loops = [Loop(**(base | {name: base[name] * factor})) for factor in (0.5, 1.0, 2.0, 4.0)]
        phases = [loop.phase_margin() * better for loop in loops]
        assert all(before < after for before, after in pairwise(phases)), name


@pytest.mark.parametrize("pace", [0.0, PACE_SECONDS])
def test_every_response_has_margins_that_textbooks_call_good(pace: float) -> None:
    for response in (0.1, *RESPONSES_SECONDS, 3600.0):
        loop = loop_of(response, pace)
        assert loop.gain_margin() > 4.0
        assert loop.phase_margin() > math.radians(60.0)


@pytest.mark.parametrize("response", [5.0, 10.0, 30.0])
def test_the_policy_settles_on_servers_that_answer_so_strongly_or_so_late_as_the_margins_allow(response: float) -> None:
    loop = loop_of(response)
    for gain, late in ((0.8 * loop.gain_margin(), 0), (1.0, round(0.8 * loop.delay_margin_seconds()))):
        course = weigh(response, gain, late)
        assert max(course[-60:]) - min(course[-60:]) < 0.1
        assert course[-1] == pytest.approx(math.log(SPEEDS["c"]), abs=0.1)


@pytest.mark.parametrize("response", [10.0, 30.0])
def test_the_policy_swings_where_reports_are_later_than_the_margin(response: float) -> None:
    """Until it finds out by itself that it had better be slow, or for good."""
    course = weigh(response, 1.0, round(1.5 * loop_of(response).delay_margin_seconds()))
    assert max(course) > 3.0 * math.log(SPEEDS["c"])


def test_who_is_told_seldom_settles_on_servers_as_strong_as_the_margin_allows() -> None:
    course = weigh(10.0, 0.8 * loop_of(10.0, PACE_SECONDS).gain_margin(), 0, scheduler="mh", seconds=1800)
    assert course[-1] == pytest.approx(math.log(SPEEDS["c"]), abs=0.15)
    assert max(course[-300:]) - min(course[-300:]) < 0.1


def fields(loop: Loop) -> dict[str, float]:
    return {name: getattr(loop, name) for name in loop.__struct_fields__}


def solve(loop: Loop, seconds: float, step: float = 0.01) -> list[float]:
    """Return the weight's logarithm after it was off by 1: Euler's method."""
    weight, filtered = 1.0, 0.0
    under_way = deque([0.0] * round(loop.delay_seconds / step))
    course = []
    for _ in range(round(seconds / step)):
        under_way.append(loop.gain * weight)
        filtered += step / loop.filter_seconds * (under_way.popleft() - filtered)
        weight -= step / loop.follow_seconds * filtered
        course.append(weight)
    return course


def weigh(
    response: float, gain: float, late_seconds: int, *, interval: int = 1, scheduler: str = "wlc", seconds: int = 600
) -> list[float]:
    """Return ln of the fastest server's weight over the slowest's, where u is (share / speed) to the power of gain."""
    policy = EqualizePolicy(scheduler=scheduler, response=response, floor=0.001, ceiling=1000.0)
    weights = dict.fromkeys(SPEEDS, BASE)
    history: list[dict[str, float]] = []
    course = []
    for second in range(seconds):
        per_server = sum(weights.values()) / len(weights)
        history.append({n: min(1.0, 0.4 * (weights[n] / per_server / speed) ** gain) for n, speed in SPEEDS.items()})
        reported = max(second - late_seconds, 0) // interval * interval
        over = history[max(reported - interval, 0) : reported] or history[:1]
        members = {
            name: Member(
                base_weight=BASE,
                weight=weight,
                utilization=fmean(busy[name] for busy in over),
                active_connections=1000,
                new_connections=1000,
            )
            for name, weight in weights.items()
        }
        weights = policy.step(float(second), members)
        course.append(math.log(weights["c"] / weights["a"]))
    return course
