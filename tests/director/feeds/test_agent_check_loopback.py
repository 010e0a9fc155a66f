"""The feed `agent_check` against a script behind a socket, as inetd would run it, and against our own agent's port."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from feedback.agent.agent_check import words
from feedback.agent.answering import answering
from feedback.director.feeds.agent_check import AgentCheckFeed
from feedback.model import AgentState, Endpoint
from feedback.report import HostState, Report
from tests.checks.servers.process import free_port
from tests.director.feeds.fed import feeding

pytestmark = pytest.mark.loopback


@contextlib.asynccontextmanager
async def inetd(script: Path, port: int) -> AsyncIterator[Endpoint]:
    """Run the script for each connection, which gets what it prints."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        process = await asyncio.create_subprocess_exec(script, stdout=asyncio.subprocess.PIPE)
        printed, _errors = await process.communicate()
        writer.write(printed)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield Endpoint("127.0.0.1", port)
    finally:
        server.close()


def say(script: Path, line: str) -> None:
    written = script.with_suffix(".new")
    written.write_text(f"#!/bin/sh\necho '{line}'\n")
    written.chmod(0o755)
    written.rename(script)


async def test_a_script_is_heard_until_it_is_gone(tmp_path: Path) -> None:
    script, port = tmp_path / "script", free_port()
    say(script, "up 75%")
    async with feeding(AgentCheckFeed(port=port), Endpoint("127.0.0.1", port)) as fed:
        await fed.until_told("agent rs1 can't be asked: refused: ")
        async with inetd(script, port):
            view = await fed.until_connected("agent_check")
            assert view.metrics == {"agent_check": 0.25}
            say(script, "down #the disk is full")
            view = await fed.until(lambda view: view.said.state is HostState.DOWN, "down")
            assert view.said.why == "its agent says down: the disk is full"
            say(script, "10%")
            view = await fed.until(lambda view: view.metrics == {"agent_check": 0.9}, "10%")
            assert view.said.state is HostState.DOWN, "what is not said stays as it was"
            say(script, "ready up")
            await fed.until(lambda view: view.said.state is HostState.READY, "ready")
            say(script, "drain")
            await fed.until(lambda view: view.said.state is HostState.DRAIN, "drain")
        await fed.until(lambda view: view.state is AgentState.ABSENT and not view.metrics, "gone")
        await fed.until_told("agent rs1 is gone: refused: ")
        say(script, "50%")
        async with inetd(script, port):
            view = await fed.until_connected("agent_check")
            assert view.said.state is HostState.READY, "no word outlives its agent"


async def test_our_own_agents_port_is_understood() -> None:
    port, reports = free_port(), [Report({"cpu": 0.4})]
    endpoint = Endpoint("127.0.0.1", port)
    async with (
        answering(endpoint, "agent_check.listen", lambda _: words(reports[-1], {}, drains=False)),
        feeding(AgentCheckFeed(port=port, send="ask\n"), endpoint) as fed,
    ):
        view = await fed.until_connected("agent_check")
        assert view.metrics["agent_check"] == pytest.approx(0.4)
        reports.append(Report({"cpu": 0.5}, state=HostState.DRAIN, why="cpu is 1"))
        await fed.until(lambda view: view.said.state is HostState.DRAIN, "drain")
        reports.append(Report({"cpu": 0.5}))
        await fed.until(lambda view: view.said.state is HostState.READY, "ready")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"up 75%", "closed: the connection was closed after 6 bytes without a line's end"),
        (b"x" * 2000, "limit: a line of more than 1024 bytes"),
        (b"", "closed: the connection was closed after 0 bytes without a line's end"),
    ],
)
async def test_what_is_no_line_is_no_answer(answer: bytes, why: str) -> None:
    endpoint = Endpoint("127.0.0.1", free_port())
    async with (
        answering(endpoint, "agent_check.listen", lambda _: answer),
        feeding(AgentCheckFeed(port=endpoint.port), endpoint) as fed,
    ):
        await fed.until_told(f"agent rs1 can't be asked: {why}")
