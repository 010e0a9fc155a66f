"""What a child hands over of the configuration that it has read."""

import os
import pickle
from collections.abc import Callable
from typing import Annotated

from feedback.agent.config import AgentConfig, MetricConfig
from feedback.agent.source import Sample, Source
from feedback.agent.sources.cpu import CpuSource
from feedback.agent.sources.network import NetworkSource
from feedback.commands.agent_start import hand_over


class OddSource(Source, name="odd_for_tests"):
    """Has an option that is no value."""

    how: Annotated[Callable[[], float], "how"] = lambda: 0.5

    async def sample(self) -> Sample:
        return Sample(self.how())


del Source.registered["odd_for_tests"]  # other tests look at all plugins that there are


def handed_over(*sources: Source) -> bytes:
    metrics = {
        source.name: MetricConfig(name=source.name, source=source, interval_seconds=1.0, timeout_seconds=2.0)
        for source in sources
    }
    readable, writable = os.pipe()
    hand_over(AgentConfig(name="rs1", directors=("ws://lvs1:8600/agent",), metrics=metrics), writable)
    with os.fdopen(readable, "rb") as pipe:
        return pipe.read()


def test_a_configuration_arrives_as_it_was() -> None:
    sources = (CpuSource(cgroup="/web"), NetworkSource(interface="eth0", capacity=1e9))
    config = pickle.loads(handed_over(*sources))
    assert isinstance(config, AgentConfig)
    assert tuple(metric.source for metric in config.metrics.values()) == sources
    assert config.directors == ("ws://lvs1:8600/agent",)


def test_of_one_with_what_is_no_value_nothing_is_handed_over() -> None:
    assert handed_over(CpuSource(), OddSource()) == b""
