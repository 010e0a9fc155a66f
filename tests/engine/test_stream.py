"""TCP streams on real sockets: peers that refuse, reset, fall silent, drip, flood, and hang up."""

import asyncio
import contextlib
import re
import socket
import ssl
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from feedback.checks.chat import ChatCheck, Step
from feedback.checks.check import Check
from feedback.checks.http import HttpCheck
from feedback.checks.tcp import TcpCheck
from feedback.model import Endpoint, Outcome
from feedback.net import Net, Target
from tests.checks import peers
from tests.checks.peers import ADDRESSES, Flood, Talk, check_once, tcp_peer
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nI'm alive"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def on_loop(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Return what runs a test's coroutine, on either kind of loop."""

    def run(coroutine: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(coroutine)

    return run


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_answer_passes_on_either_loop_and_family(
    on_loop: Callable[[Coroutine[Any, Any, None]], None], address: str
) -> None:
    async def test() -> None:
        async with tcp_peer(peers.answering(OK), address) as endpoint:
            assert await check_once(HttpCheck(body="alive"), endpoint) == (Outcome.PASS, "", "200 OK")

    on_loop(test())


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_deadline_comes_on_either_loop_and_family(
    on_loop: Callable[[Coroutine[Any, Any, None]], None], address: str
) -> None:
    async def test() -> None:
        async with tcp_peer(peers.silent, address) as endpoint:
            result = await check_once(HttpCheck(), endpoint, SOON_SECONDS)
            assert result == (Outcome.FAIL, "timeout", f"no answer from {endpoint} within 0.3 s")

    on_loop(test())


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("check", [TcpCheck(), TcpCheck(quiet=False), HttpCheck()], ids=["quiet", "tcp", "http"])
async def test_a_port_on_which_nobody_listens_refuses(check: Check, address: str) -> None:
    with peers.unheard(address) as bound:
        endpoint = peers.endpoint_of(bound)
        result = await check_once(check, endpoint)
        assert result == (Outcome.FAIL, "refused", f"connection refused by {endpoint}")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("quiet", [True, False])
async def test_a_port_on_which_somebody_listens_is_connected_to(address: str, quiet: bool) -> None:
    with peers.listener(address) as listening:
        result = await check_once(TcpCheck(quiet=quiet), peers.endpoint_of(listening))
        assert result == (Outcome.PASS, "", "connected")


async def test_a_quiet_connection_never_reaches_the_listening_program_and_another_does() -> None:
    with peers.listener() as listening:
        listening.setblocking(False)
        await check_once(TcpCheck(quiet=True), peers.endpoint_of(listening))
        with pytest.raises(BlockingIOError):
            listening.accept()
        await check_once(TcpCheck(quiet=False), peers.endpoint_of(listening))
        connection, _ = listening.accept()
        with connection:
            assert connection.recv(1) == b""


async def test_a_host_that_drops_the_handshake_is_no_connection_in_time() -> None:
    with peers.deaf() as endpoint:
        result = await check_once(TcpCheck(), endpoint, SOON_SECONDS)
        assert result == (Outcome.FAIL, "timeout", f"no connection to {endpoint} within 0.3 s")


async def test_a_program_that_never_accepts_gives_no_answer_in_time() -> None:
    with peers.listener() as listening:
        endpoint = peers.endpoint_of(listening)
        result = await check_once(HttpCheck(), endpoint, SOON_SECONDS)
        assert result == (Outcome.FAIL, "timeout", f"no answer from {endpoint} within 0.3 s")


async def test_a_peer_that_resets_is_said_to() -> None:
    async with tcp_peer(peers.reset) as endpoint:
        result = await check_once(HttpCheck(), endpoint)
        assert result == (Outcome.FAIL, "reset", f"connection reset by {endpoint}")


@pytest.mark.parametrize(("said", "count"), [(b"", 0), (b"HTTP/1.1 2", 10)])
async def test_a_peer_that_closes_early_is_said_to(said: bytes, count: int) -> None:
    async with tcp_peer(peers.answering(said)) as endpoint:
        result = await check_once(HttpCheck(), endpoint)
        assert result == (Outcome.FAIL, "closed", f"the connection was closed after {count} bytes of an answer")


async def test_an_answer_may_end_with_the_connection() -> None:
    async with tcp_peer(peers.answering(b"HTTP/1.0 200 OK\r\n\r\nI'm ", b"alive")) as endpoint:
        assert (await check_once(HttpCheck(body="I'm alive"), endpoint))[0] is Outcome.PASS


@pytest.mark.parametrize(
    ("beginning", "check"),
    [
        (b"HTTP/1.1 200 ", HttpCheck()),
        (b"HTTP/1.1 200 OK\r\nX: ", HttpCheck(expect_headers={"X": "!"})),
        (OK.replace(b" 9", b" 999"), HttpCheck(body="dead")),
        (b"", ChatCheck(steps=[Step(expect="!")])),
    ],
    ids=["status", "header", "body", "chat"],
)
async def test_a_peer_that_drips_fails_at_the_deadline_with_what_has_come(beginning: bytes, check: Check) -> None:
    drip = peers.dripping(b"H")

    async def talk(connection: socket.socket) -> None:
        await peers.say(connection, beginning)
        await drip(connection)

    async with tcp_peer(talk) as endpoint:
        outcome, reason, detail = await check_once(check, endpoint, SOON_SECONDS)
        assert (outcome, reason) == (Outcome.FAIL, "timeout")
        assert re.search(rf"no more than \d+ bytes from {endpoint} within 0\.3 s$", detail)


MEBIBYTE = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("flood", "check", "reason"),
    [
        (Flood(b"", b"\0" * MEBIBYTE), HttpCheck(), "protocol"),
        (Flood(b"HTTP/1.1 200 ", b"O" * MEBIBYTE), HttpCheck(), "limit"),
        (Flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 175_000), HttpCheck(expect_headers={"A": "."}), "limit"),
        (Flood(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * MEBIBYTE), HttpCheck(body="b"), "limit"),
        (Flood(CHUNKED, b"1\r\na\r\n" * 175_000), HttpCheck(body_regex="b"), "limit"),
        (Flood(CHUNKED, b"0" * MEBIBYTE), HttpCheck(body="b"), "protocol"),
        (Flood(b"", b"a" * MEBIBYTE), ChatCheck(steps=[Step(expect="b")]), "limit"),
    ],
    ids=["zeros", "status line", "headers", "body", "chunks", "chunk size", "chat"],
)
async def test_a_peer_that_floods_is_cut_off_and_little_is_held(flood: Flood, check: Check, reason: str) -> None:
    async with tcp_peer(flood) as endpoint:
        tracemalloc.start()
        try:
            result = await check_once(check, endpoint)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert result[:2] == (Outcome.FAIL, reason)
    assert peak_bytes < 4 * MEBIBYTE


@contextlib.contextmanager
def flooding(chunk: bytes) -> Iterator[Endpoint]:
    """Run a process that floods whoever connects, without end: it does not wait for this one's loop."""
    with peers.listener() as listening:
        words = [sys.executable, "-c", FLOOD, str(listening.fileno()), chunk.hex()]
        flood = subprocess.Popen(words, pass_fds=[listening.fileno()])
        try:
            yield peers.endpoint_of(listening)
        finally:
            flood.kill()
            flood.wait()


FLOOD = """
import socket, sys
listening = socket.socket(fileno=int(sys.argv[1]))
chunk = bytes.fromhex(sys.argv[2]) * 10_000
connection, _ = listening.accept()
try:
    while True:
        connection.sendall(chunk)
except ConnectionError:
    pass
"""


class Clock:
    """A timer of the loop that starts itself again, and how often it has fired."""

    def __init__(self) -> None:
        self.ticks = 0
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(0.001, self._tick)

    def _tick(self) -> None:
        self.ticks += 1
        self._timer = self._loop.call_later(0.001, self._tick)

    def stop(self) -> None:
        self._timer.cancel()


HELD_SECONDS = 20.0
"""A check that reads for so long has held the loop: its deadline of one second has not come."""


@pytest.mark.parametrize("made", [peers.MadeCheck, peers.MadeAsyncioCheck])
async def test_a_check_that_reads_without_end_does_not_hold_the_loop(made: type[peers.MadeCheck]) -> None:
    async def swallow(target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            while net.time_left() > -HELD_SECONDS:
                await stream.read_some(1)  # slower than any peer sends
        return "nobody has stopped it"

    clock = Clock()
    with flooding(b"a" * 100) as endpoint:
        outcome, reason, detail = await check_once(made(function=swallow), endpoint, 1.0)
    clock.stop()
    assert (outcome, reason) == (Outcome.FAIL, "timeout")
    assert re.fullmatch(rf"no more than \d+ bytes from {endpoint} within 1 s", detail)
    assert clock.ticks > 3


async def test_the_good_answer_of_a_peer_that_floods_is_seen() -> None:
    async with tcp_peer(Flood(b"HTTP/1.1 200 OK\r\n\r\nI'm alive", b"a" * MEBIBYTE)) as endpoint:
        assert (await check_once(HttpCheck(body="I'm alive"), endpoint))[0] is Outcome.PASS


def writing(count: int) -> peers.MadeCheck:
    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            await stream.write(b"a" * count)
            return (await stream.read_until(b"\n", 100)).decode().strip()

    return peers.MadeCheck(function=probe)


async def test_more_than_the_socket_holds_is_written_as_the_peer_reads_it() -> None:
    count = 32 * MEBIBYTE

    async def talk(connection: socket.socket) -> None:
        heard = 0
        while heard < count:
            heard += len(await peers.hear(connection))
        await peers.say(connection, b"%d\n" % heard)

    async with tcp_peer(talk) as endpoint:
        assert await check_once(writing(count), endpoint) == (Outcome.PASS, "", str(count))


async def test_a_peer_that_does_not_read_leaves_no_room() -> None:
    with peers.listener() as listening:
        endpoint = peers.endpoint_of(listening)
        result = await check_once(writing(32 * MEBIBYTE), endpoint, SOON_SECONDS)
        assert result == (Outcome.FAIL, "timeout", f"no room for more data at {endpoint} within 0.3 s")


def reading(kind: str) -> peers.MadeCheck:
    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            if kind == "until":
                return (await stream.read_until(b"\r\n", 10)).decode()
            return (await stream.read_exactly(6)).decode() + "|" + (await stream.read_some(100)).decode()

    return peers.MadeCheck(function=probe)


def saying(*parts: bytes) -> Talk:
    async def talk(connection: socket.socket) -> None:
        for part in parts:
            await peers.say(connection, part)

    return talk


@pytest.mark.parametrize(
    ("kind", "parts", "outcome", "reason", "detail"),
    [
        ("until", (b"ab\r", b"\nrest"), Outcome.PASS, "", "ab"),
        ("until", (b"abcdefgh\r\n",), Outcome.PASS, "", "abcdefgh"),
        ("until", (b"abcdefghi\r\n",), Outcome.FAIL, "limit", "more than 10 bytes from {} in one piece"),
        ("until", (b"a",), Outcome.FAIL, "closed", "{} closed the connection after 1 byte"),
        ("exactly", (b"abcdefgh",), Outcome.PASS, "", "abcdef|gh"),
        ("exactly", (b"abcdef",), Outcome.PASS, "", "abcdef|"),
        ("exactly", (b"abcde",), Outcome.FAIL, "closed", "{} closed the connection after 5 bytes"),
    ],
)
async def test_reads_end_where_they_should(
    kind: str, parts: tuple[bytes, ...], outcome: Outcome, reason: str, detail: str
) -> None:
    async with tcp_peer(saying(*parts)) as endpoint:
        assert await check_once(reading(kind), endpoint) == (outcome, reason, detail.format(endpoint))


@pytest.mark.parametrize("address", ["255.255.255.255", "fe80::1", "ff02::1"])
async def test_a_way_that_this_host_does_not_have_says_nothing_of_the_service(address: str) -> None:
    endpoint = Endpoint(address, 80)
    outcome, reason, detail = await check_once(TcpCheck(), endpoint)
    assert (outcome, reason) == (Outcome.UNKNOWN, "local")
    assert detail.startswith(f"this host can't reach {endpoint}: ")


async def test_a_second_word_in_a_row_does_not_wait_until_the_first_is_acknowledged() -> None:
    """Nagle's algorithm would let it, and a peer that delays its acknowledgements would cost each run 40 ms."""
    seen: list[int] = []

    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target, brief=True) as stream:
            for heard in (True, False, False):
                await stream.write(b"a")
                seen.append(stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))  # type: ignore[attr-defined]
                if heard:
                    await stream.read_exactly(1)
        return "done"

    async def talk(connection: socket.socket) -> None:
        await peers.say(connection, await peers.hear(connection))
        await peers.silent(connection)

    async with tcp_peer(talk) as endpoint:
        assert (await check_once(peers.MadeCheck(function=probe), endpoint))[0] is Outcome.PASS
    assert seen == [0, 0, 1]


async def test_the_first_word_in_tls_does_not_wait_until_the_handshake_s_end_is_acknowledged(tmp_path: Path) -> None:
    """A server acknowledges it at once by a session ticket; one that gives none, as GnuTLS may, takes 40 ms."""
    pair = Authority(tmp_path).self_signed("own", "own")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(pair.certificate, pair.key)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            await stream.start_tls(trusting, None)
            await stream.write(b"a")
            return str(stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))  # type: ignore[attr-defined]

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0, ssl=serving)
    async with server:
        endpoint = peers.endpoint_of(server.sockets[0])
        assert await check_once(peers.MadeCheck(function=probe), endpoint) == (Outcome.PASS, "", "1")


async def test_a_connection_that_is_handed_over_outlives_its_block_and_its_run() -> None:
    handed: list[socket.socket] = []

    async def take_over(target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            await stream.write(b"1")
            assert await stream.read_exactly(2) == b"-1"
            handed.append(stream.detach())
        return "taken"

    async def talk(connection: socket.socket) -> None:
        while heard := await peers.hear(connection):
            await peers.say(connection, b"-" + heard)

    before = peers.descriptors()
    async with tcp_peer(talk) as endpoint:
        check = peers.MadeAsyncioCheck(function=take_over)
        assert await check_once(check, endpoint) == (Outcome.PASS, "", "taken")
        (plain,) = handed
        assert plain.gettimeout() == 0.0  # as asyncio wants it
        reader, writer = await asyncio.open_connection(sock=plain)
        writer.write(b"2")
        assert await asyncio.wait_for(reader.readexactly(2), 10) == b"-2"
        writer.close()
        await writer.wait_closed()
    await peers.until(lambda: peers.descriptors() == before)


async def test_a_connection_is_not_handed_over_with_what_was_read_ahead() -> None:
    async def take_over(target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            await stream.read_until(b";", 10)
            return str(stream.detach())

    before = peers.descriptors()
    async with tcp_peer(saying(b"a;b")) as endpoint:
        result = await check_once(peers.MadeCheck(function=take_over), endpoint)
        detail = "the check raised RuntimeError: a stream can't be handed over when it is in TLS or has read ahead"
        assert result == (Outcome.UNKNOWN, "bug", detail)
    await peers.until(lambda: peers.descriptors() == before)
