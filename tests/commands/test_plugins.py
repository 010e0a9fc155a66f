"""`feedback plugins`: what there is, and with what options."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback.agent.config_file import load_agent_config
from feedback.agent.config_watches import KINDS
from feedback.agent.source import Sample, Source
from feedback.cli import main
from feedback.commands.plugins import WATCHES, Description, as_text, watches
from feedback.options import Option
from feedback.registry import CHECKS, SOURCES
from tests import made_up

UNTOLD = Option(name="size", type="number", required=False, default="none", doc="")


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "80")
    with made_up.plugins():
        yield


def test_one_plugin_is_shown_with_all_it_says_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "waiting"]) == 0
    assert capsys.readouterr().out == (
        "source waiting (from module tests.made_up)\n"
        "  How many wait.\n"
        "    path   text    (required)  where they wait\n"
        "    limit  number  100         how many are too many\n"
    )
    assert main(["plugins", "page"]) == 0
    assert capsys.readouterr().out.startswith(
        "check page (from module tests.made_up)\n  Pass when a page comes.\n\n  A second paragraph.\n\n    port"
    )


def test_all_plugins_are_listed_by_kind_with_their_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if line and not line.startswith(" ")]
    assert {"check tcp", "source cpu", "policy static"} <= set(heads)
    own = {"check page", "check knock", "source waiting", "policy moody"}
    assert {f"{head} (from module tests.made_up)" for head in own} <= set(heads)
    kinds = [head.split()[0] for head in heads]
    assert kinds == sorted(kinds, key=["check", "every", "source", "policy", "feed", "watch"].index)
    assert {"every check", "feed ssh", "feed orca", "watch listener", "watch file"} <= set(heads)
    main(["plugins"])
    assert "A second paragraph." not in capsys.readouterr().out


def test_the_same_is_there_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "waiting", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "plugins": [
            {
                "kind": "source",
                "name": "waiting",
                "origin": "module tests.made_up",
                "doc": "How many wait.",
                "options": [
                    {"name": "path", "type": "text", "required": True, "default": None, "doc": "where they wait"},
                    {
                        "name": "limit",
                        "type": "number",
                        "required": False,
                        "default": "100",
                        "doc": "how many are too many",
                    },
                ],
            }
        ],
        "broken": [],
    }


def test_an_unknown_name_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "nothing"]) == 1
    said = capsys.readouterr().err
    assert said.startswith('feedback plugins: there is no plugin "nothing"; there are: ')
    assert "knock, " in said


NEEDS = "needs the director extra: pip install 'lvs-feedback[director]'"


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two plugins that can't be used: one of a name that nothing else has, one that a check has, too."""
    monkeypatch.setattr(CHECKS, "broken", lambda: {"far": f"check far {NEEDS}"})
    monkeypatch.setattr(SOURCES, "broken", lambda: {"page": "source page can't be imported: KeyError: 1"})


@pytest.mark.usefixtures("lacking")
def test_what_cannot_be_used_stands_at_the_end_of_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "check page (from module tests.made_up)" in lines
    assert lines[-3:] == [f"check far {NEEDS}", "", "source page can't be imported: KeyError: 1"]
    assert main(["plugins", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["broken"] == [
        {"kind": "check", "name": "far", "why": f"check far {NEEDS}"},
        {"kind": "source", "name": "page", "why": "source page can't be imported: KeyError: 1"},
    ]


@pytest.mark.usefixtures("lacking")
def test_who_asks_for_what_cannot_be_used_is_told_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "far"]) == 1
    assert capsys.readouterr() == ("", f"feedback plugins: check far {NEEDS}\n")
    assert main(["plugins", "page"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("check page (")
    assert out.endswith("\n\nsource page can't be imported: KeyError: 1\n")
    assert main(["plugins", "nothing"]) == 1
    assert " far, " in capsys.readouterr().err


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in ([], ["exec"], ["tls"], ["pressure"], ["cpu"]):
        assert main(["plugins", *words]) == 0
        long = [line for line in capsys.readouterr().out.splitlines() if len(line) > columns]
        assert [line for line in long if line.startswith(" ") and len(line.split()) > 2] == []


def test_the_options_that_all_checks_have_are_listed_once_and_shown_with_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["plugins"])
    assert capsys.readouterr().out.count("    fwmark: whole number from 1 to 4294967295\n") == 1
    main(["plugins", "page"])
    assert "    fwmark: whole number from 1 to 4294967295\n" in capsys.readouterr().out


def test_an_option_has_its_default_beside_its_type_where_there_is_no_room_for_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["plugins", "snmp"])
    out = capsys.readouterr().out
    assert "    community: password (required)\n        community that may read\n" in out
    assert "    port: port, by default 161\n        port of the SNMP agent\n" in out


def test_an_option_that_says_nothing_of_itself_is_shown_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    main(["plugins", "page"])
    assert "    headers: mapping of text to text\n" in capsys.readouterr().out
    text = as_text(Description(kind="check", name="x", doc="Pass.", options=(UNTOLD,)), whole=False)
    assert text == "check x\n  Pass.\n    size  number  none\n"


def test_a_plugin_without_a_docstring_has_nothing_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    type("Silent", (CHECKS.get("knock"),), {"__module__": __name__}, name="silent")
    try:
        main(["plugins", "silent"])
    finally:
        del CHECKS.get("knock").registered["silent"]
    assert capsys.readouterr().out.startswith(f"check silent (from module {__name__})\n    port: port\n")


def test_a_plugin_whose_options_can_not_be_read_harms_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    class StrangeSource(Source, name="strange"):
        """Measure what nobody can say."""

        size: "Nowhere" = 1  # type: ignore[name-defined] # noqa: F821

        async def sample(self) -> Sample:
            return Sample(0.0)

    try:
        assert main(["plugins"]) == 0
        lines = " ".join(capsys.readouterr().out.split())
        why = "has options that can't be read: NameError: name 'Nowhere' is not defined"
        assert f"source strange of module {__name__} {why}" in lines
        assert "source waiting" in lines
        assert main(["plugins", "strange"]) == 1
    finally:
        del Source.registered["strange"]


@pytest.mark.parametrize("watch", WATCHES)
def test_a_watch_has_an_example_that_is_read(watch: str, tmp_path: Path) -> None:
    (description,) = [one for one in watches() if one.name == watch]
    assert next(option.name for option in description.options if option.required) == watch
    assert [option.name for option in description.options if not option.doc] == []
    file = tmp_path / "agent.yaml"
    example = description.doc.partition("Example:\n\n")[2]
    file.write_text(
        f"agent: {{directors: ['ws://192.0.2.1:8600/agent']}}\nmetrics: {{cpu: {{}}}}\nwatches:\n{example}\n"
    )
    (config,) = load_agent_config(file).watches
    assert watch in type(config.watch).__name__.lower() or watch == "file"


def test_every_watch_is_described() -> None:
    assert tuple(WATCHES) == KINDS
