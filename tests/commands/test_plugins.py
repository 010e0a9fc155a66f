"""`feedback plugins`: what there is, and with what options."""

import json
from collections.abc import Iterator

import pytest

from feedback.cli import main
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
        ]
    }


def test_an_unknown_name_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "nothing"]) == 1
    said = capsys.readouterr().err
    assert said.startswith('feedback plugins: there is no plugin "nothing"; there are: ')
    assert "knock, " in said
