"""A director for its API to speak of: a snapshot that a test writes, and the real event log."""

import itertools

from msgspec.structs import replace

from feedback.director.control import UnknownNameError
from feedback.director.events import EventLog
from feedback.director.snapshot import CheckView, DestinationView, ServiceView, Snapshot
from feedback.errors import ConfigError, FeedbackError
from feedback.model import Admin, AgentState, Health, Outcome


def make_check(name: str = "http", **changes: object) -> CheckView:
    plain = CheckView(
        name=name, health=Health.UP, outcome=Outcome.PASS, reason="", detail="200 OK", duration_seconds=0.002
    )
    return replace(plain, **changes)


def make_destination(name: str = "rs1", **changes: object) -> DestinationView:
    plain = DestinationView(
        name=name,
        address="10.2.0.11:8080",
        health=Health.UP,
        admin=Admin.ENABLED,
        in_table=True,
        weight=87,
        base_weight=100,
        utilization=0.625,
        metrics={"cpu": 0.625, "memory": 0.25},
        agent=AgentState.CONNECTED,
        active_connections=12,
        inactive_connections=3,
        checks=(make_check(),),
        why="up; weight 87 of base 100",
    )
    return replace(plain, **changes)


def make_service(name: str = "web", *destinations: DestinationView, **changes: object) -> ServiceView:
    plain = ServiceView(
        name=name,
        address="192.0.2.10:80",
        protocol="tcp",
        scheduler="wlc",
        forwarding="masquerade",
        fallback=None,
        fallback_in_table=False,
        destinations=destinations or (make_destination(), make_destination("rs2", address="10.2.0.12:8080")),
    )
    return replace(plain, **changes)


class FakeControl:
    """Implements `Control`. Admin states change the snapshot; `failure` is raised by the next change, if it is set."""

    def __init__(self, *services: ServiceView) -> None:
        self.services = services or (make_service(),)
        self.events = EventLog(itertools.count(1_700_000_000.0).__next__)
        self.failure: FeedbackError | None = None
        self.sorrow = ""
        self.reloads = 0

    def snapshot(self) -> Snapshot:
        return Snapshot(director="lvs1", services=self.services)

    def trouble(self) -> str:
        return self.sorrow

    async def set_admin(self, service: str, destination: str, state: Admin) -> None:
        self._fail()
        if destination not in {seen.name for place in self.services for seen in place.destinations}:
            raise UnknownNameError(destination)
        self.change(service, destination, admin=state, why=f"{state} by the operator")

    async def reload(self) -> None:
        self._fail()
        self.reloads += 1

    def change(self, service: str, destination: str, **changes: object) -> None:
        """Let one destination look otherwise from now on."""
        self.services = tuple(
            replace(
                place,
                destinations=tuple(
                    replace(seen, **changes) if (place.name, seen.name) == (service, destination) else seen
                    for seen in place.destinations
                ),
            )
            for place in self.services
        )

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


BROKEN = ConfigError("director.yaml:4: director.listen: must be an address", "director.yaml:9: services: is empty")
