import asyncio
import contextlib
import select
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from feedback.demo.cluster import Port
from feedback.demo.figures import PhaseLoad
from feedback.demo.process import Process
from feedback.demo.realserver import CHUNK, DOWNLOAD_CHUNKS, WORK_SECONDS, Totals

pytestmark = pytest.mark.loopback

Running = tuple[Process, int]
Answer = TypeVar("Answer")


@pytest.fixture
async def realserver(tmp_path: Path) -> AsyncIterator[Running]:
    arguments = ("rs1", "0.5", "0", str(tmp_path))
    process = Process(tmp_path, "rs1", "feedback.demo.realserver", *arguments, answers=True)
    yield process, (await process.read(Port)).port
    await process.stop()


@contextlib.asynccontextmanager
async def client(tmp_path: Path, port: int) -> AsyncIterator[Process]:
    process = Process(tmp_path, "client", "feedback.demo.client", f"127.0.0.1:{port}", "50", answers=True)
    await process.read(dict)
    yield process
    await process.stop()


async def get(port: int, path: str) -> tuple[str, bytes]:
    """Return the status line and the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: demo\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head.decode().split("\r\n")[0], body


async def until_answer(process: Process, question: str, kind: type[Answer], holds: Callable[[Answer], bool]) -> Answer:
    """Ask again and again, and return the first answer of which it holds."""
    async with asyncio.timeout(20):
        while not holds(answer := await process.ask(question, kind)):  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(0.01)
    return answer


async def test_its_one_worker_serves_one_request_after_the_other(realserver: Running) -> None:
    process, port = realserver
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    answers = await asyncio.gather(*(get(port, "/") for _ in range(4)))
    assert answers == [("HTTP/1.1 200 OK", b"done\n")] * 4
    assert loop.time() - began_at > 3.5 * WORK_SECONDS / 0.5  # at half the speed, four in a row
    totals = await process.ask("", Totals)
    assert (totals.requests, totals.open_requests) == (4, 0)
    assert totals.busy_seconds == pytest.approx(4 * WORK_SECONDS / 0.5)


async def test_a_health_check_is_answered_and_not_counted(realserver: Running) -> None:
    process, port = realserver
    assert await get(port, "/alive") == ("HTTP/1.1 200 OK", b"I'm alive\n")
    assert await process.ask("", Totals) == Totals(0.0, 0, 0)


async def test_an_answer_whose_asker_has_gone_is_not_taken_for_the_next(realserver: Running) -> None:
    process, port = realserver
    asking = asyncio.create_task(process.ask("", Totals))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    answers = process._process.stdout
    assert answers is not None
    assert select.select([answers], [], [], 10)[0] == [answers]
    await get(port, "/")
    assert (await process.ask("", Totals)).requests == 1


async def test_a_download_takes_its_time_without_the_worker(realserver: Running) -> None:
    process, port = realserver
    downloading = asyncio.create_task(get(port, "/download"))
    await until_answer(process, "", Totals, lambda totals: totals.open_requests == 1)
    status, body = await downloading
    assert (status, body) == ("HTTP/1.1 200 OK", CHUNK * DOWNLOAD_CHUNKS)
    assert (await process.ask("", Totals)).busy_seconds == 0.0


async def test_what_its_agent_reads_are_whole_numbers_of_busy_share_and_queue(
    realserver: Running, tmp_path: Path
) -> None:
    process, port = realserver
    files = tmp_path / "rs1.busy", tmp_path / "rs1.queue"

    def read(_totals: Totals) -> tuple[float, int]:
        return float(files[0].read_text()), int(files[1].read_text())

    requests = [asyncio.create_task(get(port, "/")) for _ in range(20)]
    await until_answer(process, "", Totals, lambda totals: read(totals)[0] > 0.2 and read(totals)[1] > 5)
    await asyncio.gather(*requests)
    await until_answer(process, "", Totals, lambda totals: read(totals) == (0.0, 0))


async def test_a_request_that_never_ends_is_cut_off(realserver: Running) -> None:
    _, port = realserver
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /" + b"x" * 10_000)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_the_client_counts_requests_and_their_latency_in_each_phase(realserver: Running, tmp_path: Path) -> None:
    _, port = realserver
    async with client(tmp_path, port) as load:
        assert (await load.ask("start", PhaseLoad)).requests == 0
        first = await until_answer(load, "look", PhaseLoad, lambda counts: counts.requests >= 5)
        assert (first.failures, first.failure_kinds) == (0, {})
        assert first.latency_p50_seconds is not None
        assert first.latency_p50_seconds > 0.8 * WORK_SECONDS / 0.5
        assert (await load.ask("phase", PhaseLoad)).requests >= 5
        await load.ask("stop", PhaseLoad)
        last = await until_answer(load, "look", PhaseLoad, lambda counts: not counts.open_requests)
        assert last.failures == 0


async def test_the_client_counts_what_fails_by_how_it_failed(realserver: Running, tmp_path: Path) -> None:
    process, port = realserver
    async with client(tmp_path, port) as load:
        await load.ask("start", PhaseLoad)
        await until_answer(load, "look", PhaseLoad, lambda counts: counts.requests > 0)
        await process.kill()
        failed = await until_answer(load, "look", PhaseLoad, lambda counts: "refused" in counts.failure_kinds)
        assert failed.failures == sum(failed.failure_kinds.values())
        assert failed.failure_kinds.keys() <= {"refused", "reset", "cut off"}
