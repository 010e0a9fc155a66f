"""Connections kept from one run to the next: used again, dropped when they end, replaced when they turn out broken."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from feedback.checks.check import Check
from feedback.checks.runner import Runner
from feedback.director.config import Cadence, CheckConfig
from feedback.director.health import CheckHealth
from feedback.director.prober import ProbeConfig, ProbeKey, Prober
from feedback.engine import Engine, kept
from feedback.engine.kept import Kept
from feedback.errors import CheckFailed
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Net, Stream, Target
from tests.checks import peers
from tests.checks.peers import MadeAsyncioCheck, MadeCheck, check_once, outcome, tcp_peer
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

EITHER = pytest.mark.parametrize("made", [MadeCheck, MadeAsyncioCheck], ids=["direct", "task"])
Made = type[MadeCheck]
Answer = Callable[[int, int], bytes]


class Server:
    """Answers each line it hears by a function of the connection's number and the line's; b"" ends the connection."""

    def __init__(self, answer: Answer = lambda connection, line: b"%d.%d\n" % (connection, line)) -> None:
        self.answer = answer
        self.connections = 0
        self.open: dict[int, socket.socket] = {}
        self.heard: list[bytes] = []

    async def talk(self, connection: socket.socket) -> None:
        self.connections += 1
        number, line = self.connections, 0
        self.open[number] = connection
        try:
            while heard := await peers.hear(connection):
                line += 1
                self.heard.append(heard)
                said = self.answer(number, line)
                if not said:
                    return
                await peers.say(connection, said)
        finally:
            del self.open[number]


async def ask(stream: Stream) -> str:
    await stream.write(b"ping\n")
    return (await stream.read_until(b"\n", 100)).decode().strip() + (" again" if stream.reused else "")


def asking(made: Made, reuse: int = 9, brief: bool = False) -> Check:
    """Return a check that asks once."""

    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target, reuse=reuse, brief=brief) as stream:
            return await ask(stream)

    return made(function=probe)


class Bench:
    """A runner on an engine, and what the runs of one probe keep."""

    def __init__(self) -> None:
        self.engine = Engine(asyncio.get_running_loop())
        self.runner = Runner(self.engine)
        self.kept = Kept()

    async def run(self, check: Check, endpoint: Endpoint, timeout_seconds: float = 10.0) -> tuple[Outcome, str, str]:
        """Run a check once, and let what was kept hear of what has happened meanwhile."""
        results: list[CheckResult] = []
        self.runner.start(check, Target(endpoint), timeout_seconds, results.append, self.kept)
        await peers.until(lambda: bool(results))
        return outcome(results[0])

    async def details(self, check: Check, endpoint: Endpoint, count: int) -> list[str]:
        """Run a check so often, one run after the other."""
        return [(await self.run(check, endpoint))[2] for _ in range(count)]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    made.engine.close()


@EITHER
@pytest.mark.parametrize("brief", [False, True])
async def test_a_connection_is_used_again_so_many_times_in_a_row(bench: Bench, made: Made, brief: bool) -> None:
    server = Server()
    before = peers.descriptors()
    async with tcp_peer(server.talk) as endpoint:
        details = await bench.details(asking(made, reuse=2, brief=brief), endpoint, 7)
        assert details == ["1.1", "1.2 again", "1.3 again", "2.1", "2.2 again", "2.3 again", "3.1"]
        await peers.until(lambda: list(server.open) == [3])
        bench.kept.close()
        await peers.until(lambda: not server.open)
    await peers.until(lambda: peers.descriptors() == before)


@EITHER
async def test_a_connection_without_reuse_is_closed(bench: Bench, made: Made) -> None:
    server = Server()
    async with tcp_peer(server.talk) as endpoint:
        assert await bench.details(asking(made, reuse=0), endpoint, 2) == ["1.1", "2.1"]
        await peers.until(lambda: not server.open)


async def test_the_command_line_keeps_nothing() -> None:
    server = Server()
    async with tcp_peer(server.talk) as endpoint:
        assert await check_once(asking(MadeCheck), endpoint) == (Outcome.PASS, "", "1.1")
        await peers.until(lambda: not server.open)


async def closes(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


async def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, peers.LINGER_0)
    connection.shutdown(socket.SHUT_RD)  # lets its talk end, which closes it


async def babbles(connection: socket.socket) -> None:
    await peers.say(connection, b"goodbye\n")


@EITHER
@pytest.mark.parametrize("happens", [closes, resets, babbles])
async def test_what_happens_to_an_idle_connection_drops_it_at_once_and_nobody_hears_of_it(
    bench: Bench, made: Made, happens: Callable[[socket.socket], Coroutine[Any, Any, None]]
) -> None:
    server = Server()
    async with tcp_peer(server.talk) as endpoint:
        assert await bench.details(asking(made), endpoint, 2) == ["1.1", "1.2 again"]
        await happens(server.open[1])
        await peers.until(lambda: not server.open)
        assert await bench.details(asking(made), endpoint, 2) == ["2.1", "2.2 again"]


async def test_what_has_happened_to_an_idle_connection_is_seen_before_the_loop_tells_of_it(bench: Bench) -> None:
    with peers.listener() as listening:
        endpoint = peers.endpoint_of(listening)

        async def connects(target: Target, net: Net) -> str:
            async with net.connect_tcp(target, reuse=9) as stream:
                return f"reused: {stream.reused}"

        check = MadeCheck(function=connects)
        assert await bench.run(check, endpoint) == (Outcome.PASS, "", "reused: False")
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"goodbye\n")  # the loop does not run between this and the start
            assert await bench.run(check, endpoint) == (Outcome.PASS, "", "reused: False")
            assert await bench.run(check, endpoint) == (Outcome.PASS, "", "reused: True")


@EITHER
async def test_a_kept_connection_that_breaks_before_an_answer_lets_the_run_begin_again(
    bench: Bench, made: Made
) -> None:
    server = Server(lambda connection, line: b"" if line > 1 else b"%d\n" % connection)
    async with tcp_peer(server.talk) as endpoint:
        assert await bench.details(asking(made), endpoint, 3) == ["1", "2", "3"]
    assert server.heard == [b"ping\n"] * 5


@EITHER
async def test_a_run_begins_again_without_a_stage_and_takes_no_other_kept_connection(bench: Bench, made: Made) -> None:
    bad = Server(lambda _, line: b"" if line > 1 else b"x\n")
    good = Server()
    reused: list[list[bool]] = []
    async with tcp_peer(bad.talk) as first, tcp_peer(good.talk) as second:

        async def probe(_target: Target, net: Net) -> str:
            reused.append([])
            async with net.connect_tcp(second, reuse=9) as stream:
                reused[-1].append(stream.reused)
                await ask(stream)
            async with net.connect_tcp(first, reuse=9) as stream:
                reused[-1].append(stream.reused)
                await ask(stream)
                net.stage("the last")
            raise CheckFailed("content", "it was so")

        check = made(function=probe)
        for _ in range(2):
            assert await bench.run(check, first) == (Outcome.FAIL, "content", "the last: it was so")
    assert reused == [[False, False], [True, True], [False, False]]


@EITHER
async def test_a_server_that_never_answers_fails_the_check_on_the_new_connection(bench: Bench, made: Made) -> None:
    server = Server(lambda connection, _line: b"%d\n" % connection if connection == 1 and not server.heard[1:] else b"")
    async with tcp_peer(server.talk) as endpoint:
        assert await bench.run(asking(made), endpoint) == (Outcome.PASS, "", "1")
        failure = (Outcome.FAIL, "closed", f"{endpoint} closed the connection after 0 bytes")
        assert await bench.run(asking(made), endpoint) == failure
    assert server.connections == 2


@EITHER
async def test_a_kept_connection_that_breaks_within_an_answer_fails_the_check(bench: Bench, made: Made) -> None:
    async def talk(connection: socket.socket) -> None:
        await peers.hear(connection)
        await peers.say(connection, b"1\n")
        await peers.hear(connection)
        await peers.say(connection, b"2")

    async with tcp_peer(talk) as endpoint:
        assert await bench.run(asking(made), endpoint) == (Outcome.PASS, "", "1")
        failure = (Outcome.FAIL, "closed", f"{endpoint} closed the connection after 1 byte")
        assert await bench.run(asking(made), endpoint) == failure


@EITHER
async def test_a_kept_connection_that_is_silent_is_a_timeout(bench: Bench, made: Made) -> None:
    async def talk(connection: socket.socket) -> None:
        await peers.hear(connection)
        await peers.say(connection, b"1\n")
        await peers.silent(connection)

    async with tcp_peer(talk) as endpoint:
        assert await bench.run(asking(made), endpoint) == (Outcome.PASS, "", "1")
        result = await bench.run(asking(made), endpoint, 0.2)
        assert result == (Outcome.FAIL, "timeout", f"no answer from {endpoint} within 0.2 s")


@EITHER
async def test_a_goodbye_to_nobody_after_the_deadline_is_no_bug(
    bench: Bench, made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target, reuse=9) as stream:
            if not stream.reused:
                return await ask(stream)
            try:
                await stream.write(b"ping\n")
                await net.run(["sleep", "1000"], {}, 10)
            finally:
                await stream.write(b"quit\n")
        return "never"

    async def talk(connection: socket.socket) -> None:
        await peers.hear(connection)
        await peers.say(connection, b"1\n")
        await peers.reset(connection)

    async with tcp_peer(talk) as endpoint:
        assert await bench.run(made(function=probe), endpoint) == (Outcome.PASS, "", "1")
        result = await bench.run(made(function=probe), endpoint, 0.5)
        assert result == (Outcome.FAIL, "timeout", "no end of sleep within 0.5 s")
    assert not caplog.records


async def fails(_stream: Stream) -> None:
    raise CheckFailed("content", "no")


async def gives_up(stream: Stream) -> None:
    stream.keep = False


async def reads_ahead(stream: Stream) -> None:
    assert await stream.read_until(b"\n", 100) == b"one\n"


async def reads_less(stream: Stream) -> None:
    assert await stream.read_some(2) == b"on"


@EITHER
@pytest.mark.parametrize("then", [fails, gives_up, reads_ahead, reads_less])
async def test_a_connection_is_not_kept_after_a_failure_nor_with_something_left_nor_where_the_check_says_so(
    bench: Bench, made: Made, then: Callable[[Stream], Coroutine[Any, Any, None]]
) -> None:
    reused = []

    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target, reuse=9) as stream:
            reused.append(stream.reused)
            await stream.write(b"ping\n")
            await then(stream)
            return "done"

    server = Server(lambda *_: b"one\ntwo\n")
    async with tcp_peer(server.talk) as endpoint:
        for _ in range(2):
            await bench.run(made(function=probe), endpoint)
        await peers.until(lambda: server.connections == 2 and not server.open)
    assert reused == [False, False]


async def test_what_nobody_uses_is_closed_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    async with tcp_peer(server.talk) as endpoint:
        monkeypatch.setattr(kept, "IDLE_SECONDS", 0.05)
        assert await bench.run(asking(MadeCheck), endpoint) == (Outcome.PASS, "", "1.1")
        await peers.until(lambda: server.connections == 1 and not server.open)
        monkeypatch.setattr(kept, "IDLE_SECONDS", 60.0)
        assert await bench.details(asking(MadeCheck), endpoint, 2) == ["2.1", "2.2 again"]


@EITHER
async def test_a_run_that_ends_when_nothing_more_is_kept_closes_its_connection(bench: Bench, made: Made) -> None:
    server = Server()

    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target, reuse=9) as stream:
            bench.kept.close()
            return await ask(stream)

    async with tcp_peer(server.talk) as endpoint:
        assert await bench.details(made(function=probe), endpoint, 2) == ["1.1", "2.1"]
        await peers.until(lambda: not server.open)


async def test_a_task_that_goes_on_after_its_deadline_keeps_nothing(bench: Bench) -> None:
    server = Server()

    async def stubborn(target: Target, net: Net) -> str:
        async with net.connect_tcp(target, reuse=9) as stream:
            await ask(stream)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1000)
        return "late"

    async with tcp_peer(server.talk) as endpoint:
        result = await bench.run(MadeAsyncioCheck(function=stubborn), endpoint, 0.2)
        assert result[:2] == (Outcome.FAIL, "timeout")
        await peers.until(lambda: not server.open)


async def test_closing_the_engine_closes_what_is_kept() -> None:
    before = peers.descriptors()
    server = Server()
    async with tcp_peer(server.talk) as endpoint:
        bench = Bench()
        assert await bench.details(asking(MadeCheck), endpoint, 2) == ["1.1", "1.2 again"]
        bench.engine.close()
        bench.kept.close()
        await peers.until(lambda: not server.open)
    await peers.until(lambda: peers.descriptors() == before)


async def test_a_probe_that_stops_closes_what_its_runs_have_kept() -> None:
    server = Server()
    engine = Engine(asyncio.get_running_loop())
    prober = Prober(Runner(engine), time.monotonic, lambda: None)
    async with tcp_peer(server.talk) as endpoint:
        config = CheckConfig(name="ask", check=asking(MadeCheck), cadence=Cadence(interval_seconds=0.05))
        wanted = {ProbeKey("web", "rs1", "ask"): ProbeConfig(config, Target(endpoint))}
        prober.configure(wanted, lambda _key: CheckHealth())
        running = asyncio.create_task(prober.run())
        await peers.until(lambda: len(server.heard) > 2)
        assert server.connections == 1
        prober.configure({}, lambda _key: CheckHealth())
        await peers.until(lambda: not server.open)
        running.cancel()
    engine.close()


@EITHER
async def test_one_connection_to_each_endpoint_is_kept(bench: Bench, made: Made) -> None:
    one, other = Server(), Server()
    async with tcp_peer(one.talk) as endpoint, tcp_peer(other.talk) as elsewhere:

        async def probe(_target: Target, net: Net) -> str:
            async with (
                net.connect_tcp(endpoint, reuse=9) as first,
                net.connect_tcp(endpoint, reuse=9) as second,
                net.connect_tcp(elsewhere, reuse=9) as third,
            ):
                return ", ".join([await ask(first), await ask(second), await ask(third)])

        details = await bench.details(made(function=probe), endpoint, 2)
        assert details == ["1.1, 2.1, 1.1", "2.2 again, 3.1, 1.2 again"]
        await peers.until(lambda: (len(one.open), len(other.open)) == (1, 1))


@EITHER
async def test_tls_goes_on_where_it_was_begun(bench: Bench, made: Made, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("kept", "IP:127.0.0.1")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pair.certificate, pair.key)
    trusting = ssl.create_default_context(cafile=authority.ca_file)
    handshakes = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal handshakes
        handshakes += 1
        lines = 0
        while await reader.readline():
            lines += 1
            if (handshakes, lines) == (2, 2):
                break
            writer.write(b"%d.%d\n" % (handshakes, lines))
        writer.close()

    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target, reuse=2) as stream:
            if not stream.reused:
                await stream.start_tls(trusting, "127.0.0.1")
            assert stream.peer_certificate()
            return await ask(stream)

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving) as server:
        endpoint = peers.endpoint_of(server.sockets[0])
        details = await bench.details(made(function=probe), endpoint, 7)
        assert details == ["1.1", "1.2 again", "1.3 again", "2.1", "3.1", "3.2 again", "3.3 again"]
        bench.kept.close()


async def test_many_runs_leave_no_descriptor_open(bench: Bench) -> None:
    before = peers.descriptors()
    server = Server(lambda connection, line: b"" if (connection + line) % 5 == 0 else b"x\n")
    async with tcp_peer(server.talk) as endpoint:
        checks = [asking(MadeCheck), asking(MadeAsyncioCheck, reuse=3), asking(MadeCheck, reuse=0)]
        counts: Counter[Outcome] = Counter()
        for _ in range(100):
            counts.update([(await bench.run(check, endpoint))[0] for check in checks])
        assert counts[Outcome.UNKNOWN] == 0
        assert counts[Outcome.PASS] > 200
        bench.kept.close()
        await peers.until(lambda: not server.open)
    await peers.until(lambda: peers.descriptors() == before)
