"""What every source that asks a server must do when that is away, hangs, or talks nonsense."""

import asyncio
import subprocess
from collections.abc import Callable

import pytest

from feedback.agent.collect import Collector
from feedback.agent.config import MetricConfig
from feedback.agent.place import Place
from feedback.agent.source import Source, SourceError
from feedback.secret import Secret
from feedback.testing import conform_source
from tests.agent.servers import saying, served
from tests.checks.servers.process import free_port, stopped

SOON_SECONDS = 0.2
GARBAGE = (b"", b"\0", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"\xff" * 100, b"A" * 70_000)
"""What some other server might say: each is one answer, after which it closes."""

SourceAt = Callable[[Place], Source]


async def failure(source: Source) -> str:
    """Return why a source can't be sampled."""
    with pytest.raises(SourceError) as caught:
        await source.sample()
    return str(caught.value)


async def settles(source: Source, ratio: float) -> None:
    """Wait until a source says so: a server may not have noticed yet that a client of before is gone."""
    said: list[float] = []
    async with asyncio.timeout(20):
        while not said or said[-1] != pytest.approx(ratio):
            said.append((await source.sample()).ratio)
            await asyncio.sleep(0.005)


async def within(source: Source, timeout_seconds: float = SOON_SECONDS) -> str:
    """Return what a report says of a source's failure when it has so much time."""
    metric = MetricConfig(name="it", source=source, interval_seconds=1, timeout_seconds=timeout_seconds)
    report = await Collector([metric], 1, lambda _: None).once()
    return report.failures.get("it", "")


async def conforms(source: Source, *, failing: bool = False) -> None:
    """See that it keeps to the contract of all sources, while this loop goes on to serve it."""
    await asyncio.to_thread(conform_source, source, failing=failing)


async def names_what_hangs(source: Source, server: subprocess.Popen[bytes]) -> None:
    """See that a server that is stopped is a timeout and nothing else, and that it is back afterwards."""
    with stopped(server):
        assert await within(source) == "no answer within 0.2 s"
    assert (await source.sample()).ratio >= 0
    await conforms(source)


async def says_who_is_away(source_at: SourceAt) -> None:
    """See that a port that nobody listens on, and a socket that is not there, are named."""
    port = free_port()
    refused = await failure(source_at(Place("127.0.0.1", port)))
    assert refused.startswith("can't connect to ")
    assert f"127.0.0.1:{port}" in refused
    assert refused.endswith(": Connection refused")
    missing = await failure(source_at(Place(path="/nonexistent/socket")))
    assert missing.endswith(": No such file or directory")
    assert "/nonexistent/socket" in missing
    await conforms(source_at(Place(path="/nonexistent/socket")), failing=True)


async def refuses_garbage(source_at: SourceAt, *more: bytes, first: bool = False) -> None:
    """See that whatever another server may say is one error that names where it came from."""
    for said in (*GARBAGE, *more):
        async with served(saying(said, first=first)) as place, asyncio.timeout(10):
            assert str(place) in await failure(source_at(place)), said[:20]


PASSWORD = Secret("s3cret")
