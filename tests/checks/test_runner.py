"""Runs of checks on real sockets: one report each, deadlines, cancelling, bugs, and checks that use asyncio."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from feedback.checks.check import Check
from feedback.checks.http import HttpCheck
from feedback.checks.runner import Handle, Runner, run_once
from feedback.checks.tcp import TcpCheck
from feedback.engine import Engine
from feedback.errors import CheckFailed, LocalFault
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Net, Target
from tests.checks import peers
from tests.checks.peers import MadeAsyncioCheck, MadeCheck, check_once, outcome, tcp_peer

pytestmark = pytest.mark.loopback

NOWHERE = Endpoint("127.0.0.1", 9)
"""Where nothing is sent to."""

Probe = Callable[[Target, Net], Coroutine[Any, Any, Any]]

EITHER = pytest.mark.parametrize("made", [MadeCheck, MadeAsyncioCheck], ids=["direct", "task"])
Made = type[MadeCheck]


class Results(list[CheckResult]):
    """What was reported."""

    async def come(self, count: int = 1) -> None:
        """Wait for so many, and then long enough for one too many."""
        await peers.until(lambda: len(self) >= count)
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(self) == count


class Bench:
    """A runner on an engine, and what it has reported."""

    def __init__(self) -> None:
        self.engine = Engine(asyncio.get_running_loop())
        self.runner = Runner(self.engine)
        self.results = Results()

    def start(self, check: Check, endpoint: Endpoint = NOWHERE, timeout_seconds: float = 10.0) -> Handle:
        return self.runner.start(check, Target(endpoint, "rs1", "web"), timeout_seconds, self.results.append)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    made.engine.close()


async def at_once(_target: Target, _net: Net) -> str:
    return "done"


async def fails(_target: Target, _net: Net) -> str:
    raise CheckFailed("status", "not today")


async def cannot(_target: Target, _net: Net) -> str:
    raise LocalFault("this host is tired")


async def has_a_bug(_target: Target, _net: Net) -> str:
    raise KeyError("x")


async def returns_nothing(_target: Target, _net: Net) -> None:
    pass


async def is_cancelled(_target: Target, _net: Net) -> str:
    raise asyncio.CancelledError


async def hears(target: Target, net: Net) -> str:
    async with net.connect_tcp(target) as stream:
        return (await stream.read_some(100)).decode()


OUTCOMES: list[tuple[Probe, tuple[Outcome, str, str]]] = [
    (at_once, (Outcome.PASS, "", "done")),
    (fails, (Outcome.FAIL, "status", "not today")),
    (cannot, (Outcome.UNKNOWN, "local", "this host is tired")),
    (has_a_bug, (Outcome.UNKNOWN, "bug", "the check raised KeyError: 'x'")),
    (returns_nothing, (Outcome.UNKNOWN, "bug", "the check returned NoneType, must return its detail as str")),
    (is_cancelled, (Outcome.UNKNOWN, "bug", "the check raised CancelledError: ")),
]


@EITHER
@pytest.mark.parametrize(("probe", "wanted"), OUTCOMES)
async def test_a_run_is_reported_once_and_not_before_start_has_returned(
    bench: Bench, made: Made, probe: Probe, wanted: tuple[Outcome, str, str]
) -> None:
    bench.start(made(function=probe))
    assert bench.results == []
    await bench.results.come()
    assert outcome(bench.results[0]) == wanted


@EITHER
@pytest.mark.parametrize("probe", [at_once, fails, has_a_bug])
async def test_a_run_cancelled_before_its_report_is_not_reported(bench: Bench, made: Made, probe: Probe) -> None:
    handle = bench.start(made(function=probe))
    handle.cancel()
    bench.start(made(function=at_once))
    await bench.results.come(1)


@EITHER
async def test_cancelling_closes_the_connection_and_reports_nothing(bench: Bench, made: Made) -> None:
    with peers.listener() as listening:
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        handle = bench.start(made(function=hears), peers.endpoint_of(listening))
        connection, _ = await loop.sock_accept(listening)
        with connection:
            connection.setblocking(False)
            handle.cancel()
            handle.cancel()
            assert await asyncio.wait_for(loop.sock_recv(connection, 1), 10) == b""
    assert bench.results == []


@EITHER
async def test_cancelling_what_is_over_is_harmless(bench: Bench, made: Made) -> None:
    handle = bench.start(made(function=at_once))
    await bench.results.come()
    handle.cancel()
    await bench.results.come()


@EITHER
async def test_the_deadline_closes_the_connection_and_is_reported_once(bench: Bench, made: Made) -> None:
    with peers.listener() as listening:
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        endpoint = peers.endpoint_of(listening)
        bench.start(made(function=hears), endpoint, 0.2)
        connection, _ = await loop.sock_accept(listening)
        with connection:
            connection.setblocking(False)
            assert await asyncio.wait_for(loop.sock_recv(connection, 1), 10) == b""
        await bench.results.come()
        assert outcome(bench.results[0]) == (Outcome.FAIL, "timeout", f"no answer from {endpoint} within 0.2 s")
        assert bench.results[0].duration_seconds >= 0.2


@EITHER
async def test_a_stage_stands_before_a_failure_and_not_before_a_pass(bench: Bench, made: Made) -> None:
    async def staged(target: Target, net: Net) -> str:
        net.stage("step 2, HELO")
        return await hears(target, net)

    async with tcp_peer(peers.dripping(b"a")) as endpoint:
        bench.start(made(function=staged), endpoint)
        await bench.results.come()
    with peers.unheard() as bound:
        endpoint = peers.endpoint_of(bound)
        bench.start(made(function=staged), endpoint)
        await bench.results.come(2)
    passed, failed = bench.results
    assert passed.detail == "a"
    assert failed.detail == f"step 2, HELO: connection refused by {endpoint}"


@EITHER
async def test_a_check_that_swallows_errors_still_ends_at_its_deadline(bench: Bench, made: Made) -> None:
    async def stubborn(target: Target, net: Net) -> str:
        while True:
            try:
                await hears(target, net)
            except Exception:  # noqa: BLE001 - what a careless check does
                continue

    async with tcp_peer(peers.silent) as endpoint:
        bench.start(made(function=stubborn), endpoint, 0.2)
        await bench.results.come()
    assert outcome(bench.results[0])[:2] == (Outcome.FAIL, "timeout")


async def test_a_check_that_goes_on_after_its_deadline_is_a_logged_bug(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def immortal(target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            while True:
                try:
                    await stream.read_some(100)
                except GeneratorExit:
                    raise ValueError("no") from None

    async with tcp_peer(peers.silent) as endpoint:
        bench.start(MadeCheck(function=immortal), endpoint, 0.2)
        await bench.results.come()
    assert outcome(bench.results[0])[:2] == (Outcome.FAIL, "timeout")
    assert "it did not end when it was told to" in caplog.text


@EITHER
async def test_a_block_is_left_when_the_check_is_thrown_out(bench: Bench, made: Made) -> None:
    left = []

    async def tidy(target: Target, net: Net) -> str:
        try:
            return await hears(target, net)
        finally:
            left.append(True)

    async with tcp_peer(peers.silent) as endpoint:
        handle = bench.start(made(function=tidy), endpoint)
        bench.start(made(function=tidy), endpoint, 0.2)
        await bench.results.come()
        assert left == [True]
        handle.cancel()
        await peers.until(lambda: left == [True, True])


@EITHER
async def test_the_time_left_counts_down_from_the_timeout(bench: Bench, made: Made) -> None:
    async def clock(_target: Target, net: Net) -> str:
        left, now = net.time_left(), net.now()
        return f"{0 < left <= 7.0} {net.now() >= now} {net.time_left() <= left}"

    bench.start(made(function=clock), NOWHERE, 7.0)
    await bench.results.come()
    assert bench.results[0].detail == "True True True"


async def test_a_checks_own_address_and_port_are_where_it_goes(bench: Bench) -> None:
    async def tell(target: Target, _net: Net) -> str:
        return f"{target.endpoint} {target.destination} {target.service}"

    bench.start(MadeCheck(function=tell, port=81))
    bench.start(MadeCheck(function=tell, address="::1"))
    await bench.results.come(2)
    assert [result.detail for result in bench.results] == ["127.0.0.1:81 rs1 web", "[::1]:9 rs1 web"]


async def test_a_run_goes_on_while_others_are_cancelled_from_a_report(bench: Bench) -> None:
    """A report may cancel and start runs: whoever waits for several does."""
    async with tcp_peer(peers.silent) as silent, tcp_peer(peers.answering(b"HTTP/1.1 200 OK\r\n\r\n")) as endpoint:
        waiting = bench.start(HttpCheck(), silent)

        def next_one(result: CheckResult) -> None:
            bench.results.append(result)
            waiting.cancel()
            bench.start(HttpCheck(), endpoint)

        bench.runner.start(HttpCheck(), Target(endpoint), 10.0, next_one)
        await bench.results.come(2)
    assert [result.detail for result in bench.results] == ["200 OK", "200 OK"]


async def test_a_report_that_raises_is_logged_and_the_engine_goes_on(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def careless(_result: CheckResult) -> None:
        raise RuntimeError("no more paper")

    with peers.listener() as listening:
        bench.runner.start(TcpCheck(), Target(peers.endpoint_of(listening)), 10.0, careless)
        await peers.until(lambda: "no more paper" in caplog.text)
        bench.start(TcpCheck(), peers.endpoint_of(listening))
        await bench.results.come()


async def test_a_traceback_is_logged_once_for_each_type_of_check(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    class OtherCheck(MadeCheck):
        pass

    OtherCheck.name = "other"
    for check in (MadeCheck(function=has_a_bug), OtherCheck(function=has_a_bug)):
        for _ in range(3):
            bench.start(check)
    await bench.results.come(6)
    assert {result.reason for result in bench.results} == {"bug"}
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(logged) == 2
    assert all(record.exc_info is not None and record.exc_info[0] is KeyError for record in logged)
    assert "bug in the check other, seen at 127.0.0.1:9: the check raised KeyError: 'x'" in caplog.text


async def sleeps(_target: Target, _net: Net) -> str:
    await asyncio.sleep(0.01)
    return "awake"


async def yields(_target: Target, _net: Net) -> str:
    await asyncio.sleep(0)
    return "awake"


async def times_out(_target: Target, _net: Net) -> str:
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        return "awake"
    return "never"


async def gathers(target: Target, net: Net) -> str:
    answers = await asyncio.gather(hears(target, net), hears(target, net), sleeps(target, net))
    return " ".join(answers)


@pytest.mark.parametrize("probe", [sleeps, yields, times_out])
async def test_a_check_that_says_so_may_await_asyncio(probe: Probe) -> None:
    assert await check_once(MadeAsyncioCheck(function=probe), NOWHERE) == (Outcome.PASS, "", "awake")


async def test_a_check_that_uses_asyncio_may_wait_for_several_connections() -> None:
    async with tcp_peer(peers.dripping(b"a")) as endpoint:
        result = await check_once(MadeAsyncioCheck(function=gathers), endpoint)
        assert result[0] is Outcome.PASS
        assert result[2].endswith(" awake")


async def test_a_check_that_uses_asyncio_ends_at_its_deadline() -> None:
    async def dreams(_target: Target, _net: Net) -> str:
        await asyncio.sleep(3600)
        return "awake"

    result = await check_once(MadeAsyncioCheck(function=dreams), NOWHERE, 0.2)
    assert result == (Outcome.FAIL, "timeout", "no result within 0.2 s")


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("probe", [sleeps, yields, gathers])
def test_a_check_that_awaits_asyncio_without_saying_so_has_a_bug(
    probe: Probe, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def check() -> CheckResult:
        return await run_once(MadeCheck(function=probe), Target(NOWHERE), 10.0)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        result = runner.run(check())
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "bug")
    assert result.detail.endswith("it awaits asyncio, and must set uses_asyncio = True")


async def hears_in_time(target: Target, net: Net) -> str:
    async with asyncio.timeout(0.01):
        return await hears(target, net)


@pytest.mark.parametrize("way", ["as the prober does", "run_once"])
async def test_a_timeout_of_asyncio_in_a_check_that_does_not_say_so_is_a_bug_and_cancels_nobody(
    bench: Bench, way: str
) -> None:
    async with tcp_peer(peers.silent) as endpoint:
        check = MadeCheck(function=hears_in_time)
        if way == "run_once":
            result = await run_once(check, Target(endpoint), 10.0)
        else:
            asyncio.get_running_loop().call_soon(bench.start, check, endpoint)
            await bench.results.come()
            result = bench.results[0]
    wanted = (Outcome.UNKNOWN, "bug", "the check raised RuntimeError: Timeout should be used inside a task")
    assert outcome(result) == wanted


class PlainCheck(Check):
    """What somebody writes who forgets `async`."""

    def probe(self, target: Target, net: Net) -> Any:  # noqa: ARG002 - as every check has them
        raise ValueError("not today")


class PlainAsyncioCheck(PlainCheck):
    uses_asyncio = True


@pytest.mark.parametrize("check", [PlainCheck(), PlainAsyncioCheck()])
async def test_a_probe_that_is_no_coroutine_is_a_bug(bench: Bench, check: Check) -> None:
    bench.start(check)
    await bench.results.come()
    assert outcome(bench.results[0]) == (Outcome.UNKNOWN, "bug", "the check raised ValueError: not today")


async def test_a_check_that_can_not_say_where_it_goes_has_a_bug(bench: Bench) -> None:
    class Lost(MadeCheck):
        def aim(self, endpoint: Endpoint) -> Endpoint:
            raise ValueError(f"where is {endpoint}?")

    bench.start(Lost(function=at_once, port=9))
    await bench.results.come()
    assert outcome(bench.results[0]) == (
        Outcome.UNKNOWN,
        "bug",
        "the check raised ValueError: where is 127.0.0.1:9?",
    )


async def test_run_once_that_is_cancelled_before_its_report_has_no_trouble_with_it() -> None:
    loop = asyncio.get_running_loop()
    troubles: list[Any] = []
    loop.set_exception_handler(lambda _loop, trouble: troubles.append(trouble))
    running = asyncio.create_task(run_once(MadeCheck(function=at_once), Target(NOWHERE), 10.0))
    loop.call_soon(running.cancel)
    with pytest.raises(asyncio.CancelledError):
        await running
    for _ in range(5):
        await asyncio.sleep(0)
    assert troubles == []


async def test_run_once_leaves_nothing_open_when_it_is_cancelled() -> None:
    with peers.listener() as listening:
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(run_once(HttpCheck(), Target(peers.endpoint_of(listening)), 10.0))
        connection, _ = await loop.sock_accept(listening)
        with connection:
            connection.setblocking(False)
            await loop.sock_recv(connection, 1000)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            with pytest.raises(ConnectionError):  # a brief connection ends by a reset
                await _end_of(connection)


async def _end_of(connection: socket.socket) -> None:
    while await asyncio.wait_for(peers.hear(connection), 10):
        pass


@EITHER
async def test_a_pass_that_is_slow_has_a_hint_to_the_weight(bench: Bench, made: Made) -> None:
    async def waits(target: Target, net: Net) -> str:
        async with net.connect_udp(target) as datagrams:
            await datagrams.receive_within(0.1)
        return "done"

    with peers.unheard(kind=socket.SOCK_DGRAM) as bound:
        for slow in (0.05, 60.0):
            bench.start(made(function=waits, slow=slow), peers.endpoint_of(bound))
        await bench.results.come(2)
    slow_ratio, fast_ratio = sorted((result.weight_ratio for result in bench.results), key=lambda ratio: ratio is None)
    assert slow_ratio is not None
    assert 0.1 <= slow_ratio <= 0.5
    assert fast_ratio is None


async def test_a_check_with_an_endpoint_of_its_own_knows_all_of_its_target(bench: Bench) -> None:
    async def tell(target: Target, _net: Net) -> str:
        return str(target)

    vip = Endpoint("192.0.2.1", 80)
    target = Target(NOWHERE, "rs1", "web", 50, vip)
    bench.runner.start(MadeCheck(function=tell, port=81), target, 10.0, bench.results.append)
    await bench.results.come()
    assert bench.results[0].detail == str(Target(Endpoint("127.0.0.1", 81), "rs1", "web", 50, vip))
