import pytest

from feedback.commands.columns import MAX_COLUMNS, columns, fill, reflow


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")


def reflowed(doc: str) -> str:
    return "\n".join(reflow(doc, "  "))


def test_there_are_as_many_columns_as_the_terminal_has_up_to_what_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert columns() == 30
    monkeypatch.setenv("COLUMNS", "500")
    assert columns() == MAX_COLUMNS


def test_a_text_fits_and_hangs_from_its_first_line() -> None:
    assert fill("one two three four five six seven", "ok  ", "    ") == "ok  one two three four five\n    six seven"
    assert (
        fill("a /path/that/is-longer/than/all/the/columns", "", " ") == "a\n /path/that/is-longer/than/all/the/columns"
    )


def test_paragraphs_are_written_anew() -> None:
    doc = "One two three\nfour five six seven.\n\nEight."
    assert reflowed(doc) == "  One two three four five six\n  seven.\n\n  Eight."
    assert reflowed("") == ""


def test_the_items_of_a_list_stay_items() -> None:
    doc = "These:\n\n- one, which is long\n  and goes on\n- two\n\nAnd more."
    assert reflowed(doc) == "  These:\n\n  - one, which is long and\n    goes on\n  - two\n\n  And more."


def test_an_example_keeps_its_lines_and_goes_on_where_one_is_too_long() -> None:
    doc = "Example:\n\n    - a: 1\n      b: 2\n\n    - {one: 1, two: 2, three: 3}"
    assert reflowed(doc) == (
        "  Example:\n\n      - a: 1\n        b: 2\n\n      - {one: 1, two: 2,\n          three: 3}"
    )
