"""rpcbind, which knows where programs are: versions 3 and 4, and 2, the port mapper (RFC 1833). Pure."""

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from feedback.checks.codecs import xdr
from feedback.checks.codecs.rpc_message import Procedure
from feedback.checks.codecs.rpc_program import Program
from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

Transport = Literal["tcp", "udp"]

PORT = 111
PROGRAM = 100000
REGISTRATIONS_LIMIT = 1000
TEXT_LIMIT_BYTES = 1024

_PORT_MAPPER = 2
_PROTOCOLS = {6: "tcp", 17: "udp"}
_NETIDS = frozenset({"tcp", "udp", "tcp6", "udp6"})
_UNIVERSAL_ADDRESS = re.compile(r"\S*\.([0-9]{1,3})\.([0-9]{1,3})")


class Registration(msgspec.Struct, frozen=True):
    """A version of a program, and its port on a transport: `tcp`, `udp`, and for IPv6 `tcp6`, `udp6`."""

    program: int
    version: int
    netid: str
    port: int

    @property
    def transport(self) -> Transport:
        """The transport, whatever the family."""
        return "tcp" if self.netid.startswith("tcp") else "udp"

    def is_one_of(self, program: Program) -> bool:
        """Return whether it is of a program, and of its version where that has one."""
        return self.program == program.number and program.version in {None, self.version}

    def __str__(self) -> str:
        return f"{Program(self.program, self.version)} {self.netid}"


class Listing(msgspec.Struct, frozen=True):
    """What rpcbind lists for the netids of an address."""

    netids: tuple[str, ...]
    registrations: tuple[Registration, ...]

    def of(self, program: Program) -> list[Registration]:
        """Return a program's registrations. Raises CheckFailed when it has none."""
        found = [registration for registration in self.registrations if registration.is_one_of(program)]
        if not found:
            where = " or ".join(self.netids)
            raise CheckFailed(Reason.CONTENT, f"{program} is not registered on {where}; there are: {self}")
        return found

    def __str__(self) -> str:
        """Return the programs, each with its versions: `nfs 3 4, mountd 3`."""
        versions: dict[int, set[int]] = {}
        for registration in self.registrations:
            versions.setdefault(registration.program, set()).add(registration.version)
        names = [f"{Program(program)} {' '.join(map(str, sorted(found)))}" for program, found in versions.items()]
        return ", ".join(names) or "none"


def netids(address: str, transport: Transport | None) -> tuple[str, ...]:
    """Return the netids of an address's family and of a transport, or of both transports."""
    family = "6" if ":" in address else ""
    return (transport + family,) if transport else ("tcp" + family, "udp" + family)


def dump(version: int) -> Procedure:
    """Return the procedure that lists all registrations: PMAPPROC_DUMP and RPCBPROC_DUMP have the same number."""
    return Procedure("DUMP", PROGRAM, version, 4)


def read_dump(version: int, reader: xdr.Reader) -> list[Registration]:
    """Return what a version's DUMP lists, but for what is not on TCP or UDP."""
    read = _read_mapping if version == _PORT_MAPPER else _read_rpcb
    registrations = (read(reader) for _ in _items(reader))
    return [registration for registration in registrations if registration is not None]


def _items(reader: xdr.Reader) -> Iterator[None]:
    """Go through a list, before each of whose items a boolean says that there is one (RFC 4506, 4.19)."""
    for _ in range(REGISTRATIONS_LIMIT):
        if not reader.boolean():
            return
        yield
    if reader.boolean():
        raise CheckFailed(Reason.LIMIT, f"more than {REGISTRATIONS_LIMIT} programs are registered")


def _read_mapping(reader: xdr.Reader) -> Registration | None:
    """Read an item of version 2 (section 3.1)."""
    program, version, protocol, port = (reader.uint() for _ in range(4))
    netid = _PROTOCOLS.get(protocol)
    return None if netid is None else _registration(program, version, netid, port, str(port))


def _read_rpcb(reader: xdr.Reader) -> Registration | None:
    """Read an item of versions 3 and 4 (section 2.1), which has an owner, too."""
    program, version, netid = reader.uint(), reader.uint(), reader.string(TEXT_LIMIT_BYTES)
    address, _owner = reader.string(TEXT_LIMIT_BYTES), reader.string(TEXT_LIMIT_BYTES)
    return _registration(program, version, netid, port_of(address), address) if netid in _NETIDS else None


def _registration(program: int, version: int, netid: str, port: int, shown: str) -> Registration:
    if not 0 < port < 1 << 16:
        raise CheckFailed(
            Reason.PROTOCOL, f"program {program} is registered at {excerpt(shown.encode())}, which is no port"
        )
    return Registration(program, version, netid, port)


def port_of(universal_address: str) -> int:
    """Return the port in `192.0.2.1.8.1` or `::.8.1`: its last two bytes (RFC 5665, 5.2.3). 0 if there is none."""
    match = _UNIVERSAL_ADDRESS.fullmatch(universal_address)
    high, low = (int(match[1]), int(match[2])) if match else (0, 0)
    return high << 8 | low if max(high, low) < 1 << 8 else 0
