"""RPC programs by their names, as /etc/rpc has them: the ones that one still meets. Pure."""

import re

import msgspec

MAX_NUMBER = 0xFFFF_FFFF

NUMBERS = {
    "portmapper": 100000,
    "rpcbind": 100000,
    "rstatd": 100001,
    "rusersd": 100002,
    "nfs": 100003,
    "ypserv": 100004,
    "mountd": 100005,
    "ypbind": 100007,
    "walld": 100008,
    "yppasswdd": 100009,
    "rquotad": 100011,
    "sprayd": 100012,
    "rexd": 100017,
    "nlockmgr": 100021,
    "status": 100024,
    "bootparam": 100026,
    "ypupdated": 100028,
    "keyserv": 100029,
    "ypxfrd": 100069,
    "nfs_acl": 100227,
    "sadmind": 100232,
    "pcnfsd": 150001,
    "amd": 300019,
    "sgi_fam": 391002,
    "glusterd": 1238433,
    "fypxfrd": 600100069,
}

_NAMES = {number: name for name, number in NUMBERS.items()}
_PROGRAM = re.compile(r"(?:([0-9]{1,10})|([A-Za-z][A-Za-z0-9_.-]*))(?:/([0-9]{1,10}))?")


class Program(msgspec.Struct, frozen=True):
    """A program, in one version or in whatever versions there are."""

    number: int
    version: int | None = None

    def __str__(self) -> str:
        return name_of(self.number) if self.version is None else f"{name_of(self.number)}/{self.version}"


def name_of(number: int) -> str:
    """Return a program's name, or its number where it has none."""
    return _NAMES.get(number, str(number))


def parse_program(text: str | int) -> Program:
    """Read `mountd`, `100005`, `nfs/3` or `100003/3`. Raises ValueError with the rest of a sentence about it."""
    match = _PROGRAM.fullmatch(str(text))
    if match is None:
        raise ValueError(f"must be a program's name or number, and / with a version if need be, not {text}")
    number, name, version = match.groups()
    if name is not None and name not in NUMBERS:
        raise ValueError(f"there is no program {name} among those known by name; give its number")
    program = Program(int(number) if name is None else NUMBERS[name], None if version is None else int(version))
    if max(program.number, program.version or 0) > MAX_NUMBER:
        raise ValueError(f"must be a number of 32 bits, not {text}")
    return program
