from pathlib import Path

import pytest

from feedback.errors import ConfigError
from feedback.simulator.scenario import Amount, Event, Reports, ServerSpec, Stream
from feedback.simulator.scenario_file import load_scenario

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "simulate").glob("*.yaml"))


def problems_of(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "lab.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_scenario(file)
    return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_read(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.name == path.stem
    assert len(scenario.servers) >= 4


def test_a_scenario_needs_nothing_but_servers(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text("servers: {a: 1, b: 2.5}")
    scenario = load_scenario(file)
    assert scenario.servers == {"a": ServerSpec(speed=1.0), "b": ServerSpec(speed=2.5)}
    assert scenario.streams == {"requests": Stream()}
    assert (scenario.name, scenario.scheduler, scenario.load_ratio) == ("small", "wlc", 0.6)
    assert (scenario.weights.policy, scenario.weights.response_seconds) == ("equalize", 10.0)
    assert scenario.reports == Reports()


def test_everything_that_can_be_said_is_read(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(
        """
scheduler: wrr
load: 0.9
servers: {a: {speed: 2, cores: 4, background: 0.25, weight: 50}}
clients:
  short: {work: 5ms, share: 2}
  chats: {kind: connection, lasts: {mean: 1h, distribution: pareto, shape: 2}, demand: 0.05}
  users: {kind: session, requests: {mean: 7, distribution: fixed}, pause: 3s}
weights: {policy: availability, response: 30s, floor: 0.1, ceiling: 5, slow_start: 1m}
reports: {interval: 2s, delay: 1s, loss: 0.1, noise: 0.05}
events:
  - {at: 5m, server: a, speed: 1, background: 0.5, alive: false, reports: false}
  - {at: 6m, load: 1.2}
warm_up: 1m
duration: 1h
seed: 5
"""
    )
    scenario = load_scenario(file)
    assert scenario.servers["a"] == ServerSpec(speed=2.0, cores=4, background_ratio=0.25, base_weight=50)
    assert scenario.streams["short"].work == Amount(mean=0.005)
    assert scenario.streams["short"].share == 2.0
    assert scenario.streams["chats"].duration == Amount(mean=3600.0, distribution="pareto", shape=2.0)
    assert scenario.streams["users"].requests == Amount(mean=7.0, distribution="fixed", shape=1.5)
    assert scenario.streams["users"].pause == Amount(mean=3.0)
    assert scenario.weights.slow_start_seconds == 60.0
    assert (scenario.weights.floor_ratio, scenario.weights.ceiling_ratio) == (0.1, 5.0)
    assert scenario.reports == Reports(interval_seconds=2.0, delay_seconds=1.0, loss_ratio=0.1, noise=0.05)
    assert scenario.events == (
        Event(at_seconds=300.0, server="a", speed=1.0, background_ratio=0.5, alive=False, reports=False),
        Event(at_seconds=360.0, load_ratio=1.2),
    )
    assert (scenario.warm_up_seconds, scenario.duration_seconds, scenario.seed) == (60.0, 3600.0, 5)


def test_every_mistake_is_named_with_its_place(tmp_path: Path) -> None:
    text = """\
scheduler: fifo
servers:
  a: fast
  b: {sped: 2}
  c: 1
clients:
  x: {work: {mean: 1s, distribution: pareto, shape: 1}}
events:
  - {at: 1m, server: z}
  - {at: 2m}
"""
    assert problems_of(tmp_path, text) == [
        'lab.yaml:1: scheduler: must be rr, wrr, lc, wlc, sed, nq, sh or mh, not "fifo"',
        'lab.yaml:3: servers.a: must be a number, not "fast"',
        "lab.yaml:4: servers.b.sped: unknown key; did you mean speed?",
        "lab.yaml:7: clients.x.work.shape: must be above 1 for pareto, or the mean is infinite",
        "lab.yaml:9: events[0].server: must be one of a, b, c",
        "lab.yaml:10: events[1]: must name a server, or the load",
    ]


def test_a_cluster_has_at_least_one_server(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "servers: {}") == ["lab.yaml:1: servers: must have at least one server"]
    assert problems_of(tmp_path, "load: 0.5") == [
        "lab.yaml:1: servers: is missing: the realservers by name, like rs1: {speed: 2}"
    ]
