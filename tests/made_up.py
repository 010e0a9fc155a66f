"""Plugins that exist only in tests, under names that nothing real has."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Literal

import msgspec

from feedback.agent.source import Sample, Source
from feedback.checks.check import Check
from feedback.director.weights.policy import Member, Policy
from feedback.net import Net, Target
from feedback.options import Duration


class Step(msgspec.Struct, frozen=True):
    """What is said and heard."""

    send: str | None = None
    expect: str | None = None


@contextmanager
def plugins() -> Iterator[None]:
    """Register the checks `page` and `knock`, the source `waiting` and the policy `moody` for a while."""
    _define_page()
    _define_others()
    try:
        yield
    finally:
        for kind, name in ((Check, "page"), (Check, "knock"), (Source, "waiting"), (Policy, "moody")):
            del kind.registered[name]


def _define_page() -> None:
    class PageCheck(Check, name="page"):
        """Pass when a page comes.

        A second paragraph.
        """

        path: Annotated[str, "what to ask for"] = "/"
        status: Annotated[int | str | list[int | str], "what may come"] = 200
        version: Literal["1.0", "1.1"] = "1.1"
        headers: dict[str, str] | None = None
        steps: Annotated[list[Step], "what to say"] = dataclasses.field(default_factory=list)
        linger: Annotated[Duration, "how long to stay", msgspec.Meta(gt=0, le=10)] = 0.5

        def __post_init__(self) -> None:
            if not self.path.startswith("/"):
                raise ValueError('path: must start with "/"')
            if self.path == "/" and self.headers:
                raise ValueError("headers need a path")

        async def probe(self, target: Target, net: Net) -> str:
            return f"{target.destination} {net.now()}"


def _define_others() -> None:
    class KnockCheck(Check, name="knock"):
        """Pass when somebody is in."""

        async def probe(self, target: Target, net: Net) -> str:
            return f"{target.destination} {net.now()}"

    class WaitingSource(Source, name="waiting"):
        """How many wait."""

        path: Annotated[str, "where they wait"]
        limit: Annotated[float, "how many are too many"] = 100.0

        async def sample(self) -> Sample:
            return Sample(1 / self.limit)

    class MoodyPolicy(Policy, name="moody"):
        """Refuse what it does not like."""

        def __post_init__(self) -> None:
            if self.floor > 0.5:
                raise ValueError("floor: must be at most 0.5 for this policy")

        def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
            return {name: int(now) for name in members}
