"""ONC RPC version 2 (RFC 5531): calls, their replies, and how TCP is cut into records. Pure."""

from typing import NoReturn

import msgspec

from feedback.checks.codecs import xdr
from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

XID_MASK = 0xFFFF_FFFF
LAST_FRAGMENT = 0x8000_0000
AUTH_LIMIT_BYTES = 400  # section 8.2

_CALL, _REPLY = 0, 1
_RPC_VERSION = 2
_ACCEPTED, _DENIED = 0, 1
_SUCCESS, _PROG_MISMATCH = 0, 2
_RPC_MISMATCH, _AUTH_ERROR = 0, 1
_AUTH_SYS = 1

_REFUSALS = {
    1: "PROG_UNAVAIL: the server does not have this program",
    3: "PROC_UNAVAIL: the server does not have this procedure",
    4: "GARBAGE_ARGS: the server did not understand the arguments",
    5: "SYSTEM_ERR: the server has a fault of its own, like no memory left",
}
_AUTH_REFUSALS = {
    1: "AUTH_BADCRED",
    2: "AUTH_REJECTEDCRED",
    3: "AUTH_BADVERF",
    4: "AUTH_REJECTEDVERF",
    5: "AUTH_TOOWEAK, it wants a stronger kind of credential",
    6: "AUTH_INVALIDRESP",
    7: "AUTH_FAILED",
    13: "RPCSEC_GSS_CREDPROBLEM, it wants Kerberos",
    14: "RPCSEC_GSS_CTXPROBLEM, it wants Kerberos",
}


class Procedure(msgspec.Struct, frozen=True):
    """What can be called: a procedure's number, of a version of a program. Its name is for people."""

    name: str
    program: int
    version: int
    number: int


class VersionRefusedError(CheckFailed):
    """The server has the program, but in other versions: from `low` to `high`."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__(Reason.STATUS, f"PROG_MISMATCH: the server has versions {low} to {high} of this program")
        self.low = low
        self.high = high


def null(program: int, version: int) -> Procedure:
    """Return the procedure that every program has, and that does nothing (section 12.1)."""
    return Procedure("NULL", program, version, 0)


def auth_sys(uid: int, gid: int, machine: str = "feedback") -> bytes:
    """Return a credential that says who we are, as Unix does (appendix A)."""
    return xdr.uint(_AUTH_SYS) + xdr.opaque(xdr.uint(0) + xdr.string(machine) + xdr.uint(uid, gid) + xdr.uints())


AUTH_NONE = xdr.uint(0) + xdr.opaque(b"")
"""The credential that says nothing (section 10.1)."""


def call(xid: int, procedure: Procedure, arguments: bytes = b"", credential: bytes = AUTH_NONE) -> bytes:
    """Return a call (section 9)."""
    head = xdr.uint(xid, _CALL, _RPC_VERSION, procedure.program, procedure.version, procedure.number)
    return head + credential + AUTH_NONE + arguments


def results(message: bytes, xid: int) -> xdr.Reader | None:
    """Return a reply's results; None when it answers another call than `xid`.

    Raises CheckFailed when it is no reply, or the server says that it did not do what it was asked.
    """
    reader = xdr.Reader(message)
    answered, kind = reader.uint(), reader.uint()
    if kind != _REPLY:
        raise CheckFailed(Reason.PROTOCOL, f"the answer is not an RPC reply: {excerpt(message)}")
    if answered != xid:
        return None
    accepted = reader.uint()
    if accepted == _DENIED:
        _raise_denied(reader)
    if accepted != _ACCEPTED:
        raise CheckFailed(Reason.PROTOCOL, f"the RPC reply has the unknown state {accepted}")
    reader.uint()  # the verifier: its flavor, and what there is of it
    reader.opaque(AUTH_LIMIT_BYTES)
    status = reader.uint()
    if status == _PROG_MISMATCH:
        raise VersionRefusedError(reader.uint(), reader.uint())
    if status != _SUCCESS:
        raise CheckFailed(Reason.STATUS, _REFUSALS.get(status, f"the unknown RPC status {status}"))
    return reader


def _raise_denied(reader: xdr.Reader) -> NoReturn:
    """Say why a call was rejected before the program has seen it."""
    why = reader.uint()
    if why == _RPC_MISMATCH:
        raise CheckFailed(Reason.STATUS, f"the server speaks RPC versions {reader.uint()} to {reader.uint()}, not 2")
    if why != _AUTH_ERROR:
        raise CheckFailed(Reason.PROTOCOL, f"the call was rejected for the unknown reason {why}")
    number = reader.uint()
    refusal = _AUTH_REFUSALS.get(number, f"authentication error {number}")
    raise CheckFailed(Reason.AUTH, f"the server rejects the credential: {refusal}")


def record(message: bytes) -> bytes:
    """Return a message as TCP carries it: as one record, of one fragment (section 11)."""
    return xdr.uint(LAST_FRAGMENT | len(message)) + message


def fragment(header: bytes) -> tuple[int, bool]:
    """Return how many bytes follow a fragment's header, and whether they are the record's last.

    Raises CheckFailed for a fragment that brings nothing: there could be such for ever.
    """
    number = int.from_bytes(header)
    length, last = number & ~LAST_FRAGMENT, bool(number & LAST_FRAGMENT)
    if not length and not last:
        raise CheckFailed(Reason.PROTOCOL, "the answer has an empty fragment")
    return length, last
