import json
import sys
from pathlib import Path

import pytest

from feedback.cli import main

SMALL = """\
scheduler: wrr
servers: {a: 1, b: 2}
warm_up: 10s
duration: 20s
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    return str(file)


def test_policies_are_shown_side_by_side(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", scenario, "--policy", "static", "--policy", "wensong"]) == 0
    title, blank, head, *rows = capsys.readouterr().out.splitlines()
    assert title == "small: 2 servers, wrr, load 0.6, 20 s after a warm-up of 10 s"
    assert blank == ""
    assert head.startswith("policy")
    assert [row.split()[0] for row in rows] == ["static", "wensong"]


def test_the_result_is_json_on_demand_and_the_same_every_time(
    scenario: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", scenario, "--policy", "equalize", "--json"]
    assert main([*words, "--seed", "7", "--load", "0.3", "--scheduler", "rr"]) == 0
    first = capsys.readouterr().out
    told = json.loads(first)
    assert told["scenario"]["seed"] == 7
    assert told["scenario"]["load_ratio"] == 0.3
    assert told["scenario"]["scheduler"] == "rr"
    (figures,) = told["policies"]
    assert figures["policy"] == "equalize"
    assert set(figures["utilization"]) == {"a", "b"}
    assert main([*words, "--seed", "7", "--load", "0.3", "--scheduler", "rr"]) == 0
    assert capsys.readouterr().out == first


def test_pictures_are_written_where_one_says(scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", scenario, "--policy", "static", "--plots", str(tmp_path / "plots")]) == 0
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["response-times.png", "static.png"]
    assert str(tmp_path / "plots" / "static.png") in capsys.readouterr().err


def test_without_matplotlib_the_extra_is_named(
    scenario: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "feedback.simulator.plots", None)
    assert main(["simulate", scenario, "--policy", "static", "--plots", str(tmp_path)]) == 1
    assert "--plots needs the plots extra: pip install 'lvs-feedback[plots]'" in capsys.readouterr().err


def test_an_unknown_policy_and_a_wrong_scenario_are_refused(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", scenario, "--policy", "magic"]) == 1
    assert 'feedback simulate: there is no policy "magic"; there are: ' in capsys.readouterr().err
    (tmp_path / "bad.yaml").write_text("servers: {}")
    assert main(["simulate", str(tmp_path / "bad.yaml")]) == 2
    assert "servers: must have at least one server" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--scheduler", "fifo"], ["--load", "0"], ["--load", "-1"], ["--load", "many"]])
def test_wrong_usage_is_refused(scenario: str, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["simulate", scenario, *words])
    assert caught.value.code == 2


def test_a_terminal_shows_what_is_at_work(
    scenario: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["simulate", scenario, "--policy", "static"]) == 0
    assert capsys.readouterr().err == "\r\033[Kstatic ...\r\033[K"
