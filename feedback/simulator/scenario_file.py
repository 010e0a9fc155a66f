"""Reads a scenario from a YAML file, with every mistake at once, as the director reads its configuration."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from feedback.config import read_yaml
from feedback.director.config import WeightsConfig
from feedback.director.config_shape import Positive, WeightsShape
from feedback.options import Duration, Name, Ratio
from feedback.reader import Refused, child, complete, read, read_class
from feedback.simulator.scenario import Amount, Distribution, Event, Kind, Reports, Scenario, ServerSpec, Stream
from feedback.tree import Node, Problems

Speed = Annotated[float, msgspec.Meta(gt=0, le=1000)]


class ServerShape(msgspec.Struct, frozen=True, kw_only=True):
    """A realserver in its long form; the short form is its speed."""

    speed: Annotated[Speed, "seconds of work that it does in a second"] = 1.0
    cores: Annotated[int, msgspec.Meta(ge=1, le=1024), "requests that share it before each gets less"] = 1
    background: Annotated[Ratio, "share that other work takes of it"] = 0.0
    weight: Annotated[int, msgspec.Meta(ge=1, le=65535), "its base weight"] = 100


class TimeShape(msgspec.Struct, frozen=True, kw_only=True):
    """A random time in its long form; the short form is its mean."""

    mean: Positive
    distribution: Distribution = "exponential"
    shape: Annotated[float, msgspec.Meta(gt=0, le=10), "sigma of lognormal, alpha of pareto (above 1)"] = 1.5

    def __post_init__(self) -> None:
        if self.distribution == "pareto" and self.shape <= 1:
            raise ValueError("shape: must be above 1 for pareto, or the mean is infinite")


class CountShape(msgspec.Struct, frozen=True, kw_only=True):
    """A random number in its long form; the short form is its mean."""

    mean: Annotated[float, msgspec.Meta(ge=1)]
    distribution: Distribution = "exponential"
    shape: Annotated[float, msgspec.Meta(gt=0, le=10)] = 1.5


Time = Positive | TimeShape
Count = Annotated[float, msgspec.Meta(ge=1)] | CountShape


class StreamShape(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of client."""

    kind: Annotated[Kind, "one request, a session of several, or a connection that lasts"] = "request"
    share: Annotated[float, msgspec.Meta(gt=0), "of the load, against the other streams'"] = 1.0
    work: Annotated[Time, "of one request, on a server of speed 1"] = TimeShape(
        mean=0.03, distribution="lognormal", shape=1.0
    )
    requests: Annotated[Count, "of a session"] = 20.0
    pause: Annotated[Time, "between a session's requests"] = 1.0
    lasts: Annotated[Time, "how long a connection does"] = 60.0
    demand: Annotated[float, msgspec.Meta(gt=0, le=10), "speed that a connection takes while it lasts"] = 0.01


class ReportsShape(msgspec.Struct, frozen=True, kw_only=True):
    """How agents report."""

    interval: Positive = 1.0
    delay: Duration = 0.05
    loss: Ratio = 0.0
    noise: Annotated[Ratio, "standard deviation of the reported utilization"] = 0.0


class EventShape(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happens."""

    at: Duration
    server: Name | None = None
    speed: Speed | None = None
    background: Ratio | None = None
    alive: bool | None = None
    reports: bool | None = None
    load: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None


class FileShape(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    scheduler: Annotated[Literal["rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "mh"], "the kernel's"] = "wlc"
    load: Annotated[float, msgspec.Meta(gt=0, le=10), "of what the servers can do"] = 0.6
    servers: Annotated[dict[Name, Node], "the realservers by name, like rs1: {speed: 2}"]
    clients: dict[Name, StreamShape] = {}
    weights: WeightsShape = WeightsShape()
    reports: ReportsShape = ReportsShape()
    events: tuple[EventShape, ...] = ()
    warm_up: Duration = 120.0
    duration: Positive = 600.0
    seed: int = 1


def load_scenario(path: str | Path) -> Scenario:
    """Read the file. Raises ConfigError with one line for each thing that is wrong in it."""
    root, problems = read_yaml(path)
    return complete(problems, lambda: _read_scenario(Path(path).stem, root, problems))


def _read_scenario(name: str, root: Node, problems: Problems) -> Scenario:
    file = read_class(FileShape, root, problems)
    servers = _read_servers(file, problems)
    if not servers and problems.none_at("servers"):
        problems.add(child(root, "servers"), "must have at least one server")
    _check_events(file, child(root, "events"), problems)
    clients = file.clients or {"requests": StreamShape()}
    return Scenario(
        name=name,
        scheduler=file.scheduler,
        servers=servers,
        streams={stream: _stream(shape) for stream, shape in clients.items()},
        load_ratio=file.load,
        weights=_weights(file.weights),
        reports=Reports(
            interval_seconds=file.reports.interval,
            delay_seconds=file.reports.delay,
            loss_ratio=file.reports.loss,
            noise=file.reports.noise,
        ),
        events=tuple(_event(event) for event in file.events),
        warm_up_seconds=file.warm_up,
        duration_seconds=file.duration,
        seed=file.seed,
    )


def _read_servers(file: FileShape, problems: Problems) -> dict[str, ServerSpec]:
    servers: dict[str, ServerSpec] = {}
    for name, node in file.servers.items():
        try:
            long = isinstance(node.value, dict)
            shape = read_class(ServerShape, node, problems) if long else ServerShape(speed=read(Speed, node, problems))
        except Refused:
            continue
        servers[name] = ServerSpec(
            speed=shape.speed, cores=shape.cores, background_ratio=shape.background, base_weight=shape.weight
        )
    return servers


def _check_events(file: FileShape, node: Node, problems: Problems) -> None:
    for index, event in enumerate(file.events):
        place = node.value[index] if isinstance(node.value, tuple) and index < len(node.value) else node
        if event.server is not None and event.server not in file.servers:
            problems.add(child(place, "server"), f"must be one of {', '.join(file.servers)}")
        if event.server is None and event.load is None:
            problems.add(place, "must name a server, or the load")


def _stream(shape: StreamShape) -> Stream:
    return Stream(
        kind=shape.kind,
        share=shape.share,
        work=_amount(shape.work),
        requests=_amount(shape.requests),
        pause=_amount(shape.pause),
        duration=_amount(shape.lasts),
        demand=shape.demand,
    )


def _amount(given: float | TimeShape | CountShape) -> Amount:
    if isinstance(given, TimeShape | CountShape):
        return Amount(mean=given.mean, distribution=given.distribution, shape=given.shape)
    return Amount(mean=given)


def _event(shape: EventShape) -> Event:
    return Event(
        at_seconds=shape.at,
        server=shape.server,
        speed=shape.speed,
        background_ratio=shape.background,
        alive=shape.alive,
        reports=shape.reports,
        load_ratio=shape.load,
    )


def _weights(shape: WeightsShape) -> WeightsConfig:
    """Return the settings of a service's weights, as director.yaml has them."""
    default = WeightsConfig()
    return WeightsConfig(
        policy=shape.policy or "equalize",
        response_seconds=shape.response or default.response_seconds,
        floor_ratio=shape.floor or default.floor_ratio,
        ceiling_ratio=shape.ceiling or default.ceiling_ratio,
        slow_start_seconds=shape.slow_start or default.slow_start_seconds,
    )
