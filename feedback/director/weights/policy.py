"""The policy contract: members in, weights out, once about every second."""

import abc
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from feedback.plugin import Plugin


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One usable destination as a policy sees it.

    weight: what is in the table now. utilization: the newest report's, unfiltered, None without a fresh one.
    new_connections: since the last step. usable_seconds: how long it has been usable.
    """

    base_weight: int
    weight: int
    utilization: float | None
    active_connections: int = 0
    inactive_connections: int = 0
    new_connections: int = 0
    usable_seconds: float = 0.0


Bound = Literal["", "floor", "ceiling", "slow_start", "no_report", "settling", "idle", "tolerance", "scheduler"]
"""What keeps a weight from following the load, or from being written as it is wanted; "" where nothing does.

settling: it has just come in. idle: all are so little busy that there is nothing to learn. tolerance: what is written
is true enough. scheduler: weights are no shares under it, or it is told seldom, or in short cycles.
"""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What one weight is made of. None: it plays no part, or is not known.

    utilization: as the policy goes by it, filtered. aim: the one that it is led to. error: what the weight follows, a
    logarithm, above 0 for less busy than it should be. follow_seconds: the time constant with which it does.
    wanted_weight: before it is rounded, and whatever is written. tolerance_ratio: by how much a written weight may be
    off.
    """

    utilization: float | None = None
    aim: float | None = None
    error: float | None = None
    follow_seconds: float | None = None
    wanted_weight: float
    tolerance_ratio: float
    bound: Bound


class Policy(Plugin, abc.ABC):
    """Base of all weight policies. Keeps its filters' state; no clock, no I/O."""

    scheduler: Annotated[str, "the service's scheduler, which gives weights their meaning"] = "wlc"
    response: Annotated[float, "seconds in which weights may follow the load"] = 10.0
    floor: Annotated[float, "ratio of the base weight below which no load takes a weight"] = 0.05
    ceiling: Annotated[float, "ratio of the base weight above which none goes"] = 10.0
    slow_start: Annotated[float, "seconds in which a destination that comes back gets its share"] = 0.0

    @abc.abstractmethod
    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return a weight for each member. `now` in monotonic seconds; steps come about once a second."""

    def terms(self) -> Mapping[str, Terms]:
        """Return what the weights of the last step are made of, for those members of which it can be told.

        It is asked only when somebody looks.
        """
        return {}


def make_policy(
    name: str,
    *,
    scheduler: str = "wlc",
    response: float = 10.0,
    floor: float = 0.05,
    ceiling: float = 10.0,
    slow_start: float = 0.0,
) -> Policy:
    """Make the policy registered under `name`. Raises PluginError for an unknown one."""
    from feedback.registry import POLICIES  # noqa: PLC0415 - the built-in policies import this module

    return POLICIES.get(name)(
        scheduler=scheduler, response=response, floor=floor, ceiling=ceiling, slow_start=slow_start
    )
