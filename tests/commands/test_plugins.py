"""`feedback plugins`: what there is, and with what options."""

import json
from collections.abc import Iterator

import pytest

from feedback.cli import main
from feedback.registry import CHECKS, SOURCES
from tests import made_up


@pytest.fixture(autouse=True)
def plugins() -> Iterator[None]:
    with made_up.plugins():
        yield


def test_one_plugin_is_shown_with_all_it_says_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "waiting"]) == 0
    assert capsys.readouterr().out == (
        "source waiting\n"
        "  How many wait.\n"
        "    path   text    (required)  where they wait\n"
        "    limit  number  100         how many are too many\n"
    )
    assert main(["plugins", "page"]) == 0
    assert capsys.readouterr().out.startswith(
        "check page\n  Pass when a page comes.\n\n  A second paragraph.\n    port  "
    )


def test_all_plugins_are_listed_by_kind_with_their_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if line and not line.startswith(" ")]
    assert {"check page", "check knock", "check tcp", "source waiting", "source cpu", "policy moody"} <= set(heads)
    assert [head.split()[0] for head in heads] == sorted(
        (head.split()[0] for head in heads), key=["check", "source", "policy"].index
    )
    main(["plugins"])
    assert "A second paragraph." not in capsys.readouterr().out


def test_the_same_is_there_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "waiting", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "plugins": [
            {
                "kind": "source",
                "name": "waiting",
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
    assert "check page" in lines
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
    assert out.startswith("check page\n")
    assert out.endswith("\n\nsource page can't be imported: KeyError: 1\n")
    assert main(["plugins", "nothing"]) == 1
    assert " far, " in capsys.readouterr().err
