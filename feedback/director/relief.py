"""What a service does about overload: whether there is one, and the overflow in the table while there is. Pure."""

from collections.abc import Mapping

import msgspec

from feedback.director.config import OverflowConfig, ServiceConfig
from feedback.director.desired import DesiredService
from feedback.director.overflow import Overflow, pace_seconds, share_of
from feedback.director.overload import Burden, Limits, Overload
from feedback.director.weights import Member
from feedback.model import Counters, Destination, ServiceState


class Relief:
    """One service's, from step to step. The configuration may be another one each time."""

    def __init__(self) -> None:
        self._overload = Overload()
        self._overflow = Overflow()
        self._burden = Burden()

    def adopt(self, config: ServiceConfig, observed: ServiceState | None) -> None:
        """Go on at the share that the overflow has in the table: a restart is no reason to take it away."""
        share = _share(config, observed)
        if config.overflow is not None and share:
            self._overload.adopt(min(share, config.overflow.max_share))

    def weigh(
        self, now: float, config: ServiceConfig, members: Mapping[str, Member], left: ServiceState | None
    ) -> None:
        """Take the members' newest utilization. `left`: the service as it was since the last step.

        Who is still let in slowly is not busy because it is new, and says nothing.
        """
        utilizations = {
            name: member.utilization
            for name, member in members.items()
            if member.base_weight and member.usable_seconds >= config.weights.slow_start_seconds
        }
        self._burden = self._overload.step(now, _limits(config), utilizations, _share(config, left))

    def complete(
        self, now: float, config: ServiceConfig, desired: DesiredService, observed: ServiceState | None
    ) -> DesiredService:
        """Return the service with its overflow, where one is needed or still has connections."""
        desired = msgspec.structs.replace(desired, burden=self._burden)
        overflow, state = config.overflow, desired.state
        if overflow is None or overflow.key in state.destinations:  # it is the fallback, too, and serves as that
            return desired
        weight = self._weight(now, config, overflow, desired, observed)
        if weight is None:
            return desired
        added = {overflow.key: Destination(overflow.key, overflow.forwarding, weight)}
        return msgspec.structs.replace(
            desired, state=msgspec.structs.replace(state, destinations={**state.destinations, **added})
        )

    def _weight(
        self,
        now: float,
        config: ServiceConfig,
        overflow: OverflowConfig,
        desired: DesiredService,
        observed: ServiceState | None,
    ) -> int | None:
        if desired.usable and self._burden.share:
            weights = [destination.weight for destination in desired.state.destinations.values()]
            return self._overflow.serve(now, config.scheduler, self._burden.share, weights)
        found = observed.destinations.get(overflow.key) if observed is not None else None
        if (
            observed is None
            or found is None
            or self._overflow.is_gone(now, config, found.weight, _left(overflow, observed))
        ):
            return None
        return 0


def _left(overflow: OverflowConfig, observed: ServiceState) -> int:
    counters = observed.counters.get(overflow.key, Counters())
    return counters.active_connections + counters.inactive_connections


def _limits(config: ServiceConfig) -> Limits:
    return Limits(
        above=config.overload.above,
        below=config.overload.below,
        response_seconds=config.weights.response_seconds,
        max_share=0.0 if config.overflow is None else config.overflow.max_share,
        pace_seconds=pace_seconds(config.scheduler),
    )


def _share(config: ServiceConfig, state: ServiceState | None) -> float:
    """Return the share of what comes in that the overflow gets in a state of the service."""
    if config.overflow is None or state is None or config.overflow.key not in state.destinations:
        return 0.0
    weights = {key: destination.weight for key, destination in state.destinations.items()}
    weight = weights.pop(config.overflow.key)
    return share_of(config.scheduler, weight, weights.values())
