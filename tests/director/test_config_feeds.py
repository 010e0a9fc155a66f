"""The section `agents` of director.yaml, and what is refused of it in which words."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from feedback.director.config import DirectorConfig
from feedback.director.config_file import load_director_config
from feedback.director.feeds.agent_check import AgentCheckFeed
from feedback.director.feeds.feed import FeedConfig
from feedback.director.feeds.rstatd import RstatdFeed
from feedback.errors import ConfigError
from feedback.model import Endpoint

Load = Callable[[str], DirectorConfig]

SERVICES = """\
services:
  web:
    address: 192.0.2.10:80
    destinations: {rs1: "10.2.0.11:80", rs2: {address: "10.2.0.12:80", agent: host2}}
  mail:
    address: 192.0.2.10:25
    destinations: {rs1: "10.2.0.11:25", other: {address: "10.2.0.13:25", agent: host2}}
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return a function that reads a text behind the services, as director.yaml of the working directory."""
    monkeypatch.chdir(tmp_path)

    def read(text: str) -> DirectorConfig:
        Path("director.yaml").write_text(SERVICES + dedent(text))
        return load_director_config("director.yaml")

    return read


def test_hosts_are_asked_at_the_address_of_their_destinations(load: Load) -> None:
    config = load("""\
        agents:
          rs1: {agent_check: {port: 5000, send: "rs1", interval: 2s, timeout: 500ms}}
          host2: {rstatd: {address: 10.2.0.99}}
    """)
    assert config.feeds == {
        "rs1": FeedConfig(
            agent="rs1",
            feed=AgentCheckFeed(port=5000, send="rs1"),
            endpoint=Endpoint("10.2.0.11", 5000),
            interval_seconds=2.0,
            timeout_seconds=0.5,
        ),
        "host2": FeedConfig(
            agent="host2",
            feed=RstatdFeed(address="10.2.0.99"),
            endpoint=Endpoint("10.2.0.99", 111),
            interval_seconds=1.0,
            timeout_seconds=3.0,
        ),
    }


def test_nobody_is_asked_unless_the_file_says_so(load: Load) -> None:
    assert load("").feeds == {}


@pytest.mark.parametrize(
    ("agent", "problem"),
    [
        ("rs1:", "agents.rs1: must be one way to ask this host, like agent_check: {port: 5000}"),
        (
            "rs1: {rstatd: {}, agent_check: {port: 5000}}",
            "agents.rs1: must be one way to ask this host, like agent_check: {port: 5000}",
        ),
        ("rs1: {agent_check: {}}", "agents.rs1.agent_check.port: is missing: port on which the agent answers"),
        (
            "rs1: {agentcheck: {}}",
            'agents.rs1.agentcheck: there is no feed "agentcheck"; there are: agent_check, orca, rstatd, snmp, ssh',
        ),
        ("rs1: {rstatd: {intervall: 1s}}", "agents.rs1.rstatd.intervall: unknown key; did you mean interval?"),
        ("rs1: {rstatd: {interval: 10ms}}", 'agents.rs1.rstatd.interval: must be from 100ms to 1h, not "10ms"'),
        ("rs9: {rstatd: {}}", "agents.rs9: no destination names the agent rs9"),
        (
            "host2: {rstatd: {}}",
            "agents.host2.rstatd.address: must say which: the destinations of this agent are at 10.2.0.12, 10.2.0.13",
        ),
        (
            "rs1: {ssh: {user: a, key_file: /nowhere, known_hosts: /nowhere}}",
            "agents.rs1.ssh.key_file: /nowhere can't be read: No such file or directory",
        ),
    ],
)
def test_what_is_wrong_with_a_feed_is_said_where_it_stands(load: Load, agent: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(f"agents:\n  {agent}\n")
    assert error.value.problems == (f"director.yaml:9: {problem}",)
