"""agent.yaml as frozen values, and what is refused in which words."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from feedback.agent.config import AgentCheckConfig, AgentConfig
from feedback.agent.config_file import load_agent_config
from feedback.errors import ConfigError
from feedback.model import Endpoint
from feedback.registry import SOURCES
from feedback.secret import Secret
from tests import made_up

Load = Callable[[str], AgentConfig]

AGENT = 'agent: {directors: ["ws://10.2.0.1:8600/agent"]}\n'
DIRECTOR = "ws://10.2.0.1:8600/agent"
METRICS = """\
metrics:
  waiting:
  a b: {}
  two: {source: waiting, path: 5, intervall: 2s}
  three: {source: waiting, path: a, timeout: 2}
"""


@pytest.fixture(autouse=True)
def plugins() -> Iterator[None]:
    with made_up.plugins():
        yield


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return a function that loads a text as agent.yaml of the working directory."""
    monkeypatch.chdir(tmp_path)

    def read(text: str) -> AgentConfig:
        Path("agent.yaml").write_text(dedent(text))
        return load_agent_config("agent.yaml")

    return read


def test_everything_is_read(load: Load, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    token.chmod(0o600)
    config = load(f"""\
        agent:
          name: rs1
          directors: [{DIRECTOR}, "ws://[2001:db8::1]:8600/agent"]
          interval: 500ms
          control: /run/other.sock
          token_file: {token}
        metrics:
          waiting: {{path: /spool}}
          queue.mail: {{source: waiting, path: /mail, limit: 2000, interval: 5s, timeout: 1s}}
        """)
    assert (config.name, config.interval_seconds) == ("rs1", 0.5)
    assert config.directors == (DIRECTOR, "ws://[2001:db8::1]:8600/agent")
    assert (config.control, config.token) == ("/run/other.sock", Secret("0123456789abcdef"))
    waiting, mail = config.metrics.values()
    source: Any = mail.source
    assert (waiting.name, waiting.interval_seconds, waiting.timeout_seconds) == ("waiting", 0.5, 2.0)
    assert (mail.name, mail.interval_seconds, mail.timeout_seconds) == ("queue.mail", 5.0, 1.0)
    assert (type(source).name, source.path, source.limit) == ("waiting", "/mail", 2000.0)


def test_defaults_are_those_of_the_documentation(load: Load) -> None:
    config = load(AGENT + "metrics:")
    assert (config.name, config.interval_seconds) == (socket.gethostname(), 1.0)
    assert (config.control, config.token, config.metrics) == ("/run/feedback/agent.sock", None, {})


def test_the_control_socket_can_be_left_out(load: Load) -> None:
    assert load(AGENT.replace("}", ", control: null}") + "metrics: {}").control is None


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("metrics: {}", ["agent.yaml:1: agent.directors: must have at least one URL, like ws://192.0.2.1:8600/agent"]),
        (AGENT, ["agent.yaml:1: metrics: is missing: what to report, like cpu: {}"]),
        (
            f"agent: {{directors: [{DIRECTOR}, {DIRECTOR}]}}\nmetrics: {{}}",
            ["agent.yaml:1: agent.directors: has one URL twice"],
        ),
        (
            "agent: {directors: [http://10.2.0.1/agent, ws://10.2.0.1:8600]}\nmetrics: {}",
            [
                'agent.yaml:1: agent.directors[0]: "http://10.2.0.1/agent" must be the URL of a director, like ws://192.0.2.1:8600/agent',
                'agent.yaml:1: agent.directors[1]: "ws://10.2.0.1:8600" has no path: write it like ws://192.0.2.1:8600/agent',
            ],
        ),
        (
            AGENT.replace("}", ", interval: 10ms, token_file: /no/token, nmae: rs1}") + "metrics: {}",
            [
                "agent.yaml:1: agent.nmae: unknown key; did you mean name?",
                'agent.yaml:1: agent.interval: must be from 50ms to 1h, not "10ms"',
                "agent.yaml:1: agent.token_file: /no/token can't be read: No such file or directory",
            ],
        ),
        (
            AGENT + METRICS,
            [
                "agent.yaml:3: metrics.waiting.path: is missing: where they wait",
                'agent.yaml:4: metrics.a b: must be a name: letters, digits, ".", "_" and "-", at most 128',
                "agent.yaml:5: metrics.two.intervall: unknown key; did you mean interval?",
                "agent.yaml:5: metrics.two.path: must be text, not 5; put it in quotes",
                "agent.yaml:6: metrics.three.timeout: must have a unit, like 2s",
            ],
        ),
    ],
)
def test_everything_wrong_is_told_at_once(load: Load, text: str, problems: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        load(text)
    assert list(raised.value.problems) == problems


def test_an_unknown_source_is_answered_with_the_known_ones(load: Load) -> None:
    with pytest.raises(ConfigError) as raised:
        load(AGENT + "metrics: {nothing: {}}")
    known = ", ".join(SOURCES.all())
    assert str(raised.value) == f'agent.yaml:2: metrics.nothing: there is no source "nothing"; there are: {known}'


def test_there_are_no_more_metrics_than_a_report_holds(load: Load) -> None:
    metrics = "".join(f"  m{number}: {{source: waiting, path: /a}}\n" for number in range(257))
    with pytest.raises(ConfigError) as raised:
        load(f"{AGENT}metrics:\n{metrics}")
    assert str(raised.value) == "agent.yaml:2: metrics: must be at most 256, and are 257"


def test_ports_to_answer_on_are_read_and_stand_in_for_directors(load: Load) -> None:
    config = load("""\
        agent_check: {listen: "0.0.0.0:5000", load: {waiting: 0.5}}
        prometheus: {listen: "[::1]:9101"}
        metrics: {waiting: {path: a}}
    """)
    assert config.directors == ()
    assert config.agent_check == AgentCheckConfig(listen=Endpoint("0.0.0.0", 5000), load={"waiting": 0.5})
    assert config.prometheus == Endpoint("::1", 9101)


def test_no_port_is_answered_on_unless_it_is_asked_for(load: Load) -> None:
    config = load(AGENT + "metrics: {waiting: {path: a}}")
    assert config.agent_check is None
    assert config.prometheus is None


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("agent_check: {}", "agent_check.listen: is missing: where to answer, like 0.0.0.0:5000"),
        (
            "agent_check: {listen: 5000}",
            'agent_check.listen: "5000" must be an IP address and a port, like 192.0.2.10:80 or [2001:db8::10]:80',
        ),
        ("prometheus: {}", "prometheus.listen: is missing: where Prometheus reads /metrics, like 10.2.0.11:9101"),
    ],
)
def test_ports_to_answer_on_are_checked(load: Load, section: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(AGENT + "metrics: {waiting: {path: a}}\n" + section)
    assert error.value.problems == (f"agent.yaml:3: {problem}",)
