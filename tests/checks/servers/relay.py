"""A relay between a check and a real server that spoils the dialogue at a step, and the suite that tries every step.

A step is counted by what the check has sent: step 0 is before its first word. In a protocol that goes in turns that is
the same on every machine, however the server's answers are cut into packets.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Literal

from feedback.checks.check import Check
from feedback.checks.runner import run_once
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from tests.checks import peers

Spoil = Literal["hang", "close", "reset", "garbage"]

GARBAGE = b"\x00\xff\r\n\x7f]!'\x80 \xfe\r\n" * 20
CHUNK_BYTES = 64 * 1024

REASONS: dict[Spoil, frozenset[str]] = {
    "hang": frozenset({"timeout"}),
    "close": frozenset({"closed", "tls", "protocol", "reset"}),
    "reset": frozenset({"reset", "closed", "tls", "protocol"}),
    "garbage": frozenset(
        {"protocol", "tls", "content", "limit", "status", "closed", "reset", "timeout", "dns", "auth"}
    ),
}
"""What a check may say of each: garbage may be taken for the beginning of something long."""


@contextlib.asynccontextmanager
async def relay(upstream: Endpoint, step: int, spoil: Spoil) -> AsyncIterator[Endpoint]:
    """Relay connections to a server within the block; from the step on, spoil what it answers."""

    async def talk(connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in upstream.address else socket.AF_INET
        with socket.socket(family) as server:
            server.setblocking(False)
            await loop.sock_connect(server, (upstream.address, upstream.port))
            sent = 0
            over = asyncio.Event()  # the server's answers go no further
            if step == 0:
                over.set()

            async def forth() -> None:
                nonlocal sent
                while data := await peers.hear(connection):
                    sent += 1
                    if sent == step:
                        over.set()
                    await peers.say(server, data)
                over.set()

            async def back() -> None:
                while (data := await loop.sock_recv(server, CHUNK_BYTES)) and not over.is_set():
                    await peers.say(connection, data)
                if not over.is_set():  # or else what comes next is the spoiling's
                    connection.shutdown(socket.SHUT_WR)

            asking, answering = asyncio.create_task(forth()), asyncio.create_task(back())
            try:
                await over.wait()
                answering.cancel()
                await _spoil(connection, spoil)
                if spoil in {"hang", "garbage"}:
                    await asking
            finally:
                asking.cancel()
                answering.cancel()
                await asyncio.gather(asking, answering, return_exceptions=True)

    async with peers.tcp_peer(talk) as endpoint:
        yield endpoint


async def _spoil(connection: socket.socket, spoil: Spoil) -> None:
    if spoil == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, peers.LINGER_0)
    elif spoil == "garbage":
        await peers.say(connection, GARBAGE)


async def spoiled(check: Check, upstream: Endpoint, step: int, spoil: Spoil, seconds: float) -> CheckResult:
    """Run a check against a server whose answers are spoiled from a step on."""
    async with relay(upstream, step, spoil) as endpoint:
        return await run_once(check, Target(endpoint, "rs1", "web"), seconds)


async def fails_at_every_step(check: Check, upstream: Endpoint, steps: int, seconds: float = 1.0) -> None:
    """Spoil the first `steps` steps in every way, and see that the check fails for a reason that fits, in words.

    `steps` is how many times the check speaks before it knows that the service works, plus one where the server does.
    """
    cases = [(step, spoil) for step in range(steps) for spoil in REASONS]
    results = await asyncio.gather(*(spoiled(check, upstream, step, spoil, seconds) for step, spoil in cases))
    for (step, spoil), result in zip(cases, results, strict=True):
        where = f"{spoil} at step {step}: {result}"
        assert result.outcome is Outcome.FAIL, where
        assert result.reason in REASONS[spoil], where
        assert result.detail, where
