"""Passwords among a check's options: written down or in a file, and never shown."""

from pathlib import Path
from typing import Any

import pytest

from feedback.checks.credentials import FILE_PREFIX, MAX_BYTES, Password, parse_password
from feedback.checks.smtp import SmtpCheck
from feedback.options import describe, take_apart, type_text
from feedback.reader import Refused, read
from feedback.tree import Node, Problems

NEEDED = "must be a password, or file: and the path of a file with it in its first line"


@pytest.mark.parametrize(
    ("written", "password"),
    [("s3cret", "s3cret"), (1234, "1234"), ("with spaces: and #", "with spaces: and #"), ("pässwörd", "pässwörd")],
)
def test_a_password_that_is_written_down_is_itself(written: object, password: str) -> None:
    assert parse_password(written).reveal() == password


@pytest.mark.parametrize("written", ["", None, True, False, 1.5, ["s3cret"]])
def test_what_is_no_text_and_no_number_is_no_password(written: object) -> None:
    with pytest.raises(ValueError, match=f"^{NEEDED}$"):
        parse_password(written)


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"s3cret", "s3cret"),
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b"s3cret\n# changed in spring\n", "s3cret"),
        (b" leading and trailing \n", " leading and trailing "),
        ("pässwörd\n".encode(), "pässwörd"),
        (b"file:/etc/passwd\n", "file:/etc/passwd"),  # a password may look like anything
    ],
)
def test_a_file_has_the_password_in_its_first_line(tmp_path: Path, content: bytes, password: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    assert parse_password(f"{FILE_PREFIX}{path}").reveal() == password


def test_no_more_of_a_file_is_read_than_a_password_may_have(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b"x" * (2 * MAX_BYTES))
    assert parse_password(f"{FILE_PREFIX}{path}").reveal() == "x" * MAX_BYTES


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"\ns3cret\n"])
def test_a_file_without_a_first_line_has_no_password(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{NEEDED}$"):
        parse_password(f"{FILE_PREFIX}{path}")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing", "can't be read: No such file or directory"),
        (".", "can't be read: Is a directory"),
        ("binary", "must be UTF-8 text"),
    ],
)
def test_a_file_that_can_not_be_used_is_named_with_the_reason(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\n")
    path = tmp_path / name
    with pytest.raises(ValueError, match=f"^{path} {why}$") as raised:
        parse_password(f"{FILE_PREFIX}{path}")
    assert "\xff" not in str(raised.value)


def test_an_option_of_this_type_says_what_is_wrong_where_it_stands(tmp_path: Path) -> None:
    problems = Problems("director.yaml")
    node = Node(f"{FILE_PREFIX}{tmp_path}/nothing", 7, "services.mail.checks[0].smtp.password")
    with pytest.raises(Refused):
        read(Password, node, problems)
    assert problems.lines() == (
        (
            f"director.yaml:7: services.mail.checks[0].smtp.password: {tmp_path}/nothing can't be read: "
            "No such file or directory"
        ),
    )


def test_a_password_is_told_by_nothing_that_shows_a_check() -> None:
    secret: Any = read(Password, Node("s3cret"), Problems())
    check = SmtpCheck(user="monitor", password=secret, starttls=True)
    unit = take_apart(Password).unit
    assert unit is not None
    for shown in (repr(secret), str(secret), f"{secret}", repr(check), unit.show(secret)):
        assert "s3cret" not in shown
    assert type_text(Password) == "password"


def test_a_check_without_a_password_says_that_it_has_none() -> None:
    (option,) = (option for option in describe(SmtpCheck) if option.name == "password")
    assert (option.type, option.default) == ("password", "none")
