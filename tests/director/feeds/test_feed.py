import pytest

from feedback.director.feeds.agent_check import AgentCheckFeed
from feedback.director.feeds.feed import CpuMeter, Feed, FeedConfig, busy_ratio, wait_seconds
from feedback.model import Endpoint
from feedback.net import Net
from feedback.report import Report


class Patient(Feed):
    longest_wait_seconds = 30.0

    async def ask(self, endpoint: Endpoint, net: Net) -> Report:
        raise NotImplementedError


def config(feed: Feed, interval_seconds: float) -> FeedConfig:
    endpoint = Endpoint("192.0.2.11", feed.port)
    return FeedConfig(agent="rs1", feed=feed, endpoint=endpoint, interval_seconds=interval_seconds, timeout_seconds=1.0)


@pytest.mark.parametrize(
    ("feed", "interval", "failures", "seconds"),
    [
        (AgentCheckFeed(port=5000), 1.0, 0, 1.0),
        (AgentCheckFeed(port=5000), 1.0, 9, 1.0),
        (Patient(port=22), 1.0, 0, 1.0),
        (Patient(port=22), 1.0, 3, 8.0),
        (Patient(port=22), 1.0, 1000, 30.0),
        (Patient(port=22), 60.0, 5, 60.0),
    ],
)
def test_what_costs_much_is_asked_less_often_while_it_does_not_answer(
    feed: Feed, interval: float, failures: int, seconds: float
) -> None:
    assert wait_seconds(config(feed, interval), failures) == seconds
    feed.forget()


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [
        ((100, 0, 0, 900), (150, 0, 0, 950), 0.5),
        ((2**32 - 50, 0, 0, 900), (50, 0, 0, 1200), 0.25),  # a counter of 32 bits has begun anew
        ((100, 0, 0, 900), (200, 0, 0, 890), 1.0),  # what waits for disks may go backwards
        ((100, 0, 0, 900), (100, 0, 0, 900), None),
        ((5000, 0, 0, 90000), (10, 0, 0, 20), None),  # the host has started anew
        ((), (100, 0, 0, 900), None),
    ],
)
def test_cpu_time_in_use_is_what_is_not_idle_between_two_readings(
    before: tuple[int, ...], after: tuple[int, ...], ratio: float | None
) -> None:
    assert busy_ratio(before, after, {3, 4}) == ratio


def test_counters_that_stand_still_hold_what_was_measured_for_a_while() -> None:
    meter = CpuMeter({3})
    assert meter.measure((100, 0, 0, 900), 10.0) is None
    assert meter.measure((100, 0, 0, 900), 11.0) is None
    assert meter.measure((150, 0, 0, 950), 15.0) == 0.5
    assert meter.measure((150, 0, 0, 950), 45.0) == 0.5
    assert meter.measure((150, 0, 0, 950), 45.1) is None
    assert meter.measure((225, 0, 0, 975), 46.0) == 0.75
    assert meter.measure((1, 0, 0, 2), 47.0) is None, "the host has started anew"
