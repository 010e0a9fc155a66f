"""Ports on which the agent answers, and what those who connect can do to it."""

import asyncio
import socket

import pytest

from feedback.agent import answering
from feedback.agent.answering import MAX_CONNECTIONS
from feedback.errors import FeedbackError
from feedback.model import Endpoint
from tests.checks.servers.process import free_port

pytestmark = pytest.mark.loopback


def line(_: bytes) -> bytes:
    return b"up ready 75%\n"


def echo(asked: bytes) -> bytes | None:
    return asked if asked.endswith(b"\n") else None


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint("127.0.0.1", free_port())


async def ask(endpoint: Endpoint, question: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection(endpoint.address, endpoint.port)
    try:
        writer.write(question)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_who_connects_gets_the_answer_and_the_end(endpoint: Endpoint) -> None:
    async with answering.answering(endpoint, "agent_check.listen", line):
        assert await ask(endpoint) == b"up ready 75%\n"
        assert await ask(endpoint, b"a question that nobody waits for\n") == b"up ready 75%\n"


async def test_an_answer_waits_for_the_whole_question(endpoint: Endpoint) -> None:
    async with answering.answering(endpoint, "prometheus.listen", echo):
        reader, writer = await asyncio.open_connection(endpoint.address, endpoint.port)
        writer.write(b"GET ")
        await writer.drain()
        assert await ask(endpoint, b"another\n") == b"another\n"
        writer.write(b"/\n")
        assert await reader.read() == b"GET /\n"
        writer.close()


async def test_who_never_asks_is_cut_off(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "DEADLINE_SECONDS", 0.05)
    async with answering.answering(endpoint, "prometheus.listen", echo):
        assert await ask(endpoint) == b""


async def test_more_connections_than_allowed_are_closed_at_once_and_those_before_are_served(endpoint: Endpoint) -> None:
    async with answering.answering(endpoint, "prometheus.listen", echo):
        held = [await asyncio.open_connection(endpoint.address, endpoint.port) for _ in range(MAX_CONNECTIONS)]
        assert await ask(endpoint) == b""
        held[0][1].write(b"first\n")
        assert await held[0][0].read() == b"first\n"
        for _, writer in held:
            writer.close()


async def test_a_port_that_is_taken_is_named_with_its_option(endpoint: Endpoint) -> None:
    with socket.create_server((endpoint.address, endpoint.port)), pytest.raises(FeedbackError) as error:
        async with answering.answering(endpoint, "agent_check.listen", line):
            pass
    assert str(error.value) == f"agent_check.listen: can't listen on {endpoint}: Address already in use"


async def test_the_port_is_closed_at_the_end_with_what_is_open_on_it(endpoint: Endpoint) -> None:
    async with answering.answering(endpoint, "prometheus.listen", echo):
        reader, writer = await asyncio.open_connection(endpoint.address, endpoint.port)
        assert await ask(endpoint, b"x\n") == b"x\n"
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await ask(endpoint)
