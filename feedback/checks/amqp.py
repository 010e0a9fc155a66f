"""The `amqp` check: a broker's greeting, a login, and a queue with what waits in it."""

import contextlib
from typing import Annotated

import msgspec

from feedback.checks.codecs import amqp_frame
from feedback.checks.codecs.amqp_frame import Name, Reader, Start
from feedback.checks.credentials import Password
from feedback.checks.secured import TlsCheck
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Net, Stream, Target

MECHANISM = "PLAIN"
HEARTBEATS = 8
"""How many heartbeats and notices are passed over before an answer."""

Count = Annotated[int, msgspec.Meta(ge=0)]


class AmqpCheck(TlsCheck, name="amqp"):
    """Pass when a broker greets by AMQP 0-9-1, lets a user in, and has a queue, where they are asked for.

    Without `user`, the greeting is all: the broker is there, and says what it is. RabbitMQ warns in its log of a client
    that leaves so early. With `queue`, that must be in the virtual host, with no more messages and no fewer consumers
    than the limits say. It is asked for and never made.

    The password is sent only in TLS, which is the check `amqps`, unless `login_without_tls` allows the other. A broker
    that has only AMQP 1.0 is asked by the check `chat`: `send_hex: 414d515003010000`, `expect_hex: 414d515003010000`.

    Examples:

        - amqp: {}
        - amqp: {user: monitor, password: secret, login_without_tls: true, queue: jobs, max_messages: 1000}
    """

    user: Annotated[str | None, "user to log in as"] = None
    password: Annotated[Password | None, "that user's password"] = None
    login_without_tls: Annotated[bool, "send the password also without TLS, for everyone on the way to read"] = False
    vhost: Annotated[str, "virtual host to open"] = "/"
    queue: Annotated[str | None, "queue that must be there"] = None
    max_messages: Annotated[Count | None, "how many messages may wait in the queue"] = None
    min_consumers: Annotated[Count | None, "how many consumers the queue must have"] = None

    def __post_init__(self) -> None:
        if (self.user is None) != (self.password is None):
            raise ValueError("must have both user and password, or neither")
        if self.user is not None and not (self.over_tls or self.login_without_tls):
            raise ValueError("password: would be sent without TLS: use the check amqps, or else set login_without_tls")
        password = None if self.password is None else self.password.reveal()
        for option, text in (("user", self.user), ("password", password)):
            if text is not None and not text.isprintable():
                raise ValueError(f"{option}: must be one line of text")
        for option, name in (("vhost", self.vhost), ("queue", self.queue)):
            if name is not None and not amqp_frame.is_short(name):
                raise ValueError(f"{option}: must be from 1 to {amqp_frame.SHORT_STRING_BYTES} bytes")
        if self.user is None and (self.queue is not None or self.vhost != "/"):
            raise ValueError("vhost and queue need user and password")
        if self.queue is None and (self.max_messages is not None or self.min_consumers is not None):
            raise ValueError("max_messages and min_consumers go with queue")
        super().__post_init__()

    async def probe(self, target: Target, net: Net) -> str:
        """Go as far as the options say, and close."""
        async with net.connect_tcp(target) as stream:
            expires = await self.secure(stream, target) if self.over_tls else ""
            talk = _Talk(stream)
            net.stage("greeting")
            await stream.write(amqp_frame.HEADER)
            start = amqp_frame.read_start(await talk.hear(amqp_frame.START))
            said = await self._enter(talk, start, net)
        return ", ".join(filter(None, (f"greeted by {start}", *said, expires)))

    async def _enter(self, talk: "_Talk", start: Start, net: Net) -> list[str]:
        """Log in, and look at the queue. Return what is worth telling."""
        if self.user is None or self.password is None:
            return []
        net.stage(f"login as {self.user}")
        if MECHANISM not in start.mechanisms:
            raise CheckFailed(Reason.AUTH, f"the server offers {' '.join(start.mechanisms)}, must be {MECHANISM}")
        login = amqp_frame.start_ok(self.user, self.password.reveal())
        tune = amqp_frame.read_tune(await talk.ask(login, amqp_frame.TUNE))
        net.stage(f"virtual host {self.vhost}")
        opening = amqp_frame.tune_ok(tune) + amqp_frame.open_virtual_host(self.vhost)
        await talk.ask(opening, amqp_frame.OPEN_OK)
        try:
            return [f"logged in as {self.user}", await self._look_at_queue(talk, net)]
        finally:
            await talk.say_goodbye()

    async def _look_at_queue(self, talk: "_Talk", net: Net) -> str:
        if self.queue is None:
            return ""
        net.stage(f"queue {self.queue}")
        await talk.ask(amqp_frame.open_channel(), amqp_frame.CHANNEL_OPEN_OK)
        queue = amqp_frame.read_declare_ok(await talk.ask(amqp_frame.declare(self.queue), amqp_frame.DECLARE_OK))
        await talk.ask(amqp_frame.close_channel(), amqp_frame.CHANNEL_CLOSE_OK)  # brokers log what is left open
        if self.max_messages is not None and queue.messages > self.max_messages:
            raise CheckFailed(Reason.CONTENT, f"{queue.messages} messages wait, must be at most {self.max_messages}")
        if self.min_consumers is not None and queue.consumers < self.min_consumers:
            raise CheckFailed(Reason.CONTENT, f"{queue.consumers} consumers, must be at least {self.min_consumers}")
        return f"queue {self.queue} has {queue.messages} messages and {queue.consumers} consumers"


class _Talk:
    """A dialogue under way: one method, one answer."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._closed = False

    async def ask(self, methods: bytes, wanted: Name) -> Reader:
        """Return the arguments of the answer to a method."""
        await self._stream.write(methods)
        return await self.hear(wanted)

    async def hear(self, wanted: Name) -> Reader:
        """Return the next method's arguments, which must be the one wanted. Raises what a server says in closing."""
        for _ in range(HEARTBEATS):
            head_bytes = await self._stream.read_exactly(amqp_frame.HEAD_BYTES)
            if amqp_frame.is_header(head_bytes):
                raise amqp_frame.other_version(head_bytes + await self._stream.read_exactly(1))
            head = amqp_frame.read_head(head_bytes)
            rest = await self._stream.read_exactly(head.size + amqp_frame.END_BYTES)
            name, arguments = amqp_frame.read_method(head, rest)
            if name == wanted:
                return arguments
            await self._heed(name, arguments, wanted)
        raise CheckFailed(Reason.PROTOCOL, f"no {amqp_frame.NAMES[wanted]} among {HEARTBEATS} frames")

    async def _heed(self, name: Name, arguments: Reader, wanted: Name) -> None:
        """Take what comes instead of an answer."""
        if name == amqp_frame.CLOSE:
            self._closed = True
            await self._say(amqp_frame.method(amqp_frame.CLOSE_OK))
            raise amqp_frame.read_close(arguments).failure()
        if name == amqp_frame.CHANNEL_CLOSE:
            await self._say(amqp_frame.method(amqp_frame.CHANNEL_CLOSE_OK, channel=amqp_frame.CHANNEL))
            raise amqp_frame.read_close(arguments).failure()
        if name not in amqp_frame.NOTICES:
            named = amqp_frame.NAMES.get(name) or f"method {name[0]}.{name[1]}"
            raise CheckFailed(Reason.PROTOCOL, f"{named} instead of {amqp_frame.NAMES[wanted]}")

    async def say_goodbye(self) -> None:
        """Close the connection, unless the server has done so."""
        if not self._closed:
            await self._say(amqp_frame.close())

    async def _say(self, method: bytes) -> None:
        with contextlib.suppress(CheckFailed, LocalFault):  # what came before is what counts
            await self._stream.write(method)
