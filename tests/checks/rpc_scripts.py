"""Scripts of ONC RPC: calls as a client must make them, and what a server answers, over TCP and UDP."""

import msgspec

from feedback.checks.codecs import rpc_message, xdr
from feedback.checks.codecs.rpc_message import AUTH_NONE, Procedure
from feedback.testing import Receive, Send, Step


class Call(msgspec.Struct, frozen=True):
    """A call, and the results that it gets."""

    procedure: Procedure
    arguments: bytes = b""
    results: bytes = b""
    credential: bytes = AUTH_NONE


def message(call: Call, xid: int) -> bytes:
    return rpc_message.call(xid, call.procedure, call.arguments, call.credential)


def reply(results: bytes, xid: int, status: int = 0) -> bytes:
    return xdr.uint(xid, 1, 0, 0, 0, status) + results


def over_tcp(*calls: Call) -> list[Step]:
    """Return a connection's steps. A script's clock stands at 0, so that a client's first number is 1."""
    return [
        step
        for xid, call in enumerate(calls, 1)
        for step in (
            Receive(rpc_message.record(message(call, xid))),
            Send(rpc_message.record(reply(call.results, xid))),
        )
    ]


def over_udp(*calls: Call) -> list[Step]:
    """Return an exchange's steps."""
    return [
        step
        for xid, call in enumerate(calls, 1)
        for step in (Receive(message(call, xid)), Send(reply(call.results, xid)))
    ]


def listed(*registrations: tuple[int, int, str, str]) -> bytes:
    """Return the results of DUMP in version 3 or 4: program, version, netid and universal address of each."""
    return b"".join(
        xdr.uint(1, program, version) + xdr.string(netid) + xdr.string(address) + xdr.string("superuser")
        for program, version, netid, address in registrations
    ) + xdr.uint(0)
