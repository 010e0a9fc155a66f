"""The demo's client: open-loop load with Poisson arrivals, each request on a connection of its own.

Open loop: a request comes when it comes, however many are still waiting, as from many independent users. A request
that fails is counted and never tried again. Every request is counted in the phase in which it ends.
"""

import argparse
import asyncio
import random
from collections import Counter
from typing import Any, cast

import uvloop

from feedback.demo.figures import PhaseLoad
from feedback.demo.questions import answer_questions, tell
from feedback.model import Endpoint

DOWNLOAD_SHARE = 0.04
TIMEOUT_SECONDS = 10.0
MAX_OPEN = 400  # beyond, a request fails before it is sent: what a client host out of sockets sees
MAX_RESPONSE_BYTES = 1024 * 1024


class Load:
    """The requests under way, and the counts of this phase."""

    def __init__(self, target: Endpoint, rate_per_second: float) -> None:
        self.target = target
        self._rate = rate_per_second
        self._random = random.Random()  # noqa: S311 - arrivals, not secrets
        self._open: set[asyncio.Task[None]] = set()
        self._arrivals: asyncio.Task[None] | None = None
        self._clear()

    def answer(self, question: str) -> Any:
        """`start`: the load begins; `phase`: a new one begins; `stop`: no new requests. All answer with the counts."""
        counts = self._counts()
        if question == "start" and self._arrivals is None:
            self._arrivals = asyncio.create_task(self._arrive(), name="arrivals")
        elif question == "stop" and self._arrivals is not None:
            self._arrivals.cancel()
        if question in ("start", "phase"):
            self._clear()
        return counts

    def ended(self, failure: str | None, latency_seconds: float | None) -> None:
        """Count a request."""
        self._requests += 1
        if failure is not None:
            self._failures[failure] += 1
        elif latency_seconds is not None:
            self._latencies.append(latency_seconds)

    def _clear(self) -> None:
        self._requests = 0
        self._failures: Counter[str] = Counter()
        self._latencies: list[float] = []

    def _counts(self) -> PhaseLoad:
        latencies = sorted(self._latencies)
        return PhaseLoad(
            requests=self._requests,
            failures=self._failures.total(),
            failure_kinds=dict(self._failures),
            latency_p50_seconds=latencies[len(latencies) // 2] if latencies else None,
            latency_p99_seconds=latencies[len(latencies) * 99 // 100] if latencies else None,
            open_requests=len(self._open),
        )

    async def _arrive(self) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time()
        while True:
            at += self._random.expovariate(self._rate)  # from the last arrival's time, not from now: no drift
            await asyncio.sleep(at - loop.time())
            if len(self._open) >= MAX_OPEN:
                self.ended("too many open", None)
                continue
            request = asyncio.create_task(self._request(self._random.random() < DOWNLOAD_SHARE))
            self._open.add(request)
            request.add_done_callback(self._open.discard)

    async def _request(self, download: bool) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        failure: str | None = None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                _, response = await loop.create_connection(
                    lambda: Response(b"/download" if download else b"/"), self.target.address, self.target.port
                )
                failure = await response.outcome
        except TimeoutError:
            failure = "timeout"
        except OSError as error:
            failure = type(error).__name__.removesuffix("Error").removeprefix("Connection").lower()
        self.ended(failure, None if download else loop.time() - began)


class Response(asyncio.Protocol):
    """Sends one request; `outcome` becomes None when the whole answer has come, else what was wrong, in a word."""

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self.outcome: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.outcome.add_done_callback(self._cut_if_abandoned)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"GET %s HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n" % self._path)

    def data_received(self, data: bytes) -> None:
        """Keep it; an answer that never ends is cut off."""
        self._received += data
        if len(self._received) > MAX_RESPONSE_BYTES and self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Judge what has come."""
        if not self.outcome.done():
            self.outcome.set_result(self._failure(exc))

    def _failure(self, exc: Exception | None) -> str | None:
        head, end, body = bytes(self._received).partition(b"\r\n\r\n")
        if not end or len(body) != int(head.rpartition(b"Content-Length: ")[2].partition(b"\r\n")[0] or -1):
            return "reset" if exc is not None else "cut off"
        status = head.split(b" ", 2)[1]
        return None if status == b"200" else f"status {status.decode()}"

    def _cut_if_abandoned(self, outcome: "asyncio.Future[str | None]") -> None:
        if outcome.cancelled() and self._transport is not None:
            self._transport.abort()


async def load(target: Endpoint, rate_per_second: float) -> None:
    """Make load when told to, until standard input ends."""
    requests = Load(target, rate_per_second)
    tell({})
    await answer_questions(requests.answer)


def main() -> None:
    """Run the client."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target", type=Endpoint.parse)
    parser.add_argument("rate_per_second", type=float)
    arguments = parser.parse_args()
    uvloop.run(load(arguments.target, arguments.rate_per_second))


if __name__ == "__main__":
    main()
