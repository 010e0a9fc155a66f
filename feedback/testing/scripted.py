"""The network on a script: what checks are handed instead of sockets. Its clock moves only while they wait."""

import ssl
import types
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from feedback.checks import verdict
from feedback.checks.check import Check, Passed
from feedback.engine.buffered import BufferedReader
from feedback.engine.waiting import PAUSE, Pause, StaleConnection
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.model import CheckResult, Endpoint
from feedback.net import Completed, Negotiated, Stream, Target, endpoint_of
from feedback.testing.script import (
    Close,
    Connection,
    Drop,
    Endless,
    Exchange,
    ForeignAwaitError,
    Hang,
    LeftOpenError,
    Part,
    Program,
    Refuse,
    Reset,
    ScriptError,
    Send,
    StartTls,
)

PartT = TypeVar("PartT", Connection, Exchange, Program)

TARGET = Target(Endpoint("192.0.2.11", 80), "rs1", "web")
"""Where checks go when a test does not say."""


LOCAL_IPV4 = Endpoint("192.0.2.1", 40000)
LOCAL_IPV6 = Endpoint("2001:db8::1", 40000)
"""Where their connections come from."""


_GONE: Mapping[type[Part], Callable[[], Part]] = {
    Connection: lambda: Connection(Refuse()),
    Exchange: lambda: Exchange(Refuse()),
    Program: lambda: Program(fault="it is gone"),
}
"""What is there where a script has nothing more."""


def _local_end(endpoint: Endpoint) -> Endpoint:
    """Return where a connection to an endpoint comes from."""
    return LOCAL_IPV6 if ":" in endpoint.address else LOCAL_IPV4


def run_check(
    check: Check,
    *script: Part,
    target: Target = TARGET,
    timeout_seconds: float = 1.0,
    chunk_bytes: int | None = None,
) -> CheckResult:
    """Run a check once against a script: its connections, exchanges and programs, in the order of their use.

    `chunk_bytes`: streams deliver at most so many bytes at once.
    """
    return run_on(ScriptedNet(*script, timeout_seconds=timeout_seconds, chunk_bytes=chunk_bytes), check, target)


def run_on(net: "ScriptedNet", check: Check, target: Target = TARGET) -> CheckResult:
    """Run a check once, on a network that is there already."""
    try:
        result = _probe(check, target, net)
    except StaleConnection:
        net.begin_again()
        result = _probe(check, target, net)
    net.assert_closed()
    return result


def _probe(check: Check, target: Target, net: "ScriptedNet") -> CheckResult:
    coroutine = check.probe(check.aimed(target), net)
    try:
        return _drive(coroutine, net, net.timeout_seconds, check.slow)
    finally:
        coroutine.close()


@types.coroutine
def _paused() -> Generator[Pause, None, None]:
    yield PAUSE


def _drive(
    coroutine: Coroutine[Any, Any, str | Passed], net: "ScriptedNet", timeout_seconds: float, slow_seconds: float | None
) -> CheckResult:
    try:
        yielded = coroutine.send(None)
    except StopIteration as stop:
        return verdict.passed(stop.value, net.now(), slow_seconds)
    except (CheckFailed, LocalFault) as error:
        return verdict.failed(error, net.words, net.now())
    if yielded is not PAUSE:
        raise ForeignAwaitError("the check awaits asyncio, which has no script: run it against a server")
    net.over = True
    coroutine.close()
    return verdict.timed_out("no answer", net.words, timeout_seconds, timeout_seconds)


class ScriptedNet:
    """`feedback.net.Net` on a script. Its clock moves only while the check waits for a time.

    lenient: a check that does something else than the script expects is met with silence, or refused.
    """

    def __init__(
        self, *script: Part, timeout_seconds: float = 1.0, chunk_bytes: int | None = None, lenient: bool = False
    ) -> None:
        self.words = ""
        self.over = False
        self._afresh = False
        self._script = list(script)
        self._used: list[Part] = []
        self._now = 0.0
        self.timeout_seconds = timeout_seconds
        self._lenient = lenient
        self._chunk_bytes = chunk_bytes

    def now(self) -> float:
        """Return the seconds that the check has waited."""
        return self._now

    def time_left(self) -> float:
        """Return the seconds until the deadline."""
        return self.timeout_seconds - self._now

    def stage(self, words: str) -> None:
        """Take what the check says of where it is."""
        self.words = words

    def connect_tcp(
        self, target: Target | Endpoint, *, brief: bool = False, reuse: int = 0, privileged_port: bool = False
    ) -> "ScriptedStream":
        """Begin the script's next part, which must be a Connection."""
        connection = self._next(Connection)
        connection.brief, connection.reuse, connection.privileged_port = brief, reuse, privileged_port
        if connection.reused and (self._afresh or not reuse):
            raise ScriptError("the script has a connection that was kept, the check makes a new one")
        return ScriptedStream(self, connection, endpoint_of(target), self._chunk_bytes)

    def connect_udp(self, target: Target | Endpoint, *, privileged_port: bool = False) -> "ScriptedDatagrams":
        """Begin the script's next part, which must be an Exchange."""
        exchange = self._next(Exchange)
        exchange.privileged_port = privileged_port
        return ScriptedDatagrams(self, exchange, endpoint_of(target))

    def connect_icmp(self, target: Target | Endpoint) -> "ScriptedDatagrams":
        """Begin the script's next part, which must be an Exchange."""
        return self.connect_udp(target)

    async def run(self, command: Sequence[str], environment: Mapping[str, str], limit: int) -> Completed:
        """End as the script's next part does, which must be a Program."""
        program = self._next(Program)
        program.command, program.environment = command, environment
        try:
            if program.fault:
                raise LocalFault(program.fault)
            if program.hangs:
                await self.hang()
            completed = program.completed
            return Completed(completed.status, completed.stdout[:limit], completed.stderr[:limit])
        finally:
            program.closed = True

    async def hang(self) -> NoReturn:
        """Wait until the deadline ends the check."""
        while not self.over:
            await _paused()
        raise GeneratorExit

    def begin_again(self) -> None:
        """Forget what the check has said: it begins again, and none of its connections was kept."""
        self.words = ""
        self._afresh = True

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds

    def assert_closed(self) -> None:
        """Raise ScriptError when the check has left something open."""
        for part in self._used:
            if not part.closed:
                raise LeftOpenError(f"the check ended and left its {type(part).__name__} open")

    def _next(self, kind: type[PartT]) -> PartT:
        part = self._script.pop(0) if self._script else None
        if not isinstance(part, kind) and self._lenient:
            part = _GONE[kind]()
        if not isinstance(part, kind):
            raise ScriptError(f"the check opens a {kind.__name__}, the script has {part or 'nothing more'}")
        if not isinstance(part, Program):
            part.lenient = self._lenient
        self._used.append(part)
        return part


class ScriptedStream(BufferedReader):
    """`feedback.net.Stream` on a script."""

    def __init__(self, net: ScriptedNet, connection: Connection, endpoint: Endpoint, chunk_bytes: int | None) -> None:
        self.buffer = b""
        self.keep = True
        self.reused = connection.reused
        self._heard = False
        self._net = net
        self._connection = connection
        self._endpoint = endpoint
        self._chunk_bytes = chunk_bytes
        self._certificate: bytes | None = None
        self._negotiated: Negotiated | None = None

    async def __aenter__(self) -> Self:
        first = self._connection.next_step
        if isinstance(first, Refuse | Drop):
            self._connection.closed = True
            if isinstance(first, Drop):
                await self._net.hang()
            raise CheckFailed(Reason.REFUSED, f"connection refused by {self._endpoint}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection = self._connection
        quiet = not self.buffer and not isinstance(connection.next_step, Send | Reset)
        connection.kept = kind is None and connection.reuse > 0 and self.keep and quiet
        connection.closed = True

    async def write(self, data: bytes) -> None:
        """Let the script compare what the check sends."""
        self._connection.take(data)

    async def receive(self, limit: int) -> bytes:
        """Return what the script sends next, at most `limit` bytes and no more than a chunk."""
        step = self._connection.advance()
        if isinstance(step, Send):
            count = min(limit, self._chunk_bytes or limit)
            if step.data[count:]:
                self._connection.put_back(Send(step.data[count:]))
            return self._hear(step.data[:count])
        if isinstance(step, Endless):
            self._connection.put_back(step)
            return await self._receive_endless(step, min(limit, self._chunk_bytes or limit))
        self._connection.put_back(step)
        if self.reused and not self._heard and isinstance(step, Close | Reset):
            raise StaleConnection
        if isinstance(step, Reset):
            raise CheckFailed(Reason.RESET, f"connection reset by {self._endpoint}")
        if isinstance(step, Hang) or (self._connection.lenient and not isinstance(step, Close)):
            await self._net.hang()
        if not isinstance(step, Close):
            raise ScriptError(f"the check reads while the script has {step}")
        return b""

    def _hear(self, data: bytes) -> bytes:
        self._heard = True
        self._connection.received += len(data)
        return data

    async def _receive_endless(self, step: Endless, count: int) -> bytes:
        received = self._connection.received
        if received >= Endless.STREAM_BYTES:
            await self._net.hang()
        begin = received % len(step.data)
        return self._hear((step.data * (count // len(step.data) + 2))[begin : begin + count])

    async def start_tls(
        self, context: ssl.SSLContext, server_hostname: str | None, resume: Stream | None = None
    ) -> None:
        """Take the script's StartTls."""
        del context
        if self.buffer:
            raise CheckFailed(Reason.PROTOCOL, f"{self._endpoint} sent more before TLS than it was asked for")
        step = self._connection.advance()
        self._connection.server_hostname = server_hostname
        self._connection.resumed = resume is not None
        if isinstance(step, Hang):
            await self._net.hang()
        if isinstance(step, Close | Reset):
            raise CheckFailed(Reason.TLS, f"{self._endpoint} closed the connection in the middle of TLS")
        if isinstance(step, Endless) or (self._connection.lenient and not isinstance(step, StartTls)):
            raise CheckFailed(Reason.TLS, f"{self._endpoint} answers something else than TLS")
        if not isinstance(step, StartTls):
            raise ScriptError(f"the check starts TLS while the script has {step}")
        if step.error:
            raise CheckFailed(Reason.TLS, step.error)
        self._certificate = step.certificate
        self._negotiated = Negotiated("TLSv1.3", step.alpn)

    def local_endpoint(self) -> Endpoint:
        """Return an end of the same address family as the other one."""
        return _local_end(self._endpoint)

    def detach(self) -> NoReturn:
        """Refuse: whoever gets the socket needs a real one."""
        raise ScriptError("the check takes the socket over, and a script has none: run it against a server")

    def peer_certificate(self) -> bytes | None:
        """Return the certificate of the script's StartTls."""
        return self._certificate

    def negotiated(self) -> Negotiated | None:
        """Return what the script's StartTls has agreed on."""
        return self._negotiated

    def peer(self) -> str:
        """Return the other end's address and port."""
        return str(self._endpoint)


class ScriptedDatagrams:
    """`feedback.net.Datagrams` on a script."""

    def __init__(self, net: ScriptedNet, exchange: Exchange, endpoint: Endpoint) -> None:
        self._net = net
        self._exchange = exchange
        self._endpoint = endpoint

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exchange.closed = True

    async def send(self, data: bytes) -> None:
        """Let the script compare what the check sends."""
        self._exchange.take(data)

    async def receive(self) -> bytes:
        """Return the script's next datagram."""
        data = self._receive_now()
        return await self._net.hang() if data is None else data

    async def receive_within(self, seconds: float) -> bytes | None:
        """Return the script's next datagram; where it has none, let the time pass."""
        data = self._receive_now()
        if data is None:
            self._net.wait(seconds)
        return data

    def local_endpoint(self) -> Endpoint:
        """Return an end of the same address family as the other one."""
        return _local_end(self._endpoint)

    def _receive_now(self) -> bytes | None:
        step = self._exchange.next_step
        if isinstance(step, Refuse):
            self._exchange.advance()
            raise CheckFailed(Reason.REFUSED, f"connection refused by {self._endpoint}")
        if isinstance(step, Send):
            self._exchange.advance()
        elif not isinstance(step, Endless) or self._exchange.received >= Endless.DATAGRAMS * len(step.data):
            return None
        self._exchange.received += len(step.data)
        return step.data
