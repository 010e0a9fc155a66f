import asyncio
import contextlib
import errno
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from feedback.director import forwarder as forwarder_module
from feedback.director.forwarder import Forwarder
from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    SetDestination,
    SetService,
)
from feedback.director.table.memory import MemoryTable
from feedback.model import Counters, Destination, Endpoint, Forwarding, ServiceKey, Transport, VirtualService

pytestmark = pytest.mark.loopback

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
DEADLINE_SECONDS = 10.0


def free_endpoint(address: str = "127.0.0.1") -> Endpoint:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return Endpoint(address, probe.getsockname()[1])


class Bench:
    """A forwarder on a memory table, with one TCP service and realservers that a test starts."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.vip = endpoint
        self.key = ServiceKey.at(Transport.TCP, endpoint)
        self.table = MemoryTable()
        self.forwarder = Forwarder(self.table)
        self.servers: list[asyncio.Server] = []

    async def serve(self, handler: Handler) -> Endpoint:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        self.servers.append(server)
        return Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])

    async def serve_name(self, name: str) -> Endpoint:
        """Start a realserver that sends its name and closes."""

        async def send_name(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(name.encode())
            await close(writer)

        return await self.serve(send_name)

    async def serve_echo(self) -> Endpoint:
        """Start a realserver that sends back all it gets, and ends when the client does."""

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            await close(writer)

        return await self.serve(echo)

    async def add_service(self, scheduler: str = "wrr", persistence_seconds: int = 0) -> None:
        assert not await self.table.apply([AddService(VirtualService(self.key, scheduler, persistence_seconds))])

    async def add(self, endpoint: Endpoint, weight: int = 1, upper_threshold: int = 0) -> None:
        added = Destination(endpoint, Forwarding.MASQUERADE, weight, upper_threshold)
        assert not await self.table.apply([AddDestination(self.key, added)])

    async def set_weight(self, endpoint: Endpoint, weight: int) -> None:
        assert not await self.table.apply([SetDestination(self.key, destination(endpoint, weight))])

    async def remove(self, endpoint: Endpoint) -> None:
        assert not await self.table.apply([DeleteDestination(self.key, endpoint)])

    def counters(self, endpoint: Endpoint) -> Counters:
        return self.table.state()[self.key].counters[endpoint]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the service; its listener comes a moment after its entry in the table."""
        return await eventually(lambda: asyncio.open_connection(self.vip.address, self.vip.port))

    async def get(self) -> str:
        """Connect, and return what is sent until the end. Raises ConnectionError when cut."""
        reader, writer = await self.connect()
        try:
            return (await reader.read()).decode()
        finally:
            await close(writer)

    async def get_after_end(self, said: bytes) -> bytes:
        """Connect, say something and the end at once, and return the answer."""
        reader, writer = await self.connect()
        writer.write(said)
        writer.write_eof()
        answer = await reader.read()
        await close(writer)
        return answer


def destination(endpoint: Endpoint, weight: int) -> Destination:
    return Destination(endpoint, Forwarding.MASQUERADE, weight)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def eventually(
    connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                return await connect()
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():  # noqa: ASYNC110 - what is waited for is elsewhere and has no event
            await asyncio.sleep(0.005)


def refuses(endpoint: Endpoint) -> bool:
    with socket.socket() as client:
        return client.connect_ex((endpoint.address, endpoint.port)) == errno.ECONNREFUSED


@contextlib.asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[None]:
    task = asyncio.create_task(bench.forwarder.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        for server in bench.servers:
            server.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench(free_endpoint())
    async with running(bench):
        yield bench


async def test_connections_are_shared_by_weight_under_wrr(bench: Bench) -> None:
    await bench.add_service("wrr")
    for name, weight in (("a", 1), ("b", 2), ("c", 3)):
        await bench.add(await bench.serve_name(name), weight)
    assert Counter([await bench.get() for _ in range(12)]) == {"a": 2, "b": 4, "c": 6}


async def test_the_destination_added_last_is_the_first_in_the_list_as_in_the_kernel(bench: Bench) -> None:
    await bench.add_service("rr")
    for name in "abc":
        await bench.add(await bench.serve_name(name))
    assert [await bench.get() for _ in range(4)] == ["c", "b", "a", "c"]


async def test_open_connections_decide_under_wlc(bench: Bench) -> None:
    await bench.add_service("wlc")
    small, large = await bench.serve_echo(), await bench.serve_echo()
    await bench.add(small, 1)
    await bench.add(large, 3)
    writers = [(await bench.connect())[1] for _ in range(8)]
    await until(lambda: bench.counters(small).active_connections + bench.counters(large).active_connections == 8)
    assert (bench.counters(small).active_connections, bench.counters(large).active_connections) == (2, 6)
    for writer in writers:
        await close(writer)


async def test_connections_that_have_ended_go_on_counting_a_little_under_lc(bench: Bench) -> None:
    await bench.add_service("lc")
    for name in "ab":
        await bench.add(await bench.serve_name(name))
    assert Counter([await bench.get() for _ in range(10)]) == {"a": 5, "b": 5}


@pytest.mark.parametrize("scheduler", ["rr", "wrr", "lc", "wlc"])
async def test_a_destination_at_its_upper_threshold_gets_no_new_connection_until_it_is_below_the_lower(
    bench: Bench, scheduler: str
) -> None:
    await bench.add_service(scheduler)
    small, large = await bench.serve_echo(), await bench.serve_echo()
    await bench.add(small, upper_threshold=2)
    await bench.add(large)
    writers = [(await bench.connect())[1] for _ in range(8)]
    await until(lambda: bench.counters(small).active_connections + bench.counters(large).active_connections == 8)
    assert bench.counters(small).active_connections == 2
    for writer in writers:
        await close(writer)
    await until(lambda: not bench.counters(small).active_connections)
    writers = [(await bench.connect())[1] for _ in range(8)]
    await until(lambda: bench.counters(small).active_connections == 2)
    for writer in writers:
        await close(writer)


async def test_where_all_are_full_clients_are_reset_but_those_whom_persistence_brings(bench: Bench) -> None:
    await bench.add_service("rr", persistence_seconds=60)
    only = await bench.serve_echo()
    await bench.add(only, upper_threshold=1)
    _, first = await bench.connect()
    _, second = await bench.connect()
    await until(lambda: bench.counters(only).active_connections == 2)
    reader, writer = await eventually(
        lambda: asyncio.open_connection(bench.vip.address, bench.vip.port, local_addr=("127.0.0.2", 0))
    )
    with pytest.raises(ConnectionError):
        await reader.readexactly(1)
    for each in (first, second, writer):
        await close(each)


async def test_weight_zero_gets_no_new_connection_and_keeps_those_it_has(bench: Bench) -> None:
    await bench.add_service()
    echo = await bench.serve_echo()
    await bench.add(echo, 5)
    reader, writer = await bench.connect()
    writer.write(b"before")
    assert await reader.readexactly(6) == b"before"
    await bench.set_weight(echo, 0)
    await bench.add(await bench.serve_name("other"))
    assert [await bench.get() for _ in range(3)] == ["other"] * 3
    writer.write(b"after")
    assert await reader.readexactly(5) == b"after"
    await close(writer)


async def test_removing_a_destination_cuts_its_connections_and_no_others(bench: Bench) -> None:
    await bench.add_service("rr")
    gone, kept = await bench.serve_echo(), await bench.serve_echo()
    await bench.add(kept)
    await bench.add(gone)
    cut_reader, cut_writer = await bench.connect()
    kept_reader, kept_writer = await bench.connect()
    for reader, writer in ((cut_reader, cut_writer), (kept_reader, kept_writer)):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
    await bench.remove(gone)
    with pytest.raises(ConnectionResetError):
        await cut_reader.read()
    kept_writer.write(b"y")
    assert await kept_reader.readexactly(1) == b"y"
    await close(cut_writer)
    await close(kept_writer)


async def test_a_destination_that_comes_back_starts_without_connections(bench: Bench) -> None:
    await bench.add_service()
    echo = await bench.serve_echo()
    await bench.add(echo)
    reader, writer = await bench.connect()
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    await bench.remove(echo)
    await bench.add(echo)
    await close(writer)
    await until(lambda: bench.counters(echo).active_connections == 0)
    reader, writer = await bench.connect()
    writer.write(b"y")
    assert await reader.readexactly(1) == b"y"
    assert bench.counters(echo).active_connections == 1
    await close(writer)


async def test_a_dead_destination_is_the_clients_error_and_nothing_is_tried_elsewhere(bench: Bench) -> None:
    await bench.add_service("rr")
    dead = free_endpoint()
    await bench.add(await bench.serve_name("alive"))
    await bench.add(dead)
    with pytest.raises(ConnectionResetError):
        await bench.get()
    assert await bench.get() == "alive"
    with pytest.raises(ConnectionResetError):
        await bench.get()
    assert bench.counters(dead).total_connections == 2
    await until(lambda: bench.counters(dead).active_connections == 0)


async def test_a_client_is_reset_while_no_destination_may_be_chosen(bench: Bench) -> None:
    await bench.add_service()
    with pytest.raises(ConnectionResetError):
        await bench.get()
    server = await bench.serve_name("a")
    await bench.add(server, 0)
    with pytest.raises(ConnectionResetError):
        await bench.get()
    await bench.set_weight(server, 1)
    assert await bench.get() == "a"


async def test_ten_megabytes_pass_both_ways_intact_through_bounded_buffers(bench: Bench) -> None:
    await bench.add_service()
    await bench.add(await bench.serve_echo())
    reader, writer = await bench.connect()
    sent = bytes(range(256)) * (10 * 1024 * 4)

    async def send() -> None:
        for start in range(0, len(sent), 65536):
            writer.write(sent[start : start + 65536])
            await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    assert await reader.read() == b""[:0] + sent
    await sending
    await close(writer)


async def test_a_sender_waits_while_the_receiver_does_not_read(bench: Bench) -> None:
    release = asyncio.Event()
    received = bytearray()

    async def read_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        while data := await reader.read(1 << 20):
            received.extend(data)
        await close(writer)

    await bench.add_service()
    await bench.add(await bench.serve(read_late))
    reader, writer = await bench.connect()
    size = 64 * 1024 * 1024
    sent = 0

    async def send() -> None:
        nonlocal sent
        while sent < size:
            writer.write(bytes(65536))
            await writer.drain()
            sent += 65536
        writer.write_eof()

    sending = asyncio.create_task(send())
    stalled_at = -1
    async with asyncio.timeout(DEADLINE_SECONDS):
        while stalled_at != sent or not sent:  # stands still over ten turns of the loop and a tenth of a second
            stalled_at = sent
            await asyncio.sleep(0.1)
    assert sent < size / 2
    release.set()
    await sending
    assert await reader.read() == b""
    assert len(received) == size
    await close(writer)


async def test_a_half_closed_connection_goes_on_in_the_other_direction(bench: Bench) -> None:
    async def answer_after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.read()
        writer.write(question.upper())
        await close(writer)

    await bench.add_service()
    await bench.add(await bench.serve(answer_after_the_end))
    reader, writer = await bench.connect()
    writer.write(b"question")
    writer.write_eof()
    assert await reader.read() == b"QUESTION"
    await close(writer)


async def test_a_reset_by_the_destination_is_a_reset_for_the_client(bench: Bench) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        forwarder_reset(writer)

    await bench.add_service()
    await bench.add(await bench.serve(cut))
    reader, writer = await bench.connect()
    writer.write(b"xyz")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    await close(writer)


def forwarder_reset(writer: asyncio.StreamWriter) -> None:
    opened = writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def test_connections_are_counted_in_the_table_from_first_to_last(bench: Bench) -> None:
    await bench.add_service()
    echo = await bench.serve_echo()
    await bench.add(echo)
    reader, writer = await bench.connect()
    writer.write(b"x")
    await reader.readexactly(1)
    assert bench.counters(echo) == Counters(active_connections=1, total_connections=1)
    await close(writer)
    await until(lambda: bench.counters(echo).active_connections == 0)
    assert bench.counters(echo).total_connections == 1


async def test_a_client_that_is_gone_before_its_destination_answers_is_counted_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = socket.socket()  # nobody accepts, and its queue is full: a connection neither succeeds nor fails
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(3)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    monkeypatch.setattr(forwarder_module, "CONNECT_TIMEOUT_SECONDS", 0.2)
    await bench.add_service()
    endpoint = Endpoint(*full.getsockname())
    await bench.add(endpoint)
    _, writer = await bench.connect()
    await until(lambda: bench.counters(endpoint).active_connections == 1)
    await close(writer)
    await until(lambda: bench.counters(endpoint).active_connections == 0)
    for one in [*waiting, full]:
        one.close()


async def test_silent_connections_are_cut_after_their_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder_module, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(forwarder_module, "ESTABLISHED_SWEEPS", 3)
    bench = Bench(free_endpoint())
    async with running(bench):
        await bench.add_service()
        await bench.add(await bench.serve_echo())
        reader, writer = await bench.connect()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await close(writer)


async def test_more_connections_than_half_the_descriptors_carry_are_reset(bench: Bench) -> None:
    bench.forwarder._max_relays = 2
    await bench.add_service()
    await bench.add(await bench.serve_echo())
    kept = [await bench.connect() for _ in range(2)]
    for reader, writer in kept:
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
    with pytest.raises(ConnectionResetError):
        await bench.get()
    for _, writer in kept:
        await close(writer)
    await until(lambda: bench.forwarder._relays == 0)
    reader, writer = await bench.connect()
    writer.write(b"y")
    assert await reader.readexactly(1) == b"y"
    await close(writer)


async def test_a_client_comes_back_to_its_destination_with_persistence(bench: Bench) -> None:
    await bench.add_service("rr", persistence_seconds=60)
    servers = {name: await bench.serve_name(name) for name in "abc"}
    for server in servers.values():
        await bench.add(server)
    first = await bench.get()
    assert [await bench.get() for _ in range(3)] == [first] * 3
    await bench.set_weight(servers[first], 0)
    second = await bench.get()
    assert second != first
    assert await bench.get() == second


async def test_an_unknown_scheduler_is_replaced_with_one_warning(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.add_service("lblc")
    await bench.add(await bench.serve_name("a"))
    await bench.add(await bench.serve_name("b"))
    assert {await bench.get() for _ in range(4)} == {"a", "b"}
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        f"{bench.key}: the embedded forwarder has no scheduler lblc and uses wlc"
    ]


async def test_a_changed_scheduler_counts_from_the_next_connection(bench: Bench) -> None:
    await bench.add_service("wrr")
    await bench.add(await bench.serve_name("a"), 1)
    await bench.add(await bench.serve_name("b"), 5)
    assert [await bench.get() for _ in range(5)] == ["b", "a", "b", "b", "b"]
    await bench.table.apply([SetService(VirtualService(bench.key, "rr"))])
    assert [await bench.get() for _ in range(4)] == ["b", "a", "b", "a"]


async def test_a_deleted_service_stops_listening_and_its_connections_are_cut(bench: Bench) -> None:
    await bench.add_service()
    await bench.add(await bench.serve_echo())
    reader, writer = await bench.connect()
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    await bench.table.apply([DeleteService(bench.key)])
    with pytest.raises(ConnectionResetError):
        await reader.read()
    await close(writer)
    await until(lambda: refuses(bench.vip))


async def test_an_address_in_use_is_logged_once_and_taken_when_it_is_free(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(forwarder_module, "REBIND_SECONDS", 0.02)
    bench = Bench(free_endpoint())
    with socket.socket() as occupier:
        occupier.bind((bench.vip.address, bench.vip.port))
        occupier.listen()
        async with running(bench):
            await bench.add_service()
            await bench.add(await bench.serve_name("a"))
            await until(lambda: bool(caplog.records))
            await asyncio.sleep(0.1)  # several more tries, which must not be logged
            occupier.close()
            assert await bench.get() == "a"
    assert [record.getMessage() for record in caplog.records] == [
        f"{bench.key} can't be listened on, so nothing is forwarded: Address already in use"
    ]


async def test_services_other_than_tcp_are_left_alone(bench: Bench) -> None:
    other = ServiceKey.at(Transport.UDP, bench.vip)
    assert not await bench.table.apply([AddService(VirtualService(other, "rr"))])
    await bench.add_service()
    await bench.add(await bench.serve_name("a"))
    assert await bench.get() == "a"


async def test_ipv6_is_forwarded_too() -> None:
    bench = Bench(free_endpoint("::1"))
    async with running(bench):
        await bench.add_service()
        server = await asyncio.start_server(
            lambda _reader, writer: writer.close(),
            "::1",
            0,
        )
        bench.servers.append(server)
        await bench.add(Endpoint("::1", server.sockets[0].getsockname()[1]))
        assert await bench.get() == ""


async def test_when_it_is_cancelled_everything_is_closed() -> None:
    bench = Bench(free_endpoint())
    async with running(bench):
        await bench.add_service()
        await bench.add(await bench.serve_echo())
        reader, writer = await bench.connect()
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
    with pytest.raises(ConnectionResetError):
        await reader.read()
    await close(writer)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(bench.vip.address, bench.vip.port)


async def test_what_a_client_says_before_its_destination_is_connected_arrives_first(bench: Bench) -> None:
    await bench.add_service()
    await bench.add(await bench.serve_echo())
    await bench.get_after_end(b"")  # the listener is there now
    for _ in range(20):
        assert await bench.get_after_end(b"all at once") == b"all at once"


@pytest.mark.parametrize(
    "scenario",
    [
        test_connections_are_shared_by_weight_under_wrr,
        test_removing_a_destination_cuts_its_connections_and_no_others,
        test_a_dead_destination_is_the_clients_error_and_nothing_is_tried_elsewhere,
        test_ten_megabytes_pass_both_ways_intact_through_bounded_buffers,
        test_a_sender_waits_while_the_receiver_does_not_read,
        test_a_half_closed_connection_goes_on_in_the_other_direction,
        test_a_reset_by_the_destination_is_a_reset_for_the_client,
        test_connections_are_counted_in_the_table_from_first_to_last,
        test_what_a_client_says_before_its_destination_is_connected_arrives_first,
    ],
)
def test_it_does_the_same_on_the_other_event_loop(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    """The director runs on uvloop, whose transports start reading a moment earlier and end a moment later."""

    async def play() -> None:
        bench = Bench(free_endpoint())
        async with running(bench):
            await scenario(bench)

    uvloop.run(play())
