"""Names of RPC programs, as people write them."""

import re

import pytest

from feedback.checks.codecs.rpc_program import NUMBERS, Program, name_of, parse_program


@pytest.mark.parametrize(
    ("text", "program", "shown"),
    [
        ("mountd", Program(100005), "mountd"),
        ("nfs/3", Program(100003, 3), "nfs/3"),
        (100021, Program(100021), "nlockmgr"),
        ("100024/1", Program(100024, 1), "status/1"),
        ("nfs_acl", Program(100227), "nfs_acl"),
        ("rpcbind", Program(100000), "rpcbind"),
        ("portmapper/2", Program(100000, 2), "rpcbind/2"),
        (1073741824, Program(1073741824), "1073741824"),
        ("4294967295/4294967295", Program(4294967295, 4294967295), "4294967295/4294967295"),
    ],
)
def test_a_program_is_a_name_or_a_number_and_may_have_a_version(text: str | int, program: Program, shown: str) -> None:
    assert parse_program(text) == program
    assert str(program) == shown


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mount", "there is no program mount among those known by name; give its number"),
        ("4294967296", "must be a number of 32 bits, not 4294967296"),
        ("nfs/4294967296", "must be a number of 32 bits, not nfs/4294967296"),
        ("nfs/", "must be a program's name or number, and / with a version if need be, not nfs/"),
        ("nfs/three", "must be a program's name or number, and / with a version if need be, not nfs/three"),
        (-1, "must be a program's name or number, and / with a version if need be, not -1"),
        ("", "must be a program's name or number, and / with a version if need be, not "),
    ],
)
def test_what_is_no_program_is_refused_in_words(text: str | int, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        parse_program(text)


def test_every_number_has_a_name_that_means_it() -> None:
    for number in NUMBERS.values():
        assert NUMBERS[name_of(number)] == number
