"""What clients ask for, drawn from a seeded source of chance."""

import math
from collections.abc import Callable
from random import Random

from feedback.simulator.scenario import Amount, Scenario, Stream

Draw = Callable[[], float]


def drawer(amount: Amount, random: Random) -> Draw:
    """Return what draws an amount again and again."""
    mean, shape = amount.mean, amount.shape
    if amount.distribution == "fixed":
        return lambda: mean
    if amount.distribution == "exponential":
        return lambda: random.expovariate(1.0) * mean
    if amount.distribution == "lognormal":
        centre = math.log(mean) - shape * shape / 2.0
        return lambda: math.exp(random.gauss(centre, shape))
    least = mean * (shape - 1.0) / shape
    return lambda: random.paretovariate(shape) * least


def work_per_arrival(stream: Stream) -> float:
    """Return the mean seconds of work at speed 1 that a new connection brings."""
    match stream.kind:
        case "request":
            return stream.work.mean
        case "session":
            return stream.work.mean * max(1.0, stream.requests.mean)
        case _:
            return stream.demand * stream.duration.mean


def arrival_rates(scenario: Scenario) -> dict[str, float]:
    """Return how many connections a second each stream opens at load 1."""
    total = sum(stream.share for stream in scenario.streams.values())
    return {
        name: scenario.capacity() * stream.share / total / work_per_arrival(stream)
        for name, stream in scenario.streams.items()
    }
