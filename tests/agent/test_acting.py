"""What an agent finds of its host by itself. Time is an argument."""

import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.acting import Board, Sighting, Standing, Threshold, Trigger, lose_sight, see, settle, weigh
from feedback.report import MAX_FAILURE_LENGTH, HostState

GONE = Sighting(wrong=True, why="nobody listens on TCP port 80")
THERE = Sighting(wrong=False, why="nobody listens on TCP port 80")


def threshold(above: float = 0.9, below: float = 0.8, after: float = 3.0, **changes: object) -> Threshold:
    trigger = Trigger(name="cpu", then=HostState.DRAIN, after_seconds=after, hold_seconds=after)
    return Threshold(trigger=msgspec.structs.replace(trigger, **changes), above=above, below=below)


def weighed(ratios: list[float], rule: Threshold, interval: float = 1.0) -> list[bool]:
    """Return after each of the ratios, one an interval, whether the metric acts."""
    standing = Standing(trigger=rule.trigger)
    acts = []
    for number, ratio in enumerate(ratios):
        standing = weigh(standing, rule, number * interval, ratio)
        acts.append(standing.acts)
    return acts


def test_a_spike_does_not_act_and_what_lasts_does() -> None:
    assert not any(weighed([0.5, 0.95, 1.2, 0.5, 0.95, 0.95, 0.7], threshold()))
    assert weighed([0.95, 0.95, 0.95, 0.95], threshold()) == [False, False, False, True]


def test_one_sample_is_a_spike_however_long_the_interval_is() -> None:
    assert weighed([0.95, 0.95], threshold(), interval=60.0) == [False, True]


def test_what_acts_goes_on_until_the_ratio_has_been_below_the_band_for_as_long() -> None:
    ratios = [0.95, 0.85, 0.81, 0.79, 0.85, 0.79, 0.79, 0.79, 0.79, 0.85]
    assert weighed(ratios, threshold(after=0.0, hold_seconds=3.0)) == [True] * 8 + [False] * 2


def test_the_reason_has_the_newest_value_and_the_threshold() -> None:
    rule = threshold(after=0.0)
    standing = weigh(Standing(trigger=rule.trigger), rule, 0.0, 0.95)
    assert standing.why == "cpu is 0.95, drain_above is 0.9"
    assert weigh(standing, rule, 1.0, 0.88).why == "cpu is 0.88, drain_above is 0.9"


@given(st.lists(st.floats(min_value=0, max_value=2), max_size=40))
def test_within_the_band_nothing_ever_changes(ratios: list[float]) -> None:
    rule = threshold(after=0.0)
    before = Standing(trigger=rule.trigger)
    for number, ratio in enumerate(ratios):
        after = weigh(before, rule, float(number), ratio)
        if rule.below <= ratio < rule.above:
            assert after.acts == before.acts
        before = after


def test_a_watch_acts_at_once_and_is_held_for_a_while_after() -> None:
    trigger = Trigger(name="http", then=HostState.DOWN, hold_seconds=3.0)
    standing = see(see(Standing(trigger=trigger), THERE, 0.0), GONE, 10.0)
    assert (standing.acts, standing.why) == (True, "nobody listens on TCP port 80")
    standing = see(standing, THERE, 11.0)
    assert see(standing, THERE, 13.9).acts
    assert not see(standing, THERE, 14.0).acts
    assert see(see(standing, GONE, 13.0), THERE, 14.0).acts, "the time begins anew"


def test_what_was_never_seen_well_does_not_act_where_that_is_asked_for_and_says_so() -> None:
    trigger = Trigger(name="http", then=HostState.DOWN, confirmed=True)
    standing = see(Standing(trigger=trigger), GONE, 0.0)
    assert not standing.acts
    assert standing.doubt == "nobody listens on TCP port 80, nor has since the agent began"
    met = see(standing, THERE, 1.0)
    assert not met.doubt
    assert see(met, GONE, 2.0).acts


def test_what_can_not_be_seen_is_held_for_a_minute_and_then_lets_go() -> None:
    trigger = Trigger(name="http", then=HostState.DOWN)
    standing = see(Standing(trigger=trigger), GONE, 0.0)
    assert lose_sight(standing, 59.9).acts
    let_go = lose_sight(standing, 60.0)
    assert (let_go.acts, let_go.why) == (False, "")
    assert see(let_go, GONE, 70.0).acts, "once it is seen again, it counts again"


def test_what_can_not_be_seen_never_begins_to_act() -> None:
    rule = threshold()
    standing = weigh(Standing(trigger=rule.trigger), rule, 0.0, 0.95)
    standing = lose_sight(standing, 2.0)
    assert not standing.acts
    assert not weigh(standing, rule, 3.0, 0.95).acts, "the time before counts no more"


def standing_of(then: HostState, why: str, *, acts: bool = True) -> Standing:
    return Standing(trigger=Trigger(name="x", then=then), acts=acts, why=why)


def test_whichever_acts_decides_and_down_goes_before_drain() -> None:
    drain, down = standing_of(HostState.DRAIN, "cpu"), standing_of(HostState.DOWN, "http")
    assert settle([]) == (HostState.READY, "")
    assert settle([standing_of(HostState.DOWN, "gone", acts=False)]) == (HostState.READY, "")
    assert settle([drain]) == (HostState.DRAIN, "cpu")
    assert settle([drain, down, standing_of(HostState.DOWN, "smtp")]) == (HostState.DOWN, "http; smtp")


@given(st.lists(st.text(alphabet=string.printable), max_size=5))
def test_the_reason_may_always_be_sent(causes: list[str]) -> None:
    _, why = settle(standing_of(HostState.DRAIN, cause) for cause in causes)
    assert len(why) <= MAX_FAILURE_LENGTH
    assert why.isprintable()


@pytest.fixture
def board() -> Board:
    drain = threshold(after=0.0)
    down = threshold(1.5, 1.4, after=0.0, then=HostState.DOWN)
    return Board([drain, down], [Trigger(name="http", then=HostState.DOWN, hold_seconds=3.0, confirmed=True)])


def test_a_metric_may_drain_its_host_and_take_it_down_at_another_value(board: Board) -> None:
    states = []
    for ratio in (0.5, 0.95, 1.6, 1.0, 0.5):
        board.measured("cpu", ratio, 0.0)
        board.measured("memory", 2.0, 0.0)
        states.append(board.state(0.0)[0])
    assert states == ["ready", "drain", "down", "drain", "ready"]


def test_a_metric_that_fails_is_held_and_then_lets_go(board: Board) -> None:
    board.measured("cpu", 0.95, 0.0)
    board.measured("cpu", None, 30.0)
    assert board.state(30.0)[0] is HostState.DRAIN
    board.measured("cpu", None, 60.0)
    assert board.state(60.0)[0] is HostState.READY


def test_a_watch_comes_back_when_its_time_is_over_though_nothing_has_happened(board: Board) -> None:
    board.sighted("http", THERE, 0.0)
    board.sighted("http", GONE, 1.0)
    board.sighted("http", THERE, 2.0)
    assert [board.state(now)[0] for now in (2.0, 4.9, 5.0)] == ["down", "down", "ready"]


def test_a_watch_that_breaks_is_named_and_lets_go_by_itself(board: Board) -> None:
    assert board.state(0.0) == (HostState.READY, "")
    board.sighted("http", THERE, 0.0)
    board.sighted("http", GONE, 1.0)
    board.failed("http", "no\nnetlink", 2.0)
    assert board.failures() == {"watches.http": "no netlink"}
    assert [board.state(now)[0] for now in (2.0, 60.9, 61.0)] == ["down", "down", "ready"]
    board.sighted("http", THERE, 70.0)
    assert board.failures() == {}


def test_a_watch_that_does_not_act_on_what_it_sees_says_why(board: Board) -> None:
    board.sighted("http", GONE, 0.0)
    assert board.state(0.0)[0] is HostState.READY
    assert board.failures() == {"watches.http": "nobody listens on TCP port 80, nor has since the agent began"}


def test_a_watch_that_fails_without_a_word_is_named_all_the_same(board: Board) -> None:
    board.failed("http", "", 0.0)
    assert board.failures() == {"watches.http": "failed without a word"}
