"""`feedback agent --drain` on the host speaks to the running agent: one line of JSON each way on a Unix socket."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping

import msgspec

from feedback.errors import FeedbackError
from feedback.report import Wish

log = logging.getLogger(__name__)

MAX_LINE_BYTES = 64 * 1024
READ_TIMEOUT_SECONDS = 2.0
ANSWER_TIMEOUT_SECONDS = 10.0


class Demand(msgspec.Struct, frozen=True):
    """What the operator asks of the agent."""

    wish: Wish


class Answer(msgspec.Struct, frozen=True):
    """What came of it: the directors that accepted, and for each other one why not in words."""

    agent: str
    wish: Wish
    accepted: tuple[str, ...] = ()
    missing: Mapping[str, str] = {}


@contextlib.contextmanager
def listening(path: str) -> Iterator[socket.socket]:
    """Listen at `path`, for the agent's own user and root alone, and clear it away afterwards.

    Raises FeedbackError when the path can't be used or another agent answers there.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    with listener:
        if _is_answered(path):
            raise FeedbackError(f"another agent is running: it answers at {path}")
        before = os.umask(0o177)  # no moment in which others may connect
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 - pathlib costs the agent memory
            listener.bind(path)
        except OSError as error:
            raise FeedbackError(
                f"can't make the control socket {path}: {error.strerror or error}; "
                "`control` in the configuration says where it is, or null for none"
            ) from None
        finally:
            os.umask(before)
        try:
            listener.listen(8)
            yield listener
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108


async def serve(listener: socket.socket, obey: Callable[[Wish], Awaitable[Answer]]) -> None:
    """Answer demands, one at a time, until cancelled. No client can hold up or end this."""
    loop = asyncio.get_running_loop()
    while True:
        client, _ = await loop.sock_accept(listener)
        with client:
            try:
                await _serve_one(client, obey)
            except (OSError, TimeoutError, msgspec.MsgspecError) as error:
                log.warning('bad demand reason="%s"', str(error) or "no line within the time")


def ask(path: str, wish: Wish) -> Answer:
    """Pass a wish to the agent that listens at `path`, and wait for its answer. Raises FeedbackError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(ANSWER_TIMEOUT_SECONDS)
        try:
            client.connect(path)
            client.sendall(msgspec.json.encode(Demand(wish)) + b"\n")
            with client.makefile("rb") as answer:
                return msgspec.json.decode(answer.readline(MAX_LINE_BYTES), type=Answer)
        except (FileNotFoundError, ConnectionRefusedError):
            raise FeedbackError(f"no agent is running here: nothing answers at {path}") from None
        except TimeoutError:
            raise FeedbackError(f"the agent at {path} has not answered within {ANSWER_TIMEOUT_SECONDS:g} s") from None
        except OSError as error:
            raise FeedbackError(f"can't ask the agent at {path}: {error.strerror or error}") from None
        except msgspec.MsgspecError:
            raise FeedbackError(f"what answers at {path} is not an agent, or it was ended") from None


async def _serve_one(client: socket.socket, obey: Callable[[Wish], Awaitable[Answer]]) -> None:
    client.setblocking(False)
    async with asyncio.timeout(READ_TIMEOUT_SECONDS):
        line = await _read_line(client)
    answer = await obey(msgspec.json.decode(line, type=Demand).wish)
    async with asyncio.timeout(READ_TIMEOUT_SECONDS):
        await asyncio.get_running_loop().sock_sendall(client, msgspec.json.encode(answer) + b"\n")


async def _read_line(client: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
        data = await asyncio.get_running_loop().sock_recv(client, 1024)
        if not data:
            break
        line += data
    return line


def _is_answered(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(READ_TIMEOUT_SECONDS)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
