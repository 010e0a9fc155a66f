"""The agent's configuration as frozen values. `feedback.agent.config_file` reads them from a file."""

from collections.abc import Mapping

import msgspec

from feedback.agent.source import Source
from feedback.secret import Secret


class MetricConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One metric: its name in reports, and the source that samples it."""

    name: str
    source: Source
    interval_seconds: float
    timeout_seconds: float


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    name: str
    directors: tuple[str, ...]
    interval_seconds: float = 1.0
    control: str | None = None  # path of the Unix socket that `feedback agent --drain` speaks to
    token: Secret | None = None  # read from token_file
    metrics: Mapping[str, MetricConfig]
