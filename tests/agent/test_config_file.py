"""agent.yaml as frozen values, and what is refused in which words."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from feedback.agent.acting import Trigger
from feedback.agent.config import AgentCheckConfig, AgentConfig
from feedback.agent.config_file import load_agent_config
from feedback.errors import ConfigError
from feedback.model import Endpoint
from feedback.registry import SOURCES
from feedback.report import HostState
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


def test_what_acts_is_read(load: Load) -> None:
    config = load(
        AGENT
        + """\
metrics:
  cpu: {source: waiting, path: /a, from: 0.5, drain_above: 0.8}
  queue: {source: waiting, path: /a, interval: 1m, down_above: {above: 2, below: 1, for: 10s}}
watches:
  http: {listener: 8080}
  nginx: {unit: nginx.service, hold: 0s}
  psi: {pressure: {resource: io, kind: full, stall: 1s, window: 4s}}
  flag: {file: /run/maintenance, then: down}
"""
    )
    cpu, queue = config.metrics.values()
    (drain,), (down,) = cpu.thresholds, queue.thresholds
    assert (cpu.from_ratio, drain.above) == (0.5, 0.8)
    assert drain.below == pytest.approx(0.72)
    assert drain.trigger == Trigger(name="cpu", then=HostState.DRAIN, after_seconds=3, hold_seconds=3)
    assert (queue.from_ratio, down.above, down.below) == (0.0, 2.0, 1.0)
    assert down.trigger == Trigger(
        name="queue", then=HostState.DOWN, after_seconds=10, hold_seconds=10, let_go_seconds=180
    )
    assert [watch.trigger for watch in config.watches] == [
        Trigger(name="http", then=HostState.DOWN, hold_seconds=3, confirmed=True),
        Trigger(name="nginx", then=HostState.DOWN, confirmed=True),
        Trigger(name="psi", then=HostState.DRAIN, hold_seconds=3),
        Trigger(name="flag", then=HostState.DOWN, hold_seconds=3),
    ]
    assert [type(watch.watch).__name__ for watch in config.watches] == [
        "ListenerWatch",
        "UnitWatch",
        "PressureWatch",
        "FlagWatch",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "http: must have one of listener, unit, pressure, file, and has none"),
        (
            "{listener: 80, unit: nginx.service}",
            "http: must have one of listener, unit, pressure, file, and has listener and unit",
        ),
        ("{listener: 80000}", "http.listener: must be a port, from 1 to 65535"),
        ("{listen: 80}", "http.listen: unknown key; did you mean listener?"),
        ("{listener: 80, then: remove}", 'http.then: must be drain or down, not "remove"'),
        ("{unit: nginx}", 'http.unit: must be a unit, like nginx.service, not "nginx"'),
        ("{unit: ../x.service}", 'http.unit: must be a unit, like nginx.service, not "../x.service"'),
        (
            "{file: maintenance}",
            'http.file: must be the absolute path of a file, like /run/maintenance, not "maintenance"',
        ),
        ("{file: /run/}", 'http.file: must be the absolute path of a file, like /run/maintenance, not "/run/"'),
        ("{pressure: {resource: memory, stall: 2s}}", "http.pressure: stall must be shorter than window"),
        ("{pressure: {}}", "http.pressure.resource: is missing: memory, cpu or io"),
        ("{pressure: {resource: disk}}", 'http.pressure.resource: must be memory, cpu or io, not "disk"'),
    ],
)
def test_what_is_wrong_with_a_watch_is_told(load: Load, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(f"{AGENT}metrics: {{}}\nwatches: {{http: {text}}}")
    assert str(raised.value) == f"agent.yaml:3: watches.{problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("from: 1", "from: must be at least 0 and less than 1, not 1"),
        ("drain_above: 0", "drain_above: must be more than 0 and at most 1000000.0, not 0"),
        ("drain_above: {below: 0.5}", "drain_above.above: is missing: the ratio from which on it acts"),
        (
            "down_above: {above: 0.5, below: 0.6}",
            "down_above.below: must be at most 0.5, which `above` is, not 0.6",
        ),
        ("drain_above: {above: 0.5, for: 3}", "drain_above.for: must have a unit, like 2s"),
    ],
)
def test_what_is_wrong_with_a_threshold_is_told(load: Load, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(f"{AGENT}metrics: {{cpu: {{source: waiting, path: /a, {text}}}}}")
    assert str(raised.value) == f"agent.yaml:2: metrics.cpu.{problem}"


def test_watches_count_among_what_a_report_holds(load: Load) -> None:
    metrics = "".join(f"  m{number}: {{source: waiting, path: /a}}\n" for number in range(256))
    with pytest.raises(ConfigError) as raised:
        load(f"{AGENT}metrics:\n{metrics}watches: {{http: {{listener: 80}}}}")
    assert str(raised.value) == "agent.yaml:2: metrics: must be at most 256, and are 256 and 1 watches"


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
