"""The control socket, on a real Unix socket."""

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from feedback.agent.control import MAX_LINE_BYTES, Answer, ask, listening, serve
from feedback.errors import FeedbackError
from feedback.report import Wish

pytestmark = pytest.mark.loopback


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "agent.sock")


@contextlib.asynccontextmanager
async def serving(path: str, wishes: list[Wish]) -> AsyncIterator[None]:
    async def obey(wish: Wish) -> Answer:
        wishes.append(wish)
        return Answer("rs1", wish, ("ws://one",), {"ws://two": "not connected"})

    with listening(path) as listener:
        task = asyncio.create_task(serve(listener, obey))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def in_thread(path: str, wish: Wish) -> Answer:
    return await asyncio.to_thread(ask, path, wish)


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def send(path: str, data: bytes, *, shut: bool = True) -> bytes:
    """Say something to whoever listens, as a client that is not ours; return the answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(path)
        with contextlib.suppress(BrokenPipeError):
            client.sendall(data)
            if shut:
                client.shutdown(socket.SHUT_WR)
        try:
            return client.recv(1000)
        except ConnectionResetError:
            return b""


async def test_a_wish_is_passed_on_and_answered(path: str) -> None:
    wishes: list[Wish] = []
    async with serving(path, wishes):
        answer = await in_thread(path, Wish.DRAIN)
        await in_thread(path, Wish.READY)
    assert answer == Answer("rs1", Wish.DRAIN, ("ws://one",), {"ws://two": "not connected"})
    assert wishes == [Wish.DRAIN, Wish.READY]


async def test_the_socket_is_the_owners_alone_and_cleared_away_at_the_end(path: str) -> None:
    async with serving(path, []):
        assert mode(path) == 0o600
    with pytest.raises(FileNotFoundError):
        mode(path)


@pytest.mark.parametrize(
    "data", [b"", b"drain\n", b'{"wish":"reboot"}\n', b"\xff\n", b"[" * 100_000, b"x" * (MAX_LINE_BYTES + 1)]
)
async def test_garbage_is_not_answered_and_harms_nothing(path: str, data: bytes) -> None:
    wishes: list[Wish] = []
    async with serving(path, wishes):
        assert await asyncio.to_thread(send, path, data) == b""
        await in_thread(path, Wish.DRAIN)
    assert wishes == [Wish.DRAIN]


async def test_a_client_that_says_nothing_is_dropped_after_a_while(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feedback.agent.control.READ_TIMEOUT_SECONDS", 0.1)
    wishes: list[Wish] = []
    async with serving(path, wishes):
        silent = asyncio.create_task(asyncio.to_thread(send, path, b"", shut=False))
        assert await silent == b""
        await in_thread(path, Wish.DRAIN)
    assert wishes == [Wish.DRAIN]


def test_nobody_there_is_a_sentence(path: str) -> None:
    with pytest.raises(FeedbackError, match=f"^no agent is running here: nothing answers at {path}$"):
        ask(path, Wish.DRAIN)


def test_a_socket_without_an_agent_is_a_sentence_and_taken_over(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with pytest.raises(FeedbackError, match="nothing answers at"):
        ask(path, Wish.DRAIN)
    with listening(path):
        assert mode(path) == 0o600


def test_another_agent_at_the_same_path_is_refused(path: str) -> None:
    with (
        listening(path),
        pytest.raises(FeedbackError, match=f"^another agent is running: it answers at {path}$"),
        listening(path),
    ):
        pass


@pytest.mark.parametrize("bad", ["/nonexistent/agent.sock", "/tmp/" + "x" * 200])
def test_a_path_that_cannot_be_is_a_sentence_that_names_the_setting(bad: str) -> None:
    with (
        pytest.raises(FeedbackError, match=r"^can't make the control socket .*; `control` in the configuration"),
        listening(bad),
    ):
        pass


def test_an_agent_that_does_not_answer_is_a_sentence(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feedback.agent.control.ANSWER_TIMEOUT_SECONDS", 0.1)
    with listening(path), pytest.raises(FeedbackError, match=r"has not answered within 0\.1 s$"):
        ask(path, Wish.DRAIN)


async def test_an_answer_that_is_no_answer_is_a_sentence(path: str) -> None:
    async def hang_up(listener: socket.socket) -> None:
        client, _ = await asyncio.get_running_loop().sock_accept(listener)
        client.close()

    with listening(path) as listener:
        hanging_up = asyncio.create_task(hang_up(listener))
        with pytest.raises(FeedbackError, match=r"^(what answers at .* is not an agent|can't ask the agent at)"):
            await in_thread(path, Wish.DRAIN)
        await hanging_up
