"""Calling RPC programs against scripts: fragments, lost datagrams, late answers, limits, and rpcbind's versions."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from feedback.checks import rpc_client
from feedback.checks.check import Check
from feedback.checks.codecs import rpc_message, rpcbind, xdr
from feedback.checks.codecs.rpcbind import Registration, Transport
from feedback.checks.rpc_client import Client
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Net, Target
from feedback.testing import (
    Close,
    Connection,
    Exchange,
    Hang,
    Part,
    Receive,
    Refuse,
    ScriptedNet,
    Send,
    Step,
    interrupted,
    run_check,
)
from tests.checks.rpc_scripts import Call, listed, message, over_tcp, over_udp, reply

SERVER = Endpoint("192.0.2.11", 2049)
NULL = rpc_message.null(100003, 3)
CALL = Call(NULL)
RECORD = rpc_message.record(message(CALL, 1))


class MadeCheck(Check):
    """A check that does what a function does."""

    function: Callable[[Net], Coroutine[Any, Any, str]]

    async def probe(self, target: Target, net: Net) -> str:
        del target
        return await self.function(net)


def run(
    function: Callable[[Net], Coroutine[Any, Any, str]],
    *script: Part,
    timeout_seconds: float = 1.0,
    chunk_bytes: int | None = None,
) -> CheckResult:
    return run_check(MadeCheck(function=function), *script, timeout_seconds=timeout_seconds, chunk_bytes=chunk_bytes)


def null(transport: Transport, calls: int = 1) -> Callable[[Net], Coroutine[Any, Any, str]]:
    async def function(net: Net) -> str:
        async with Client(net, SERVER, "nfs", transport) as client:
            for _ in range(calls):
                await client.call(NULL)
        return "answered"

    return function


def outcome(result: CheckResult) -> tuple[str, str]:
    return result.reason, result.detail


# Over TCP


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_every_call_has_a_number_of_its_own(chunk_bytes: int | None) -> None:
    connection = Connection(*over_tcp(CALL, CALL))
    assert run(null("tcp", calls=2), connection, chunk_bytes=chunk_bytes).outcome is Outcome.PASS
    assert not connection.brief


def test_a_record_may_come_in_fragments() -> None:
    answer = reply(b"", 1)
    fragments = b"\0\0\0\x01" + answer[:1] + b"\0\0\0\x0b" + answer[1:12] + b"\x80\0\0\x0c" + answer[12:]
    assert run(null("tcp"), Connection(Receive(RECORD), Send(fragments))).outcome is Outcome.PASS
    empty_last = b"\0\0\0\x18" + answer + b"\x80\0\0\0"
    assert run(null("tcp"), Connection(Receive(RECORD), Send(empty_last))).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (bytes(4), "protocol", "nfs NULL: the answer has an empty fragment"),
        (b"HTTP/1.1", "limit", "nfs NULL: the answer announces 1213486160 bytes, must be 262144 at most"),
        (b"\0\x04\0\0" + bytes(0x40000) + b"\x80\0\0\x01", "limit", "nfs NULL: the answer announces 262145 bytes"),
        (rpc_message.record(reply(b"", 2)), "protocol", "nfs NULL: the answer is one to another call"),
        (rpc_message.record(reply(b"", 1, 1)), "status", "nfs NULL: PROG_UNAVAIL: the server does not have this"),
    ],
)
def test_an_answer_that_breaks_the_rules_fails(answer: bytes, reason: str, detail: str) -> None:
    result = run(null("tcp"), Connection(Receive(RECORD), Send(answer)))
    assert result.reason == reason
    assert result.detail.startswith(detail)


def test_a_server_that_goes_or_hangs_fails_at_the_call_that_it_was_at() -> None:
    for connection in interrupted(over_tcp(CALL, CALL), Hang()):
        assert outcome(run(null("tcp", calls=2), connection)) == ("timeout", "nfs NULL: no answer within 1 s")
    for connection in interrupted(over_tcp(CALL, CALL), Close()):
        assert run(null("tcp", calls=2), connection).reason == "closed"


def test_nobody_there_is_said_of_the_program() -> None:
    assert outcome(run(null("tcp"), Connection(Refuse()))) == ("refused", "nfs: connection refused by 192.0.2.11:2049")


# Over UDP


def test_datagrams_are_calls_without_a_mark() -> None:
    assert run(null("udp", calls=2), Exchange(*over_udp(CALL, CALL))).outcome is Outcome.PASS


@pytest.mark.parametrize(("lost", "seconds"), [(1, 1.0), (2, 3.0), (3, 7.0)])
def test_a_lost_call_is_sent_again_after_longer_and_longer(lost: int, seconds: float) -> None:
    exchange = Exchange(*[Receive(message(CALL, 1))] * lost, *over_udp(CALL))
    result = run(null("udp"), exchange, timeout_seconds=10.0)
    assert result.outcome is Outcome.PASS
    assert result.duration_seconds == seconds


@pytest.mark.parametrize(("timeout_seconds", "sent"), [(0.1, 3), (1.0, 3), (4.0, 3), (10.0, 4), (60.0, 6)])
def test_silence_is_asked_three_times_at_least(timeout_seconds: float, sent: int) -> None:
    exchange = Exchange(*[Receive(message(CALL, 1))] * sent, Hang())
    result = run(null("udp"), exchange, timeout_seconds=timeout_seconds)
    assert outcome(result) == ("timeout", f"nfs NULL: no answer within {timeout_seconds:g} s")
    assert exchange.sent == message(CALL, 1) * sent


def test_late_answers_to_an_earlier_call_are_passed_over() -> None:
    late: Step = Send(reply(b"", 1))
    first, second = message(CALL, 1), message(CALL, 2)
    answers = (late, late, Send(reply(b"", 2)))
    exchange = Exchange(Receive(first), Receive(first), late, Receive(second), *answers)
    assert run(null("udp", calls=2), exchange).outcome is Outcome.PASS


def test_late_answers_are_passed_over_to_the_end() -> None:
    once = Receive(message(CALL, 1))
    exchange = Exchange(once, once, once, Send(reply(b"", 7)), Send(reply(b"", 1)))
    assert run(null("udp"), exchange).outcome is Outcome.PASS


def test_a_datagram_that_is_no_reply_fails() -> None:
    result = run(null("udp"), Exchange(Receive(message(CALL, 1)), Send(b"what do you want")))
    assert outcome(result) == ("protocol", 'nfs NULL: the answer is not an RPC reply: "what do you want"')


def test_icmps_refusal_fails() -> None:
    result = run(null("udp"), Exchange(Receive(message(CALL, 1)), Refuse()))
    assert outcome(result) == ("refused", "nfs NULL: connection refused by 192.0.2.11:2049")


# What a client is told to do


@pytest.mark.parametrize("privileged_port", [False, True])
def test_a_client_asks_for_a_privileged_port_when_it_is_told_to(privileged_port: bool) -> None:
    async def function(net: Net) -> str:
        async with (
            Client(net, SERVER, "nfs", "tcp", privileged_port=privileged_port),
            Client(net, SERVER, "nfs", "udp", privileged_port=privileged_port),
        ):
            return "opened"

    connection, exchange = Connection(), Exchange()
    run(function, connection, exchange)
    assert connection.privileged_port is privileged_port
    assert exchange.privileged_port is privileged_port


@pytest.mark.parametrize("by", [Close(), Hang()])
def test_a_goodbye_waits_for_nothing_and_never_fails(by: Step) -> None:
    async def function(net: Net) -> str:
        async with Client(net, SERVER, "nfs", "tcp") as client:
            await client.tell(NULL, b"", rpc_message.AUTH_NONE)
        return "told"

    connection = Connection(Receive(RECORD), by)
    assert run(function, connection).detail == "told"
    assert connection.sent == RECORD


def test_numbers_begin_with_the_clock_and_stay_within_32_bits() -> None:
    numbers = []

    async def function(net: Net) -> str:
        assert isinstance(net, ScriptedNet)
        net.wait(4294.967295)
        async with Client(net, SERVER, "nfs", "tcp") as client:
            await client.tell(NULL, b"", rpc_message.AUTH_NONE)
            numbers.append(client._xid)
        return ""

    run(function, Connection(Receive(rpc_message.record(message(CALL, 0)))), timeout_seconds=9999.0)
    assert numbers == [0]


# rpcbind

NFS = (100003, 3, "tcp", "0.0.0.0.8.1")
MOUNTD = (100005, 3, "udp", "0.0.0.0.78.80")
NFS_6 = (100003, 4, "tcp6", "::.8.1")


def listing(
    address: str = "192.0.2.11", transport: Transport | None = None, newest: int = 4
) -> Callable[[Net], Coroutine[Any, Any, str]]:
    async def function(net: Net) -> str:
        return str(await rpc_client.listing(net, Endpoint(address, 111), transport, newest))

    return function


def mismatch(version: int, xid: int, low: int, high: int) -> list[Step]:
    """Return the steps in which a version of rpcbind is refused."""
    call = rpc_message.call(xid, rpcbind.dump(version))
    return [Receive(rpc_message.record(call)), Send(rpc_message.record(reply(xdr.uint(low, high), xid, 2)))]


@pytest.mark.parametrize(
    ("address", "transport", "shown"),
    [
        ("192.0.2.11", None, "nfs 3, mountd 3"),
        ("192.0.2.11", "tcp", "nfs 3"),
        ("2001:db8::11", None, "nfs 4"),
        ("2001:db8::11", "tcp", "nfs 4"),
    ],
)
def test_what_is_listed_is_that_of_the_family_and_the_transport(
    address: str, transport: Transport | None, shown: str
) -> None:
    dialogue = over_tcp(Call(rpcbind.dump(4), results=listed(NFS, MOUNTD, NFS_6)))
    assert run(listing(address, transport), Connection(*dialogue)).detail == shown


def test_over_udp_rpcbind_itself_is_asked_over_udp() -> None:
    dialogue = over_udp(Call(rpcbind.dump(4), results=listed(NFS, MOUNTD)))
    assert run(listing(transport="udp"), Exchange(*dialogue)).detail == "mountd 3"


def test_an_old_rpcbind_is_asked_in_an_older_version() -> None:
    mapping = xdr.uint(1, 100003, 2, 6, 2049, 0)
    version_2: list[Step] = [
        Receive(rpc_message.record(rpc_message.call(3, rpcbind.dump(2)))),
        Send(rpc_message.record(reply(mapping, 3))),
    ]
    connection = Connection(*mismatch(4, 1, 2, 3), *mismatch(3, 2, 2, 2), *version_2)
    assert run(listing(), connection).detail == "nfs 2"


def test_one_may_begin_with_an_older_version() -> None:
    dialogue = over_tcp(Call(rpcbind.dump(3), results=listed(NFS)))
    assert run(listing(newest=3), Connection(*dialogue)).detail == "nfs 3"


def test_an_rpcbind_without_any_known_version_fails() -> None:
    result = run(listing(newest=2), Connection(*mismatch(2, 1, 5, 6)))
    assert outcome(result) == (
        "status",
        "rpcbind DUMP: PROG_MISMATCH: the server has versions 5 to 6 of this program",
    )


@pytest.mark.parametrize("netid", ["tcp", "udp6"])
def test_a_registered_program_is_asked_where_it_is(netid: str) -> None:
    async def function(net: Net) -> str:
        await rpc_client.ask(net, "192.0.2.11", Registration(100003, 3, netid, 2049))
        return "answered"

    part = Connection(*over_tcp(CALL)) if netid == "tcp" else Exchange(*over_udp(CALL))
    assert run(function, part).detail == "answered"
    refused = Connection(Refuse()) if netid == "tcp" else Exchange(Receive(message(CALL, 1)), Refuse())
    assert run(function, refused).detail.startswith(f"nfs/3 {netid}")
