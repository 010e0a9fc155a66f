"""NFS version 4: compounds that show that a server works, and an export on it (RFC 7530; RFC 8881). Pure.

Minor version 0 needs nothing before. From minor version 1 on, whoever asks for a file must have a session, which takes
two compounds to get and two to be rid of again.
"""

import msgspec

from feedback.checks.codecs import nfs_status, xdr
from feedback.checks.codecs.nfs3 import PROGRAM, Space
from feedback.checks.codecs.rpc_message import Procedure
from feedback.errors import CheckFailed, Reason

COMPOUND = Procedure("COMPOUND", PROGRAM, 4, 1)

HANDLE_LIMIT_BYTES = 128
TEXT_LIMIT_BYTES = 1024
ATTRIBUTES_LIMIT_BYTES = 1024
BITMAP_LIMIT = 8
SESSION_ID_BYTES = 16
VERIFIER_BYTES = 8

_SPACE_AVAIL, _SPACE_TOTAL = 42, 44  # attributes (RFC 7530, 5.8.2)


class Operation(msgspec.Struct, frozen=True):
    """An operation of a compound, with its arguments. Its name is for people."""

    name: str
    number: int
    arguments: bytes = b""


class Session(msgspec.Struct, frozen=True):
    """A session of minor version 1, and the client that it belongs to."""

    session_id: bytes
    client_id: int


class Client(msgspec.Struct, frozen=True):
    """What a server calls a client that has introduced itself, and how it is to count what it asks for."""

    client_id: int
    sequence_id: int


PUTROOTFH = Operation("PUTROOTFH", 24)
GETFH = Operation("GETFH", 10)
GETATTR = Operation("GETATTR", 9, xdr.uints(0, 1 << _SPACE_AVAIL % 32 | 1 << _SPACE_TOTAL % 32))


def lookup(name: str) -> Operation:
    """Return the operation that goes to a name in the directory where the compound is."""
    return Operation(f"LOOKUP {name}", 15, xdr.string(name))


def to_root(path: tuple[str, ...] | None) -> tuple[Operation, ...]:
    """Return the operations that fetch the file handle of the server's root, or of a path, and with it its space."""
    if path is None:
        return (PUTROOTFH, GETFH)
    return (PUTROOTFH, *map(lookup, path), GETFH, GETATTR)


def compound(operations: tuple[Operation, ...], minor_version: int = 0) -> bytes:
    """Return the arguments of COMPOUND (RFC 7530, 15.2), without a tag."""
    head = xdr.opaque(b"") + xdr.uint(minor_version, len(operations))
    return head + b"".join(xdr.uint(operation.number) + operation.arguments for operation in operations)


class Results:
    """The results of a compound, to be taken in the order of its operations."""

    def __init__(self, reader: xdr.Reader) -> None:
        self.reader = reader
        self.status = reader.uint()
        self._tag = reader.opaque(TEXT_LIMIT_BYTES)
        self._left = reader.uint()

    def take(self, operation: Operation) -> xdr.Reader:
        """Return where an operation's results are. Raises CheckFailed when it did not succeed."""
        if not self._left:
            nfs_status.require_ok("NFS4ERR", self.status)
            raise CheckFailed(Reason.PROTOCOL, f"the answer has no result of {operation.name}")
        self._left -= 1
        number = self.reader.uint()
        status = self.reader.uint()
        nfs_status.require_ok("NFS4ERR", status, operation.name)
        if number != operation.number:
            raise CheckFailed(Reason.PROTOCOL, f"the answer has a result of operation {number}, not {operation.name}")
        return self.reader


def read_root(results: Results, operations: tuple[Operation, ...]) -> Space | None:
    """Read the results of `to_root`: there is a file handle, and there may be a space."""
    space = None
    for operation in operations:
        reader = results.take(operation)
        if operation is GETFH and not reader.opaque(HANDLE_LIMIT_BYTES):
            raise CheckFailed(Reason.PROTOCOL, "the answer has an empty file handle")
        if operation is GETATTR:
            space = _read_space(reader)
    return space


def _read_space(reader: xdr.Reader) -> Space | None:
    """Read the attributes that GETATTR asks for, in the order of their numbers; None where the server lacks one."""
    bitmap = reader.uints(BITMAP_LIMIT)
    present = {bit + 32 * index for index, word in enumerate(bitmap) for bit in range(32) if word >> bit & 1}
    values = xdr.Reader(reader.opaque(ATTRIBUTES_LIMIT_BYTES))
    if not present <= {_SPACE_AVAIL, _SPACE_TOTAL}:
        raise CheckFailed(Reason.PROTOCOL, "the answer has attributes that were not asked for")
    if present != {_SPACE_AVAIL, _SPACE_TOTAL}:
        return None
    available_bytes, total_bytes = values.uint64(), values.uint64()
    return Space(total_bytes, available_bytes)


def exchange_id(verifier: bytes, owner: str) -> Operation:
    """Return the operation by which a client introduces itself (RFC 8881, 18.35), without state protection."""
    return Operation("EXCHANGE_ID", 42, xdr.fixed(verifier) + xdr.string(owner) + xdr.uint(0, 0, 0))


def read_exchange_id(reader: xdr.Reader) -> Client:
    """Return what the server calls the client. What it says of itself afterwards is of no interest."""
    return Client(reader.uint64(), reader.uint())


def create_session(client: Client) -> Operation:
    """Return the operation that makes a session (18.36): of one slot, with small messages, and without callbacks."""
    channel = xdr.uint(0, 4096, 4096, 0, 64, 1) + xdr.uints()
    callbacks = xdr.uint(0x4000_0000) + xdr.uints(0)  # the program's number, never called; AUTH_NONE
    arguments = xdr.uint64(client.client_id) + xdr.uint(client.sequence_id, 0) + channel + channel + callbacks
    return Operation("CREATE_SESSION", 43, arguments)


def read_create_session(reader: xdr.Reader, client: Client) -> Session:
    """Return the session."""
    return Session(reader.fixed(SESSION_ID_BYTES), client.client_id)


def sequence(session: Session) -> Operation:
    """Return the operation that must stand first in a session's compound (18.46): in ours, that is the only one."""
    return Operation("SEQUENCE", 53, xdr.fixed(session.session_id) + xdr.uint(1, 0, 0, 0))


def read_sequence(reader: xdr.Reader) -> None:
    """Read past what the server says of the session."""
    reader.fixed(SESSION_ID_BYTES + 20)


def destroy_session(session: Session) -> Operation:
    """Return the operation that ends a session (18.37)."""
    return Operation("DESTROY_SESSION", 44, xdr.fixed(session.session_id))


def destroy_client(session: Session) -> Operation:
    """Return the operation by which the server forgets the client (18.50)."""
    return Operation("DESTROY_CLIENTID", 57, xdr.uint64(session.client_id))
