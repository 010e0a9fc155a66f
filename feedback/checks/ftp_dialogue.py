"""The dialogue of FTP: commands and replies on the control connection, and what comes over a data connection. Pure."""

import contextlib
import hashlib

from feedback.checks.codecs import ftp_reply
from feedback.checks.codecs.ftp_reply import Reply
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Net, Stream, Target


class Control:
    """A control connection: one command, one reply, and before that maybe some that say "wait"."""

    def __init__(self, net: Net, stream: Stream, target: Target) -> None:
        self.net = net
        self.stream = stream
        self.target = target
        self.remark = ""
        """What is worth telling besides when the check passes."""
        self._listens = False
        self._stage = ""

    def at(self, stage: str) -> None:
        """Say what the check is at, while the server would take a command."""
        self._stage = stage
        self.net.stage(stage)

    def enter(self, stage: str) -> None:
        """Begin something that the server has to answer."""
        self._listens = False
        self.at(stage)

    async def ask(self, command: str, stage: str = "") -> Reply:
        """Return what comes of a command, which is the stage's name, too, unless it has to stay unsaid."""
        await self._say(command, stage or command)
        return await self.outcome()

    async def begin(self, command: str) -> Reply:
        """Return the first reply to a command that takes its time."""
        await self._say(command, command)
        return await self._hear()

    async def outcome(self) -> Reply:
        """Return the next reply that does not say "wait"."""
        while (reply := await self._hear()).severity == ftp_reply.PRELIMINARY:
            self.net.stage(f"{self._stage}, got {reply}")
            self._listens = False
        self.net.stage(self._stage)
        return reply

    async def quit(self) -> None:
        """Say goodbye to a server that listens. What came before is what counts."""
        if self._listens:
            with contextlib.suppress(CheckFailed, LocalFault):
                await self.stream.write(b"QUIT\r\n")

    async def _say(self, command: str, stage: str) -> None:
        self.enter(stage)
        await self.stream.write(f"{command}\r\n".encode())

    async def _hear(self) -> Reply:
        reply = None
        while reply is None or not reply.complete:
            reply = ftp_reply.read_line(reply, await self.stream.read_until(b"\n", ftp_reply.LINE_LIMIT_BYTES))
        self._listens = reply.code != ftp_reply.CLOSING
        return reply


def accept(reply: Reply, severity: int = ftp_reply.DONE, refusal: Reason = Reason.STATUS) -> Reply:
    """Return a reply of the wanted severity. Raises what it is otherwise: a refusal is one for good."""
    if reply.severity == severity:
        return reply
    reason = refusal if reply.severity == ftp_reply.PERMANENT else Reason.STATUS
    raise CheckFailed(reason, f"{reply}, must be {severity}yz")


class Received:
    """What has come over a data connection: how much, and its digest. None of it is kept."""

    def __init__(self, limit: int, algorithm: str = "") -> None:
        self.size = 0
        self.lines = 0
        self._limit = limit
        self._hash = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None

    async def read(self, stream: Stream) -> None:
        """Read to the end. Raises CheckFailed when it is more than the limit."""
        while data := await stream.read_some(self._limit - self.size + 1):
            self.size += len(data)
            self.lines += data.count(b"\n")
            if self.size > self._limit:
                raise CheckFailed(Reason.LIMIT, f"more than the {self._limit} bytes that are read of it")
            if self._hash is not None:
                self._hash.update(data)

    def digits(self) -> str:
        """Return the digest in hexadecimal digits."""
        return self._hash.hexdigest() if self._hash is not None else ""
