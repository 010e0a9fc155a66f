"""One director: stay connected to it, say hello, send the newest report, pass wishes on, and leave with a goodbye.

Nothing is queued. There is one newest report, one wish and one goodbye, and whatever is pending when the
connection can take it is sent: a director that was away hears of now, not of then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from feedback.agent.backoff import after_loss, after_refusal
from feedback.agent.connection import Connection
from feedback.agent.secure import TlsError
from feedback.agent.websocket import LostError, RefusedError
from feedback.errors import WireError
from feedback.report import DirectorFrame, Goodbye, Hello, Renewed, SetWish, Wish, decode_director_frame, encode

log = logging.getLogger(__name__)

PING_SECONDS = 5.0
"""A director is asked for a sign of life this often, and given up when it has not given one until the next time."""

LIVED_SECONDS = 5.0
"""A connection that lasted this long was a good one: the waits begin from the shortest again."""

SOON_SECONDS = 0.95
"""A director that is to be asked this soon is asked with the report: one wake-up costs less than two."""

ACCEPT_TIMEOUT_SECONDS = 3.0

NOT_CONNECTED = "not connected"


class Link:
    """The agent's side of one director."""

    def __init__(
        self,
        director: str,
        hello: Hello,
        connect: Callable[[], Awaitable[Connection]],
        draw: Callable[[], float],
        renew: Callable[[str, str], bool] = lambda _certificate, _authorities: False,
    ) -> None:
        """`hello` begins every connection, with the wish of that moment; `draw` returns random numbers from 0 to 1.

        `renew` puts a new certificate in the old one's place, and says whether it has.
        """
        self.director = director
        self._hello = hello
        self._connect = connect
        self._draw = draw
        self._renew = renew
        self._wish = hello.wish
        self._wish_pending = False
        self._answer: asyncio.Future[str] | None = None
        self._report: bytes | None = None  # the newest
        self._report_pending = False
        self._goodbye: Goodbye | None = None
        self._wake = asyncio.Event()
        self._leaving = asyncio.Event()
        self._idle: Connection | None = None  # the connection, while it could take a report
        self._connected = False
        self._said = ""

    @property
    def connected(self) -> bool:
        """Whether the director has been said hello to, over a connection that has not ended."""
        return self._connected

    def offer(self, report: bytes) -> None:
        """Send this encoded report as soon as possible, in place of any that is still waiting.

        Mostly that is at once, without waking a task up.
        """
        if self._idle is not None:
            with contextlib.suppress(LostError):  # the task hears of it when it sends the report itself
                if self._idle.send_now(report):
                    if self._asking.when() - self._loop.time() < SOON_SECONDS:
                        self._asking.cancel()
                        self._ask(self._idle)
                    return
        self._idle = None  # the next report must not overtake this one
        self._report, self._report_pending = report, True
        self._wake.set()

    async def tell(self, wish: Wish) -> str:
        """Change the wish. Return "" when the director has accepted it, or in words why it has not yet.

        Whatever it returns, the director hears the wish when it connects again.
        """
        self._wish = wish
        if not self._connected:
            return NOT_CONNECTED
        self._answer = asyncio.get_running_loop().create_future()
        self._wish_pending = True
        self._wake.set()
        try:
            async with asyncio.timeout(ACCEPT_TIMEOUT_SECONDS):
                return await self._answer
        except TimeoutError:
            return f"no answer within {ACCEPT_TIMEOUT_SECONDS:g} s"

    def leave(self, why: str) -> None:
        """Say goodbye, if there is anyone to say it to, and let `run` return once the director has heard it."""
        self._goodbye = Goodbye(why)
        self._leaving.set()
        self._wake.set()

    async def run(self) -> None:
        """Stay connected until it is time to leave. Nothing a director does ends this."""
        failures = 0
        loop = asyncio.get_running_loop()
        while not self._leaving.is_set():
            started = loop.time()
            error = await self._attempt()
            failures = 1 if loop.time() - started >= LIVED_SECONDS else failures + 1
            if self._leaving.is_set():
                return
            refused = isinstance(error, RefusedError)
            delay = after_refusal(self._draw()) if refused else after_loss(failures, self._draw())
            self._say(str(error), delay)
            await self._pause(delay)

    async def _attempt(self) -> Exception:
        """Connect, converse until the connection is over, and return why it is."""
        try:
            connection = await self._connect()
        except WireError as error:
            return error
        over: Exception = LostError("the conversation ended")
        try:
            # In a task of its own, because in Python 3.11.2, Debian 12's, a group that fails leaves its task marked as
            # cancelled for good, and a later timeout in that task would end it.
            await asyncio.create_task(self._converse(connection), name=f"converse with {self.director}")
        except* WireError as errors:
            over = errors.exceptions[0]
        finally:
            connection.abort()
            self._connected = False
            self._settle("the connection was lost")
        return over

    async def _converse(self, connection: Connection) -> None:
        """Speak and listen until the connection is over; the error says why."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._speak(connection), name=f"speak to {self.director}")
            group.create_task(self._listen(connection), name=f"listen to {self.director}")

    async def _speak(self, connection: Connection) -> None:
        """Say hello, and then whatever is pending whenever something is."""
        hello = Hello(self._hello.agent, self._hello.version, self._wish, self._hello.interval_seconds)
        self._connected = True  # from here on a changed wish is a frame of its own
        self._wish_pending = False
        self._report_pending = True  # a director that was away is not to wait for the next to know the host's state
        await connection.send(encode(hello))
        log.info("connected director=%s wish=%s", self.director, hello.wish)
        self._said = ""
        while True:
            if self._wish_pending:
                self._wish_pending = False
                await connection.send(encode(SetWish(self._wish)))
            if self._report is not None and self._report_pending:
                self._report_pending = False
                await connection.send(self._report)
            if self._goodbye is not None:
                await connection.send(encode(self._goodbye))
                await connection.close()
                return
            await self._nothing_to_say(connection)

    async def _nothing_to_say(self, connection: Connection) -> None:
        """Wait until something is pending; meanwhile reports go directly to the connection."""
        self._idle = None if self._wake.is_set() else connection
        try:
            await self._wake.wait()
        finally:
            self._idle = None
        self._wake.clear()

    async def _listen(self, connection: Connection) -> None:
        """Take the director's answers, and watch that it lives."""
        self._loop = asyncio.get_running_loop()
        self._signs = -1  # of life, when it was asked for one
        self._ask_later(connection)
        try:
            while True:
                for message in await connection.receive():
                    self._take(decode_director_frame(message))
        finally:
            self._asking.cancel()

    def _ask_later(self, connection: Connection) -> None:
        self._asking = self._loop.call_later(PING_SECONDS, self._ask, connection)

    def _ask(self, connection: Connection) -> None:
        """Ask for a sign of life. A director that has given none since it was asked before is given up."""
        if connection.signs == self._signs:
            connection.abort(f"no sign of life for {2 * PING_SECONDS:g} s")
            return
        self._signs = connection.signs
        with contextlib.suppress(LostError):  # `_listen` hears of it
            connection.ping()
        self._ask_later(connection)

    def _take(self, frame: DirectorFrame) -> None:
        if isinstance(frame, Renewed):
            self._take_certificate(frame)
        elif frame.wish is self._wish:
            self._settle("")

    def _take_certificate(self, frame: Renewed) -> None:
        """Connect anew with a new certificate; with one that can't be used, go on as before."""
        try:
            renewed = self._renew(frame.certificate, frame.authorities)
        except TlsError as error:
            log.warning('certificate not renewed director=%s reason="%s"', self.director, error)
            return
        if renewed:
            raise LostError("this agent has a new certificate and connects again with it")

    def _settle(self, answer: str) -> None:
        """Answer the `tell` that is waiting, if one is."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def _say(self, reason: str, delay: float) -> None:
        """Log why there is no connection: once, and not at every attempt that ends the same way."""
        level = logging.DEBUG if reason == self._said else logging.WARNING
        log.log(level, 'not connected director=%s retry_seconds=%.1f reason="%s"', self.director, delay, reason)
        self._said = reason

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._leaving.wait()
