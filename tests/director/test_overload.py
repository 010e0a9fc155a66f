"""Overload by itself: begin, end, and the share in between, on destinations whose utilization is given."""

import math
from collections.abc import Callable, Mapping

import pytest

from feedback.director.overload import LEAST_SHARE, Burden, Limits, Overload, error_of

LIMITS = Limits(above=0.95, below=0.85, response_seconds=10.0, max_share=0.9)
ALONE = Limits(above=0.95, below=0.85, response_seconds=10.0)

Reports = Mapping[str, float | None]


class Service:
    """Steps once a second; the overflow gets the share that it is meant to get."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.overload = Overload()
        self.burden = Burden()
        self.now = 100.0

    def run(self, seconds: int, reports: Reports) -> Burden:
        for _ in range(seconds):
            self.now += 1.0
            self.burden = self.overload.step(self.now, self.limits, reports, self.burden.share)
        return self.burden

    def seconds_until(self, reports: Reports, reached: Callable[[Burden], bool]) -> int:
        return next(seconds for seconds in range(1, 1000) if reached(self.run(1, reports)))


def over(burden: Burden) -> bool:
    return burden.overloaded


def not_over(burden: Burden) -> bool:
    return not burden.overloaded


def test_a_service_is_overloaded_when_its_least_busy_destination_is_above_the_limit() -> None:
    service = Service(ALONE)
    assert not service.run(300, {"rs1": 1.0, "rs2": 0.94}).overloaded
    burden = service.run(60, {"rs1": 1.0, "rs2": 0.97})
    assert (burden.overloaded, burden.share) == (True, 0.0)
    assert burden.least == pytest.approx(0.97)
    assert burden.mean == pytest.approx(0.985)


def test_between_the_limits_it_stays_as_it_is() -> None:
    service = Service(ALONE)
    assert not service.run(300, {"rs1": 0.9}).overloaded
    service.run(60, {"rs1": 1.0})
    assert service.run(300, {"rs1": 0.86}).overloaded
    assert not service.run(60, {"rs1": 0.84}).overloaded


def test_a_spike_does_not_count() -> None:
    service = Service()
    service.run(60, {"rs1": 0.6})
    assert not service.run(8, {"rs1": 1.0}).overloaded
    assert not service.run(60, {"rs1": 0.6}).overloaded


def test_nor_does_a_directors_first_report() -> None:
    service = Service()
    assert not service.run(1, {"rs1": 1.0}).overloaded
    assert service.seconds_until({"rs1": 1.0}, over) < 10


def test_a_longer_response_takes_longer_to_believe_it() -> None:
    seconds = []
    for response in (2.0, 10.0, 40.0):
        service = Service(Limits(above=0.95, below=0.85, response_seconds=response))
        service.run(300, {"rs1": 0.5})
        seconds.append(service.seconds_until({"rs1": 1.0}, over))
    assert seconds == [5, 24, 93]  # response * ln(0.5 / 0.05)


def test_who_does_not_report_does_not_count() -> None:
    service = Service(ALONE)
    assert service.run(60, {"rs1": 1.0, "rs2": None}).overloaded
    assert service.run(1, {"rs1": 1.0, "rs2": None}).least == pytest.approx(1.0)


def test_without_any_report_there_is_no_overload() -> None:
    assert Service().run(60, {"rs1": None, "rs2": None}) == Burden()
    assert Service().run(60, {}) == Burden()


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -1.0])
def test_a_number_that_can_not_be_is_no_report(nonsense: float) -> None:
    service = Service(ALONE)
    service.run(60, {"rs1": 1.0})
    assert service.run(5, {"rs1": nonsense}).overloaded
    assert Service().run(60, {"rs1": nonsense}) == Burden()


def test_when_reports_are_lost_the_share_is_held_and_then_ends_slowly() -> None:
    service = Service()
    share = service.run(60, {"rs1": 1.0}).share
    assert service.run(10, {"rs1": None}).share == share
    assert service.run(10, {"rs1": None}).overloaded
    assert LEAST_SHARE < service.burden.share < share
    assert service.burden.least is None
    assert service.run(60, {"rs1": None}) == Burden()


def test_one_that_is_silent_is_remembered_for_a_while_and_then_forgotten() -> None:
    service = Service(ALONE)
    service.run(60, {"rs1": 0.5, "rs2": 1.0})
    assert not service.run(10, {"rs1": None, "rs2": 1.0}).overloaded
    assert service.run(1, {"rs1": None, "rs2": 1.0}).overloaded


def test_one_that_has_left_is_forgotten_at_once() -> None:
    service = Service(ALONE)
    service.run(60, {"rs1": 0.5, "rs2": 1.0})
    assert service.run(1, {"rs2": 1.0}).overloaded


def test_the_share_begins_at_its_least_and_grows_while_the_mean_is_above_the_target() -> None:
    service = Service()
    service.seconds_until({"rs1": 0.97}, over)
    assert service.burden.share == pytest.approx(LEAST_SHARE)
    shares = [service.run(10, {"rs1": 0.97}).share for _ in range(5)]
    assert shares == sorted(shares)
    assert shares[-1] > 0.15


def test_full_servers_get_relief_faster_as_nobody_knows_how_far_they_are_over() -> None:
    almost, full = Service(), Service()
    for service, utilization in ((almost, 0.97), (full, 1.0)):
        service.seconds_until({"rs1": utilization}, over)
        service.run(20, {"rs1": utilization})
    assert full.burden.share > 2 * almost.burden.share


def test_the_share_has_a_bound_and_turns_round_there_at_once() -> None:
    service = Service(Limits(above=0.95, below=0.85, response_seconds=10.0, max_share=0.3))
    assert service.run(600, {"rs1": 1.0}).share == pytest.approx(0.3)
    assert service.run(20, {"rs1": 0.7}).share < 0.25


def test_a_lasting_lack_of_load_ends_it_and_no_sooner_than_its_share_is_at_its_least() -> None:
    service = Service()
    service.run(120, {"rs1": 1.0})
    before = service.burden.share
    service.seconds_until({"rs1": 0.2}, lambda burden: burden.share < before / 2)
    assert service.burden.overloaded
    shares = []
    while service.run(1, {"rs1": 0.2}).overloaded:
        shares.append(service.burden.share)
    assert shares[-1] == pytest.approx(LEAST_SHARE)
    assert service.burden.share == 0.0


def test_what_the_overflow_takes_off_does_not_end_it() -> None:
    """At a share of a half, 0.6 stands for 1.2 without the overflow: the share falls, and the overflow stays."""
    overload = Overload()
    overload.adopt(0.5)
    burdens = [overload.step(now, LIMITS, {"rs1": 0.6}, 0.5) for now in range(100)]
    assert all(burden.overloaded for burden in burdens)
    assert burdens[-1].share == pytest.approx(LEAST_SHARE)


def test_a_share_that_was_found_is_gone_on_from() -> None:
    service = Service()
    service.overload.adopt(0.4)
    held = service.run(8, {"rs1": None})
    assert (held.overloaded, held.least) == (True, None)
    assert held.share == pytest.approx(0.4)
    assert service.run(3, {"rs1": 0.9}).share == pytest.approx(0.4)


def test_where_the_least_busy_one_has_room_the_share_falls_whatever_the_mean() -> None:
    assert error_of(LIMITS, alone=0.5, mean=1.0) < 0.0 < error_of(LIMITS, alone=0.9, mean=1.0)


@pytest.mark.parametrize(("alone", "mean", "error"), [(0.0, 0.0, -0.5), (9.0, 9.0, 0.5), (0.9, 0.9, 0.0)])
def test_errors_are_bounded_and_nothing_at_the_target(alone: float, mean: float, error: float) -> None:
    assert error_of(LIMITS, alone, mean) == pytest.approx(error)


def test_a_director_that_was_stopped_has_learned_nothing_meanwhile() -> None:
    service = Service()
    service.run(60, {"rs1": 0.5})
    service.now += 3600.0
    assert not service.run(1, {"rs1": 1.0}).overloaded


def test_schedulers_that_are_told_seldom_are_led_more_slowly() -> None:
    plain, seldom = (
        Service(),
        Service(Limits(above=0.95, below=0.85, response_seconds=10.0, max_share=0.9, pace_seconds=30)),
    )
    for service in (plain, seldom):
        service.run(60, {"rs1": 1.0})
    assert 0.0 < seldom.burden.share < plain.burden.share / 2
