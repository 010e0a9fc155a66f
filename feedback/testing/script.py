"""What a peer does, as values: the steps of a script, and the connections, exchanges and programs it is made of."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, TypeVar

import msgspec

from feedback.net import Completed


class ScriptError(AssertionError):
    """The check does not do what the script expects."""


class LeftOpenError(ScriptError):
    """The check has ended and left something open."""


class ForeignAwaitError(ScriptError):
    """The check awaits something else than the network that it was handed."""


class Receive(msgspec.Struct, frozen=True):
    """The peer waits for exactly these bytes."""

    data: bytes


class Send(msgspec.Struct, frozen=True):
    """The peer sends these bytes: on a datagram socket as one datagram."""

    data: bytes


class Endless(msgspec.Struct, frozen=True):
    """The peer sends these bytes again and again, whatever it is told: 16 MiB on a stream, 10,000 datagrams.

    Then it hangs.
    """

    data: bytes

    STREAM_BYTES: ClassVar[int] = 16 * 1024 * 1024
    DATAGRAMS: ClassVar[int] = 10_000


class StartTls(msgspec.Struct, frozen=True):
    """The peer shakes hands for TLS, shows a certificate, and chooses by ALPN. With an error, the handshake fails."""

    certificate: bytes = b""
    error: str = ""
    alpn: str | None = None


class Refuse(msgspec.Struct, frozen=True):
    """Nobody listens: the first step of a connection, or the host's answer to a datagram."""


class Drop(msgspec.Struct, frozen=True):
    """The first step of a connection that never comes about: the host does not answer."""


class Reset(msgspec.Struct, frozen=True):
    """The peer resets the connection."""


class Close(msgspec.Struct, frozen=True):
    """The peer ends its stream; it does so at the end of a script, too."""


class Hang(msgspec.Struct, frozen=True):
    """The peer does nothing more, for ever."""


Step = Receive | Send | Endless | StartTls | Refuse | Drop | Reset | Close | Hang


class _Dialogue:
    """A script on its way, and what the check has done.

    lenient: the peer only falls silent when it is told something else than the script expects.
    """

    lenient = False

    def __init__(self, *steps: Step) -> None:
        self.sent = b""
        self.received = 0
        self.closed = False
        self.brief = False
        self.privileged_port = False
        self.server_hostname: str | None = None
        self.begin(steps)

    def begin(self, steps: Sequence[Step]) -> None:
        """Take what is to happen."""
        self.script = tuple(steps)
        self._steps = list(steps)

    @property
    def next_step(self) -> Step:
        """What the peer does next."""
        return self._steps[0] if self._steps else Close()

    def advance(self) -> Step:
        """Take the next step."""
        return self._steps.pop(0) if self._steps else Close()

    def put_back(self, step: Step) -> None:
        """Do a step once more, or what is left of it."""
        self._steps.insert(0, step)

    def take(self, data: bytes) -> None:
        """Take what the check sends, and compare it with what the script expects."""
        self.sent += data
        try:
            self._compare(data)
        except ScriptError:
            if not self.lenient:
                raise
            self._steps = [Hang()]

    def _compare(self, data: bytes) -> None:
        while data and not isinstance(self.next_step, Hang | Close | Reset | Endless):
            step = self.advance()
            if not isinstance(step, Receive):
                raise ScriptError(f"the check sent {data!r} while the script has {step}")
            if not (step.data.startswith(data) or data.startswith(step.data)):
                raise ScriptError(f"the check sent {data!r}, the script expects {step.data!r}")
            if len(step.data) > len(data):
                self.put_back(Receive(step.data[len(data) :]))
            data = data[len(step.data) :]


class Connection(_Dialogue):
    """A TCP connection: what the peer does on it. With `reused`, an earlier run has kept it.

    Afterwards it tells what was `sent`, how many bytes were `received`, whether it is `closed` and was `brief`, for how
    many runs the check would `reuse` it, whether it was `kept` for the next, and whether its TLS `resumed` another
    one's session.
    """

    def __init__(self, *steps: Step, reused: bool = False) -> None:
        super().__init__(*steps)
        self.reused = reused
        self.reuse = 0
        self.kept = False
        self.resumed = False


class Exchange(_Dialogue):
    """A UDP or ICMP exchange: each Receive and Send is one datagram, or the data of one request or reply.

    Two Receives in a row: the first one got lost.
    """


class Program(msgspec.Struct):
    """A program: how it ends, that it `hangs`, or the `fault` by which it can't be started.

    Afterwards it tells its `command` and `environment`.
    """

    completed: Completed = Completed(0, b"", b"")
    hangs: bool = False
    fault: str = ""
    command: Sequence[str] = ()
    environment: Mapping[str, str] = {}
    closed: bool = False


Part = Connection | Exchange | Program
DialogueT = TypeVar("DialogueT", bound=Connection | Exchange)


def afresh(part: Part) -> Part:
    """Return another part like one that no check has used yet."""
    return copy.copy(part) if isinstance(part, Program) else with_steps(part, part.script)


def with_steps(part: DialogueT, steps: Sequence[Step]) -> DialogueT:
    """Return another part like one that no check has used yet, on which something else happens."""
    other = copy.copy(part)
    other.begin(steps)
    return other


def interrupted(steps: Sequence[Step], by: Step) -> Iterator[Connection]:
    """Yield the connections on which `by` happens instead of each thing that the peer does of its own accord."""
    for number, step in enumerate(steps):
        if not isinstance(step, Receive):
            yield Connection(*steps[:number], by)
