"""Reads agent.yaml."""

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec

from feedback.agent.config import AgentCheckConfig, AgentConfig, MetricConfig
from feedback.agent.config_tls import TlsShape, read_tls
from feedback.agent.config_watches import Above, Limit, read_thresholds, read_watch
from feedback.agent.url import parse_director_url
from feedback.config import parse_arguments, read_yaml
from feedback.model import Endpoint
from feedback.options import Duration, Name, Unit
from feedback.reader import Refused, child, complete, read_class, read_part, read_plugin
from feedback.registry import SOURCES
from feedback.report import MAX_METRICS, HostState
from feedback.token_file import read_token
from feedback.tree import Node, Problems

CONTROL_SOCKET = "/run/feedback/agent.sock"


def _parse_url(value: object) -> str:
    text = str(value)
    if parse_director_url(text).target == "/":
        raise ValueError(f'"{text}" has no path: write it like ws://192.0.2.1:8600/agent')
    return text


Interval = Annotated[Duration, msgspec.Meta(ge=0.05, le=3600)]
Url = Annotated[str, Unit("URL", _parse_url)]
EndpointField = Annotated[Endpoint, Unit("address and port", lambda value: Endpoint.parse(str(value)))]


class _Agent(msgspec.Struct, frozen=True, kw_only=True):
    """The section `agent`."""

    name: Name | None = None
    directors: tuple[Url, ...] = ()
    interval: Interval = 1.0
    control: str | None = CONTROL_SOCKET
    token_file: str | None = None
    tls: TlsShape | None = None


class _AgentCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The section `agent_check`."""

    listen: Annotated[EndpointField, "where to answer, like 0.0.0.0:5000"]
    load: dict[Name, Annotated[float, msgspec.Meta(gt=0)]] = {}


class _Prometheus(msgspec.Struct, frozen=True, kw_only=True):
    """The section `prometheus`."""

    listen: Annotated[EndpointField, "where Prometheus reads /metrics, like 10.2.0.11:9101"]


class _File(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    agent: _Agent = _Agent()
    agent_check: _AgentCheck | None = None
    prometheus: _Prometheus | None = None
    metrics: Annotated[dict[Name, Node], "what to report, like cpu: {}"]
    watches: dict[Name, Node] = {}


class _Metric(msgspec.Struct, frozen=True, kw_only=True):
    """What stands among a metric's options besides those of its source."""

    source: str | None = None
    interval: Interval | None = None
    timeout: Annotated[Duration, msgspec.Meta(ge=0.01, le=3600)] = 2.0
    from_: Annotated[float, msgspec.Meta(ge=0, lt=1)] = msgspec.field(name="from", default=0.0)
    drain_above: Above | Limit | None = None
    down_above: Above | Limit | None = None


def load_agent_config(path: str | Path) -> AgentConfig:
    """Read the file. Raises ConfigError with one line for each thing that is wrong in it."""
    root, problems = read_yaml(path)
    return complete(problems, lambda: _read_file(root, problems))


def source_config(source: str, arguments: Iterable[str]) -> AgentConfig:
    """Return the configuration of an agent that knows one metric, called like its source, and no director.

    The arguments are the metric's `key=value` words. Raises ConfigError with one line for each thing that is wrong.
    """
    problems = Problems()
    node = parse_arguments(arguments, problems)
    if child(node, "source").value is not None:
        problems.add(child(node, "source"), f"stands before the options, and is {source} already")
    metric = complete(problems, lambda: _read_metric(source, node, _Agent(), problems))
    return AgentConfig(name=socket.gethostname(), directors=(), metrics={source: metric} if metric else {})


def _read_file(root: Node, problems: Problems) -> AgentConfig:
    file = read_class(_File, root, problems)
    agent, node = file.agent, child(root, "agent")
    check, prometheus = file.agent_check, file.prometheus
    _check_directors(agent.directors, child(node, "directors"), problems, needed=check is None and prometheus is None)
    if len(file.metrics) + len(file.watches) > MAX_METRICS:
        together = f"{len(file.metrics)}{f' and {len(file.watches)} watches' if file.watches else ''}"
        problems.add(child(root, "metrics"), f"must be at most {MAX_METRICS}, and are {together}")
    watches = [read_watch(name, watch, problems) for name, watch in file.watches.items()]
    metrics = [_read_metric(name, metric, agent, problems) for name, metric in file.metrics.items()]
    return AgentConfig(
        name=agent.name or socket.gethostname(),
        directors=agent.directors,
        interval_seconds=agent.interval,
        control=agent.control,
        token=read_token(child(node, "token_file"), problems),
        tls=read_tls(agent.tls, agent.directors, node, problems),
        agent_check=AgentCheckConfig(listen=check.listen, load=check.load) if check is not None else None,
        prometheus=prometheus.listen if prometheus is not None else None,
        metrics={metric.name: metric for metric in metrics if metric},
        watches=tuple(watch for watch in watches if watch),
    )


def _check_directors(directors: tuple[str, ...], node: Node, problems: Problems, *, needed: bool) -> None:
    if not problems.none_at(node.path):
        return
    if not directors and needed:
        problems.add(node, "must have at least one URL, like ws://192.0.2.1:8600/agent")
    elif len(set(directors)) < len(directors):
        problems.add(node, "has one URL twice")


def _read_metric(name: str, node: Node, agent: _Agent, problems: Problems) -> MetricConfig | None:
    try:
        metric = read_part(_Metric, node, problems)
        source = read_plugin(SOURCES.get, metric.source or name, node, problems, beside=_Metric)
    except Refused:
        return None
    interval = metric.interval or agent.interval
    limits = {HostState.DRAIN: metric.drain_above, HostState.DOWN: metric.down_above}
    return MetricConfig(
        name=name,
        source=source,
        interval_seconds=interval,
        timeout_seconds=metric.timeout,
        from_ratio=metric.from_,
        thresholds=read_thresholds(name, interval, limits, node, problems),
    )
