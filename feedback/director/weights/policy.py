"""The policy contract: members in, weights out, once about every second."""

import abc
from collections.abc import Mapping
from typing import Annotated

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
