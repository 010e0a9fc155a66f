"""The public test kit: what a script lets a check do, what it refuses, and a clock that jumps."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from feedback.checks import Check
from feedback.errors import CheckFailed, LocalFault
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Completed, Datagrams, Net, Stream, Target
from feedback.testing import (
    Close,
    Connection,
    Drop,
    Exchange,
    Hang,
    Part,
    Program,
    Receive,
    Refuse,
    Reset,
    ScriptError,
    Send,
    StartTls,
    Step,
    interrupted,
    run_check,
    run_virtual,
)

Probe = Callable[[Target, Net], Awaitable[str]]


class Probing(Check):
    """A check without a name, that does what a test says."""

    def __init__(self, probe: Probe) -> None:
        self.does = probe

    async def probe(self, target: Target, net: Net) -> str:
        return await self.does(target, net)


def run(probe: Probe, *script: Part, timeout_seconds: float = 1.0, chunk_bytes: int | None = None) -> CheckResult:
    return run_check(Probing(probe), *script, timeout_seconds=timeout_seconds, chunk_bytes=chunk_bytes)


def talking(
    *steps: Step, chunk_bytes: int | None = None
) -> Callable[[Callable[[Stream], Awaitable[str]]], CheckResult]:
    """Return what runs a dialogue on a connection on which the peer does `steps`."""

    def start(talk: Callable[[Stream], Awaitable[str]]) -> CheckResult:
        async def probe(target: Target, net: Net) -> str:
            async with net.connect_tcp(target) as stream:
                return await talk(stream)

        return run(probe, Connection(*steps), chunk_bytes=chunk_bytes)

    return start


def failure(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


async def echo(stream: Stream) -> str:
    """Greet, and read one line."""
    await stream.write(b"hello\r\n")
    return (await stream.read_until(b"\r\n", limit=16)).decode().strip()


ECHO: list[Step] = [Receive(b"hello\r\n"), Send(b"hello!\r\n")]


# Reading and writing


@pytest.mark.parametrize("chunk_bytes", [None, 1, 3])
def test_a_check_that_follows_the_script_passes(chunk_bytes: int | None) -> None:
    result = talking(*ECHO, chunk_bytes=chunk_bytes)(echo)
    assert result == CheckResult(Outcome.PASS, "", "hello!", 0.0)


def test_a_check_may_write_in_other_pieces_than_the_script_has() -> None:
    async def talk(stream: Stream) -> str:
        for piece in (b"he", b"llo\r\nbye", b"\r\n"):
            await stream.write(piece)
        return "said"

    connection = Connection(Receive(b"hello\r\n"), Receive(b"bye\r\n"))

    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target, brief=True) as stream:
            return await talk(stream)

    assert run(probe, connection).outcome is Outcome.PASS
    assert (connection.sent, connection.closed, connection.brief) == (b"hello\r\nbye\r\n", True, True)


def test_bytes_come_one_by_one_where_the_test_wants_it() -> None:
    async def count(stream: Stream) -> str:
        pieces = []
        while piece := await stream.read_some(16):
            pieces.append(piece)
        return str(pieces)

    assert talking(Send(b"ab"), Send(b"c"), chunk_bytes=1)(count).detail == "[b'a', b'b', b'c']"
    assert talking(Send(b"ab"), Send(b"c"))(count).detail == "[b'ab', b'c']"


def test_a_read_takes_no_more_than_it_says_and_leaves_the_rest() -> None:
    async def talk(stream: Stream) -> str:
        parts = [await stream.read_some(2), await stream.read_exactly(3), await stream.read_until(b";", limit=9)]
        parts += [await stream.read_some(1), await stream.read_some(9)]
        return str(parts)

    detail = talking(Send(b"abcde"), Send(b"fg;hijk"))(talk).detail
    assert detail == "[b'ab', b'cde', b'fg;', b'h', b'ijk']"


@pytest.mark.parametrize(
    ("steps", "reason", "detail"),
    [
        ([], "closed", "192.0.2.11:80 closed the connection after 0 bytes"),
        ([Send(b"h"), Close()], "closed", "192.0.2.11:80 closed the connection after 1 byte"),
        ([Send(b"he"), Close()], "closed", "192.0.2.11:80 closed the connection after 2 bytes"),
        ([Send(b"h" * 16)], "limit", "more than 16 bytes from 192.0.2.11:80 in one piece"),
        ([Send(b"he"), Reset()], "reset", "connection reset by 192.0.2.11:80"),
        ([Send(b"he"), Hang()], "timeout", "no answer within 1 s"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_peer_may_fail_in_each_way(steps: list[Step], reason: str, detail: str, chunk_bytes: int | None) -> None:
    result = talking(Receive(b"hello\r\n"), *steps, chunk_bytes=chunk_bytes)(echo)
    assert failure(result) == (Outcome.FAIL, reason, detail)


@pytest.mark.parametrize("steps", [[Close()], [Reset()], [Hang()]])
def test_what_is_written_to_a_peer_that_is_gone_is_lost(steps: list[Step]) -> None:
    connection = Connection(*steps)

    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            await stream.write(b"hello\r\n")
        return "said"

    assert run(probe, connection).detail == "said"
    assert connection.sent == b"hello\r\n"


def test_connecting_may_be_refused_or_never_come_about() -> None:
    connection = Connection(Refuse())

    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(Endpoint("192.0.2.99", 7)):
            return f"connected to {target}"

    assert failure(run(probe, connection)) == (Outcome.FAIL, "refused", "connection refused by 192.0.2.99:7")
    assert connection.closed
    connection = Connection(Drop())
    assert failure(run(probe, connection, timeout_seconds=0.5)) == (Outcome.FAIL, "timeout", "no answer within 0.5 s")
    assert connection.closed


# What a script refuses


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([Receive(b"help")], r"the check sent b'hello\r\n', the script expects b'help'"),
        ([Receive(b"hello")], r"the check sent b'\r\n' while the script has Send(data=b'x')"),
        ([], r"the check sent b'hello\r\n' while the script has Send(data=b'x')"),
        ([Receive(b"hello\r\n"), Receive(b"?")], "the check reads while the script has Receive(data=b'?')"),
        ([Receive(b"hello\r\n"), Refuse()], "the check reads while the script has Refuse()"),
    ],
)
def test_a_check_that_leaves_the_script_is_told_where(steps: list[Step], sentence: str) -> None:
    with pytest.raises(ScriptError) as caught:
        talking(*steps, Send(b"x"))(echo)
    assert str(caught.value) == sentence


async def connect(target: Target, net: Net) -> str:
    async with net.connect_tcp(target):
        return "connected"


async def ask(target: Target, net: Net) -> str:
    async with net.connect_udp(target) as datagrams:
        await datagrams.send(b"ping")
        return (await datagrams.receive()).decode()


async def execute(target: Target, net: Net) -> str:
    completed = await net.run(["prog", target.destination], {"A": "b"}, 3)
    return f"{completed.status} {completed.stdout!r} {completed.stderr!r}"


@pytest.mark.parametrize(
    ("probe", "script", "sentence"),
    [
        (connect, [], "the check opens a Connection, the script has nothing more"),
        (connect, [Exchange()], "the check opens a Connection, the script has "),
        (ask, [Connection()], "the check opens a Exchange, the script has "),
        (execute, [], "the check opens a Program, the script has nothing more"),
    ],
)
def test_a_check_opens_what_the_script_has(probe: Probe, script: list[Part], sentence: str) -> None:
    with pytest.raises(ScriptError) as caught:
        run(probe, *script)
    assert str(caught.value).startswith(sentence)


def test_a_check_that_leaves_a_connection_open_is_refused() -> None:
    async def leave(target: Target, net: Net) -> str:
        await net.connect_tcp(target).__aenter__()
        return "never closed"

    with pytest.raises(ScriptError, match=r"^the check ended and left its Connection open$"):
        run(leave, Connection())


def test_a_check_that_awaits_asyncio_is_refused() -> None:
    async def sleep(_target: Target, _net: Net) -> str:
        await asyncio.sleep(0)
        return "awake"

    with pytest.raises(ScriptError, match=r"^the check awaits asyncio, which has no script: run it against a server$"):
        run(sleep)


def test_a_bug_in_a_check_comes_out_as_it_is_and_the_connection_is_closed() -> None:
    connection = Connection()

    async def stumble(target: Target, net: Net) -> str:
        async with net.connect_tcp(target):
            raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        run(stumble, connection)
    assert connection.closed


def test_a_check_that_returns_no_text_has_a_bug() -> None:
    async def mute(_target: Target, _net: Net) -> str:
        return None  # type: ignore[return-value]

    assert run(mute).reason == "bug"


# Interruptions


def test_interrupted_puts_the_interruption_in_the_place_of_each_thing_the_peer_does() -> None:
    steps: list[Step] = [Send(b"a"), Receive(b"b"), StartTls(), Send(b"c")]
    connections = list(interrupted(steps, Hang()))
    assert [connection._steps for connection in connections] == [
        [Hang()],
        [Send(b"a"), Receive(b"b"), Hang()],
        [Send(b"a"), Receive(b"b"), StartTls(), Hang()],
    ]


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_check_that_hangs_is_thrown_out_and_closes_behind_itself(chunk_bytes: int | None) -> None:
    ended = []

    async def probe(target: Target, net: Net) -> str:
        net.stage("saying hello")
        try:
            async with net.connect_tcp(target) as stream:
                return await echo(stream)
        finally:
            ended.append(net.time_left())

    for connection in interrupted(ECHO, Hang()):
        result = run(probe, connection, timeout_seconds=2.0, chunk_bytes=chunk_bytes)
        assert failure(result) == (Outcome.FAIL, "timeout", "saying hello: no answer within 2 s")
        assert result.duration_seconds == 2.0
        assert connection.closed
    assert len(ended) == 1


@pytest.mark.parametrize("error", [CheckFailed("status", "no"), LocalFault("no")])
def test_the_stage_stands_before_what_a_check_raises(error: Exception) -> None:
    async def probe(_target: Target, net: Net) -> str:
        net.stage("step 2")
        raise error

    assert run(probe).detail == "step 2: no"


def test_a_check_that_cleans_up_after_its_deadline_may_not_wait() -> None:
    waited = []

    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            try:
                return await echo(stream)
            finally:
                await stream.write(b"bye\r\n")
                await stream.read_some(1)
                waited.append("for an answer")

    connection = Connection(Receive(b"hello\r\n"), Hang())
    assert run(probe, connection).reason == "timeout"
    assert connection.sent == b"hello\r\nbye\r\n"
    assert waited == []


# TLS


async def encrypt(stream: Stream) -> str:
    await stream.start_tls(ssl.create_default_context(), "www.example.com")
    return str(stream.peer_certificate())


def test_tls_shows_the_certificate_of_the_script() -> None:
    assert talking(StartTls(certificate=b"DER"))(encrypt).detail == "b'DER'"


def test_there_is_no_certificate_without_tls() -> None:
    async def look(stream: Stream) -> str:
        return str(stream.peer_certificate())

    assert talking()(look).detail == "None"


@pytest.mark.parametrize(
    ("step", "reason", "detail"),
    [
        (StartTls(error="certificate refused"), "tls", "certificate refused"),
        (Close(), "tls", "192.0.2.11:80 closed the connection in the middle of TLS"),
        (Reset(), "tls", "192.0.2.11:80 closed the connection in the middle of TLS"),
        (Hang(), "timeout", "no answer within 1 s"),
    ],
)
def test_tls_may_fail_in_each_way(step: Step, reason: str, detail: str) -> None:
    assert failure(talking(step)(encrypt)) == (Outcome.FAIL, reason, detail)


def test_tls_where_the_script_has_none_is_refused() -> None:
    with pytest.raises(ScriptError, match=r"^the check starts TLS while the script has Send"):
        talking(Send(b"x"))(encrypt)


def test_a_script_has_no_socket_to_hand_over() -> None:
    async def take_over(stream: Stream) -> str:
        return str(stream.detach())

    with pytest.raises(ScriptError, match=r"^the check takes the socket over, and a script has none: run it against"):
        talking()(take_over)


def test_bytes_that_came_before_tls_are_refused() -> None:
    async def talk(stream: Stream) -> str:
        await stream.read_exactly(1)
        return await encrypt(stream)

    result = talking(Send(b"ab"), StartTls())(talk)
    assert failure(result) == (Outcome.FAIL, "protocol", "192.0.2.11:80 sent more before TLS than it was asked for")


# Connections that are kept


def keeping(talk: Callable[[Stream], Awaitable[str]] = echo, reuse: int = 9) -> Probe:
    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target, reuse=reuse) as stream:
            detail = await talk(stream)
            return f"{detail} again" if stream.reused else detail

    return probe


@pytest.mark.parametrize("reused", [False, True])
def test_a_connection_is_kept_when_its_block_ends_well(reused: bool) -> None:
    connection = Connection(*ECHO, reused=reused)
    assert run(keeping(), connection).detail == ("hello! again" if reused else "hello!")
    assert (connection.reuse, connection.kept, connection.closed) == (9, True, True)


async def gives_up(stream: Stream) -> str:
    stream.keep = False
    return await echo(stream)


async def reads_less(stream: Stream) -> str:
    await stream.write(b"hello\r\n")
    return (await stream.read_exactly(1)).decode()


async def fails(stream: Stream) -> str:
    raise CheckFailed("content", await echo(stream))


@pytest.mark.parametrize(
    ("probe", "steps"),
    [
        (keeping(reuse=0), ECHO),
        (keeping(gives_up), ECHO),
        (keeping(reads_less), ECHO),
        (keeping(fails), ECHO),
        (keeping(), [*ECHO, Send(b"more")]),
        (keeping(), [*ECHO, Reset()]),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_connection_is_not_kept_otherwise(probe: Probe, steps: list[Step], chunk_bytes: int | None) -> None:
    connection = Connection(*steps)
    run(probe, connection, chunk_bytes=chunk_bytes)
    assert not connection.kept
    assert connection.closed


@pytest.mark.parametrize("step", [Close(), Reset()])
def test_a_kept_connection_that_breaks_before_an_answer_lets_the_check_begin_again(step: Step) -> None:
    broken, fresh = Connection(Receive(b"hello\r\n"), step, reused=True), Connection(*ECHO)

    async def probe(target: Target, net: Net) -> str:
        detail = await keeping()(target, net)
        net.stage("afterwards")
        return detail

    assert run(probe, broken, fresh).detail == "hello!"
    assert (broken.kept, fresh.kept) == (False, True)
    refused = run(probe, Connection(Receive(b"hello\r\n"), step, reused=True), Connection(Refuse()))
    assert failure(refused) == (Outcome.FAIL, "refused", "connection refused by 192.0.2.11:80")


@pytest.mark.parametrize(("step", "reason"), [(Close(), "closed"), (Reset(), "reset"), (Hang(), "timeout")])
def test_a_kept_connection_that_breaks_within_an_answer_fails_the_check(step: Step, reason: str) -> None:
    assert run(keeping(), Connection(ECHO[0], Send(b"h"), step, reused=True)).reason == reason


@pytest.mark.parametrize(
    ("probe", "script"),
    [
        (keeping(reuse=0), [Connection(*ECHO, reused=True)]),
        (keeping(), [Connection(Receive(b"hello\r\n"), reused=True), Connection(*ECHO, reused=True)]),
    ],
)
def test_a_check_that_makes_a_new_connection_gets_none_that_was_kept(probe: Probe, script: list[Part]) -> None:
    with pytest.raises(ScriptError, match=r"^the script has a connection that was kept, the check makes a new one$"):
        run(probe, *script)


# Datagrams


def asking(talk: Callable[[Datagrams, Net], Awaitable[str]]) -> Probe:
    async def probe(target: Target, net: Net) -> str:
        opened: AbstractAsyncContextManager[Datagrams] = net.connect_udp(target)
        async with opened as datagrams:
            return await talk(datagrams, net)

    return probe


def test_a_datagram_is_answered_as_a_whole() -> None:
    exchange = Exchange(Receive(b"ping"), Send(b"pong"))
    assert run(ask, exchange, chunk_bytes=1).detail == "pong"
    assert (exchange.sent, exchange.closed) == (b"ping", True)


def test_a_datagram_that_never_comes_ends_at_the_deadline() -> None:
    exchange = Exchange(Receive(b"ping"), Hang())
    assert failure(run(ask, exchange)) == (Outcome.FAIL, "timeout", "no answer within 1 s")
    assert exchange.closed


def test_icmps_refusal_arrives_at_the_next_receive() -> None:
    result = run(ask, Exchange(Receive(b"ping"), Refuse()))
    assert failure(result) == (Outcome.FAIL, "refused", "connection refused by 192.0.2.11:80")


def test_icmp_echo_is_an_exchange_too() -> None:
    async def probe(target: Target, net: Net) -> str:
        async with net.connect_icmp(target) as echoes:
            await echoes.send(b"ping")
            return (await echoes.receive()).decode()

    assert run(probe, Exchange(Receive(b"ping"), Send(b"pong"))).detail == "pong"


def test_a_check_that_is_slow_on_the_scripts_clock_lowers_the_weight() -> None:
    async def talk(datagrams: Datagrams, _net: Net) -> str:
        await datagrams.receive_within(0.5)
        return "done"

    check = Probing(asking(talk))
    check.slow = 0.25
    assert run_check(check, Exchange(Hang())).weight_ratio == 0.5


def test_waiting_for_a_datagram_moves_the_clock() -> None:
    async def talk(datagrams: Datagrams, net: Net) -> str:
        await datagrams.send(b"ping")
        missing = await datagrams.receive_within(0.5)
        await datagrams.send(b"ping")
        found = await datagrams.receive_within(0.5)
        return f"{missing!r} {found!r} at {net.now()}, {net.time_left()} left"

    exchange = Exchange(Receive(b"ping"), Receive(b"ping"), Send(b"pong"))
    result = run(asking(talk), exchange, timeout_seconds=1.5)
    assert (result.detail, result.duration_seconds) == ("None b'pong' at 0.5, 1.0 left", 0.5)


# Programs


def test_a_program_ends_as_the_script_says_and_its_output_has_a_limit() -> None:
    program = Program(Completed(2, b"abcd", b"efgh"))
    assert run(execute, program).detail == "2 b'abc' b'efg'"
    assert (program.command, program.environment, program.closed) == (["prog", "rs1"], {"A": "b"}, True)


def test_a_program_may_hang_or_not_start() -> None:
    program = Program(hangs=True)
    assert run(execute, program).reason == "timeout"
    assert program.closed
    program = Program(fault="no such program")
    assert failure(run(execute, program)) == (Outcome.UNKNOWN, "local", "no such program")
    assert program.closed


def test_the_parts_of_a_script_are_used_in_turn() -> None:
    async def probe(target: Target, net: Net) -> str:
        return " ".join([await connect(target, net), await ask(target, net), await execute(target, net)])

    script = (Connection(), Exchange(Receive(b"ping"), Send(b"pong")), Program())
    assert run(probe, *script).detail == "connected pong 0 b'' b''"


def test_a_check_is_aimed_as_its_options_say() -> None:
    async def tell(target: Target, _net: Net) -> str:
        return f"{target.endpoint} {target.destination} {target.service}"

    check = Probing(tell)
    check.port = 9000
    assert run_check(check).detail == "192.0.2.11:9000 rs1 web"


# Virtual time


def test_hours_pass_at_once_and_exactly() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        await asyncio.sleep(3600.5)
        times.append(loop.time())
        await asyncio.gather(asyncio.sleep(10), asyncio.sleep(20))
        return [*times, loop.time()]

    assert run_virtual(main()) == [0.0, 3600.5, 3620.5]


def test_timers_come_in_their_order() -> None:
    async def main() -> list[str]:
        came: list[str] = []

        async def come(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            came.append(f"{name} at {asyncio.get_running_loop().time():g}")

        async with asyncio.TaskGroup() as group:
            group.create_task(come("late", 60))
            group.create_task(come("early", 1))
        return came

    assert run_virtual(main()) == ["early at 1", "late at 60"]


def test_a_deadline_passes_in_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(60)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 5.0


def test_what_can_never_happen_is_an_error_and_no_hang() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match=r"^every task waits, and nothing is left that could ever happen$"):
        run_virtual(main())


def test_what_is_ready_comes_before_time_moves() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_soon_threadsafe(done.set_result, None)
        await done
        return loop.time()

    assert run_virtual(main()) == 0.0
