"""The agent's configuration as frozen values. `feedback.agent.config_file` reads them from a file."""

from collections.abc import Mapping

import msgspec

from feedback.agent.acting import Threshold, Trigger
from feedback.agent.source import Source
from feedback.agent.watches.watch import Watch
from feedback.model import Endpoint
from feedback.secret import Secret


class MetricConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One metric: its name in reports, and the source that samples it.

    from_ratio: what is below it counts as idle, and from there to 1 it rises to 1. thresholds: where it acts.
    """

    name: str
    source: Source
    interval_seconds: float
    timeout_seconds: float
    from_ratio: float = 0.0
    thresholds: tuple[Threshold, ...] = ()


class WatchConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is watched, and what is done when it goes wrong."""

    trigger: Trigger
    watch: Watch


class AgentCheckConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where to answer as HAProxy's agent-check asks, and which metrics with which factors are the utilization."""

    listen: Endpoint
    load: Mapping[str, float] = {}


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Where the certificate, its key and the trusted authorities are. None: none to show, and the system's authorities.

    `renews`: a director may put a new certificate in the old one's place.
    """

    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    renews: bool = False


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    name: str
    directors: tuple[str, ...]
    interval_seconds: float = 1.0
    control: str | None = None  # path of the Unix socket that `feedback agent --drain` speaks to
    token: Secret | None = None  # read from token_file
    tls: TlsFiles | None = None  # for wss://
    agent_check: AgentCheckConfig | None = None
    prometheus: Endpoint | None = None  # where it may read /metrics
    metrics: Mapping[str, MetricConfig]
    watches: tuple[WatchConfig, ...] = ()
