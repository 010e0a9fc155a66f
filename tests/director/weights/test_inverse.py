"""What wlc gives by the weights of the inverse: a model of its memory, in which connections are short."""

from collections import deque
from collections.abc import Collection, Mapping

import msgspec
import pytest

from feedback.director.weights import Member
from feedback.director.weights.echo import Totals
from feedback.director.weights.inverse import Given, Inverse

MEMORY_SECONDS = 120
EVEN = {"a": 1000.0, "b": 1000.0, "c": 1000.0, "d": 1000.0}


class Kernel:
    """Keeps what came in the last two minutes in proportion to the weights, as far as what comes allows."""

    def __init__(self, shares: Mapping[str, float], *, rate: int = 400, active: int = 0, base: int = 1000) -> None:
        self.base = base
        self.active = active
        self.rate = rate
        self.totals = Totals()
        self.weights = {name: round(share) for name, share in shares.items()}
        total = sum(shares.values())
        self.given = {name: deque([rate * share / total] * MEMORY_SECONDS) for name, share in shares.items()}

    def remembered(self, name: str) -> float:
        return sum(self.given[name])

    def serve(self) -> dict[str, float]:
        """Let a second pass: forget, and give what comes to those who have least for their weight."""
        for served in self.given.values():
            served.popleft()
        counts = {name: self.remembered(name) for name in self.given}
        taking = set(self.given)
        while True:
            level = (self.rate + sum(counts[n] for n in taking)) / sum(self.weights[n] for n in taking)
            beyond = {name for name in taking if counts[name] > level * self.weights[name]}
            if not beyond:
                break
            taking -= beyond
        for name, served in self.given.items():
            served.append(level * self.weights[name] - counts[name] if name in taking else 0.0)
        return {name: served[-1] / max(1, self.rate) for name, served in self.given.items()}

    def members(self) -> dict[str, Member]:
        return {
            name: Member(
                base_weight=self.base,
                weight=self.weights[name],
                utilization=0.5,
                active_connections=self.active,
                inactive_connections=round(self.remembered(name)),
                new_connections=round(served[-1]),
            )
            for name, served in self.given.items()
        }


def made(kernel: Kernel, scheduler: str = "wlc") -> tuple[Inverse, Kernel]:
    return Inverse(scheduler, kernel.totals), kernel


def lead(
    inverse: Inverse, kernel: Kernel, shares: Mapping[str, float], seconds: int, news: Collection[str] = ()
) -> list[dict[str, float]]:
    """Let so many seconds pass with these shares; return what was given in each."""
    path = []
    for _ in range(seconds):
        members = kernel.members()
        kernel.totals.follow(1.0, members)
        inverse.follow(1.0, members, shares, news)
        kernel.weights = {name: max(1, round(share * inverse.factors.get(name, 1.0))) for name, share in shares.items()}
        path.append(kernel.serve())
    return path


@pytest.mark.parametrize("weight", [500.0, 200.0, 2500.0])
def test_a_share_is_given_at_once_and_for_good(weight: float) -> None:
    inverse, kernel = made(Kernel(EVEN))
    lead(inverse, kernel, EVEN, 60)
    assert inverse.factors == {}
    path = lead(inverse, kernel, moved := EVEN | {"a": weight}, 360, news=["a"])
    share = weight / sum(moved.values())
    for begin in range(5, 350, 10):
        given = sum(second["a"] for second in path[begin : begin + 10]) / 10.0
        assert given == pytest.approx(share, rel=0.15, abs=0.015), begin
    assert inverse.factors == {}


def test_without_it_nothing_is_given_for_a_minute() -> None:
    kernel = Kernel(EVEN)
    kernel.weights["a"] = 500
    path = [kernel.serve() for _ in range(60)]
    assert sum(second["a"] for second in path[:45]) == 0.0


def test_who_comes_in_is_given_its_share_and_not_everything() -> None:
    inverse, kernel = made(Kernel(EVEN))
    lead(inverse, kernel, EVEN, 60)
    kernel.given["e"], kernel.weights["e"] = deque([0.0] * MEMORY_SECONDS), 1
    path = lead(inverse, kernel, EVEN | {"e": 1000.0}, 360)
    assert max(sum(second["e"] for second in path[b : b + 5]) / 5 for b in range(350)) < 0.3
    assert [sum(second["e"] for second in path[b : b + 60]) / 60 for b in (10, 100, 180, 300)] == pytest.approx(
        [0.2] * 4, rel=0.1
    )
    assert inverse.factors == {}


def test_one_that_comes_back_with_old_connections_goes_on_from_these() -> None:
    inverse, kernel = made(Kernel(EVEN))
    lead(inverse, kernel, EVEN, 60)
    others = {name: EVEN[name] for name in "abc"}
    left = kernel.given.pop("d")
    del kernel.weights["d"]
    lead(inverse, kernel, others, 40)
    kernel.given["d"], kernel.weights["d"] = deque([*list(left)[40:], *[0.0] * 40]), 1
    path = lead(inverse, kernel, EVEN, 300)
    for begin in range(5, 280, 20):
        assert sum(second["d"] for second in path[begin : begin + 20]) / 20 == pytest.approx(0.25, rel=0.15)


def test_who_leaves_is_on_no_way_any_more() -> None:
    inverse, kernel = made(Kernel(EVEN))
    lead(inverse, kernel, EVEN, 60)
    lead(inverse, kernel, EVEN | {"a": 400.0}, 10, news=["a"])
    assert set(inverse.factors) == {"a"}
    assert inverse.of({"a": 400.0, "b": 1000.0}) == {"a": 400.0 * inverse.factors["a"]}
    assert inverse.of({"b": 1000.0}) == {}
    del kernel.given["a"], kernel.weights["a"]
    lead(inverse, kernel, {name: EVEN[name] for name in "bcd"}, 1)
    assert inverse.factors == {}


def test_where_all_are_on_their_way_they_have_their_shares_together() -> None:
    inverse, kernel = made(Kernel({"a": 1000.0, "b": 1000.0}))
    lead(inverse, kernel, {"a": 1000.0, "b": 1000.0}, 60)
    path = lead(inverse, kernel, {"a": 500.0, "b": 2000.0}, 100, news=["a", "b"])
    assert sum(second["a"] for second in path[10:70]) / 60 == pytest.approx(0.2, rel=0.15)


def test_little_moves_and_those_that_nobody_takes_for_news_are_none() -> None:
    inverse, kernel = made(Kernel(EVEN))
    lead(inverse, kernel, EVEN, 60)
    lead(inverse, kernel, EVEN | {"a": 960.0}, 5, news=["a"])
    assert inverse.factors == {}
    lead(inverse, kernel, EVEN | {"a": 500.0}, 5)
    assert inverse.factors == {}


def test_a_queue_has_no_say_beyond_what_is_usual() -> None:
    inverse, kernel = made(Kernel(EVEN, active=2))
    lead(inverse, kernel, EVEN, 60)
    usual = kernel.members()
    full = usual | {"a": msgspec.structs.replace(usual["a"], active_connections=40)}
    kernel.totals.follow(1.0, full)
    inverse.follow(1.0, full, EVEN | {"a": 600.0}, ["a"])
    counted = usual["a"].inactive_connections + 256 * 40
    assert inverse.factors["a"] * 600.0 < 1200.0 < 1000.0 * counted / (usual["b"].inactive_connections + 512)


@pytest.mark.parametrize(
    ("scheduler", "kernel"),
    [
        ("wrr", Kernel(EVEN)),
        ("lblc", Kernel(EVEN)),  # told every half minute only
        ("wlc", Kernel(EVEN, active=100)),  # connections that last count for more
        ("wlc", Kernel(EVEN, rate=0)),
        ("wlc", Kernel(EVEN, base=24)),  # whole numbers are too coarse
    ],
    ids=["no memory", "told seldom", "lasting", "idle", "coarse"],
)
def test_where_there_is_no_echo_weights_are_what_they_are(scheduler: str, kernel: Kernel) -> None:
    inverse, _ = made(kernel, scheduler)
    lead(inverse, kernel, EVEN, 60)
    lead(inverse, kernel, EVEN | {"a": 400.0}, 5, news=["a"])
    assert inverse.factors == {}


def test_before_anything_is_forgotten_there_is_no_echo() -> None:
    inverse, kernel = made(Kernel(EVEN))
    kernel.given = {name: deque([0.0] * MEMORY_SECONDS) for name in EVEN}
    lead(inverse, kernel, EVEN, 60)
    lead(inverse, kernel, EVEN | {"a": 400.0}, 5, news=["a"])
    assert inverse.factors == {}


def test_a_clock_that_stands_teaches_nothing() -> None:
    inverse, kernel = made(Kernel(EVEN))
    lead(inverse, kernel, EVEN, 60)
    inverse.follow(0.0, kernel.members(), EVEN | {"a": 400.0}, ["a"])
    assert inverse.factors == {}


@pytest.mark.parametrize(
    ("given", "error", "is_late"),
    [(0.3, -0.5, True), (0.3, 0.5, False), (0.1, 0.5, True), (0.1, -0.5, False), (0.21, -0.5, False)],
)
def test_who_is_given_too_much_still_need_not_be_due_less(given: float, error: float, is_late: bool) -> None:
    assert Given(given, due=0.2).is_late_for(error) == is_late
