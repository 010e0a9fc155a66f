import argparse
import json
from pathlib import Path

import pytest

from feedback.agent import control
from feedback.agent.control import Answer
from feedback.commands import agent
from feedback.errors import ConfigError, FeedbackError
from feedback.report import Wish

CONFIG = "agent: {{name: rs1, directors: ['ws://192.0.2.1:8600/agent'], control: {control}}}\nmetrics: {{load: {{}}}}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "agent.yaml"
    path.write_text(CONFIG.format(control=tmp_path / "agent.sock"))
    return path


@pytest.fixture(autouse=True)
def logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the process's logging alone: it is the test run's."""
    monkeypatch.setattr(agent, "configure_logging", lambda _: None)


def run(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    agent.configure(parser)
    return agent.run(parser.parse_args([str(word) for word in words]))


def answer_with(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> list[tuple[str, Wish]]:
    """Let an agent answer; return what it was asked."""
    asked: list[tuple[str, Wish]] = []

    def ask(path: str, wish: Wish) -> Answer:
        asked.append((path, wish))
        return answer

    monkeypatch.setattr(control, "ask", ask)
    return asked


def test_a_drain_that_all_directors_accepted_is_a_sentence_and_a_success(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answer_with(monkeypatch, Answer("rs1", Wish.DRAIN, ("ws://one", "ws://two")))
    assert run("--config", config, "--drain") == 0
    assert asked == [(str(config.with_name("agent.sock")), Wish.DRAIN)]
    assert capsys.readouterr().out == "rs1: drain accepted by 2 of 2 directors\n"


def test_ready_takes_it_back(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer_with(monkeypatch, Answer("rs1", Wish.READY, ("ws://one",)))
    assert run("--config", config, "--ready") == 0
    assert asked[0][1] is Wish.READY


def test_a_director_that_is_away_is_named_and_no_failure(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(monkeypatch, Answer("rs1", Wish.DRAIN, ("ws://one",), {"ws://two": "not connected"}))
    assert run("--config", config, "--drain") == 0
    assert capsys.readouterr().out == "rs1: drain accepted by 1 of 2 directors; ws://two: not connected\n"


@pytest.mark.parametrize(
    "answer",
    [
        Answer("rs1", Wish.DRAIN, (), {"ws://one": "not connected"}),
        Answer("rs1", Wish.DRAIN, ("ws://one",), {"ws://two": "no answer within 3 s"}),
        Answer("rs1", Wish.DRAIN),
    ],
)
def test_a_drain_that_a_connected_director_or_no_director_has_accepted_is_a_failure(
    config: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    answer_with(monkeypatch, answer)
    with pytest.raises(FeedbackError, match=r"; the agent keeps the wish, and says it whenever it connects$"):
        run("--config", config, "--drain")


def test_without_a_control_socket_there_is_no_drain(config: Path) -> None:
    config.write_text(CONFIG.format(control="null"))
    with pytest.raises(FeedbackError, match=r"^rs1 has no control socket: `control` in its configuration is null$"):
        run("--config", config, "--drain")


def test_a_wrong_configuration_is_refused_whatever_is_asked(config: Path) -> None:
    config.write_text("agent: 5\n")
    for words in ((), ("--once",), ("--drain",)):
        with pytest.raises(ConfigError):
            run("--config", config, *words)


def test_once_prints_one_report_as_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", config, "--once") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["type"] == "report"
    assert report["metrics"]["load"] >= 0
    assert report["failures"] == {}


@pytest.mark.parametrize("words", [("--drain", "--ready"), ("--once", "--drain")])
def test_only_one_thing_can_be_asked_for(config: Path, words: tuple[str, str]) -> None:
    with pytest.raises(SystemExit):
        run("--config", config, *words)


def test_one_source_is_tried_without_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "queue").write_text("12\n")
    assert run("--once", "--source", "file", f"path={tmp_path / 'queue'}", "limit=48", "timeout=1s") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["metrics"], report["failures"]) == ({"file": 0.25}, {})


def test_a_source_that_fails_is_a_failure_in_words_and_no_failed_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--source", "file", f"path={tmp_path / 'none'}", "limit=48", "--once") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["metrics"] == {}
    assert "No such file" in report["failures"]["file"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--once",), "feedback agent needs --config FILE, the agent's configuration; or --source NAME, to try one"),
        (("--source", "cpu"), "feedback agent tries a --source once: add --once; what runs for long needs --config"),
        (("--source", "cpu", "--drain"), "feedback agent tries a --source once"),
        (
            ("--once", "--source", "cpu", "--config", "x"),
            "feedback agent takes --config FILE or --source NAME, not both",
        ),
        (("--once", "--source", "flux"), 'there is no source "flux"; there are: apache, '),
        (("--once", "--source", "cpu", "limt=3"), "limt: unknown key; known keys: cgroup, down_above, "),
        (("--once", "--source", "cpu", "cgrop=/x"), "cgrop: unknown key; did you mean cgroup?"),
        (("--once", "--source", "cpu", "/x"), '"/x" must be an option and its value, like path=/alive'),
        (("--once", "--source", "cpu", "source=disk"), "source: stands before the options, and is cpu already"),
        (("--once", "--source", "cpu", "timeout=5"), "timeout: must have a unit, like 2s"),
        (("--once", "--source", "file"), "path: is missing: "),
        (("--once", "--source", "exec", "command=date"), 'command: must be a list, not "date"'),
    ],
)
def test_a_source_that_is_not_asked_for_as_it_must_be_is_refused_in_a_sentence(
    words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        run(*words)
    assert str(raised.value).startswith(said)
