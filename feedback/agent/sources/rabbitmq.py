"""Messages in a queue of RabbitMQ, or of another broker of AMQP 0-9-1."""

from typing import Annotated

from feedback.agent.limit import Limit
from feedback.agent.password_file import PasswordFile
from feedback.agent.place import Place, PlaceOption
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.stream import Stream, connected
from feedback.checks.codecs import amqp_frame
from feedback.checks.codecs.amqp_frame import Name, Reader

MECHANISM = "PLAIN"
FRAMES = 8
"""How many heartbeats and notices are passed over before an answer."""


class RabbitmqSource(Source, name="rabbitmq"):
    """Messages that wait in a queue, as a share of a limit.

    Those that a consumer has, and has not acknowledged, are not among them. The queue is asked for and never made. The
    account needs no rights but on the virtual host; the password goes unprotected, so keep the address to this host.

    Example:

        queue.jobs: {source: rabbitmq, queue: jobs, limit: 500, user: feedback, password_file: /etc/feedback/rabbitmq}
    """

    queue: Annotated[str, "name of the queue"]
    limit: Annotated[Limit, "how many messages are full"]
    user: Annotated[str, "user to log in as"]
    password_file: Annotated[PasswordFile, "file with the password in its first line"]
    address: Annotated[PlaceOption, "where it listens"] = Place("127.0.0.1", 5672)
    vhost: Annotated[str, "virtual host that has the queue"] = "/"

    def __post_init__(self) -> None:
        for option, name in (("queue", self.queue), ("vhost", self.vhost)):
            if not amqp_frame.is_short(name):
                raise ValueError(f"{option}: must be from 1 to {amqp_frame.SHORT_STRING_BYTES} bytes")

    async def sample(self) -> Sample:
        """Log in, and ask for the queue."""
        async with connected(self.address) as stream:
            await stream.write(amqp_frame.HEADER)
            start = amqp_frame.read_start(await hear(stream, amqp_frame.START))
            if MECHANISM not in start.mechanisms:
                raise SourceError(f"the broker takes {' '.join(start.mechanisms)}, must be {MECHANISM}")
            login = amqp_frame.start_ok(self.user, self.password_file.reveal())
            tune = amqp_frame.read_tune(await ask(stream, login, amqp_frame.TUNE))
            opening = amqp_frame.tune_ok(tune) + amqp_frame.open_virtual_host(self.vhost)
            await ask(stream, opening, amqp_frame.OPEN_OK)
            await ask(stream, amqp_frame.open_channel(), amqp_frame.CHANNEL_OPEN_OK)
            declared = await ask(stream, amqp_frame.declare(self.queue), amqp_frame.DECLARE_OK)
            queue = amqp_frame.read_declare_ok(declared)
            await ask(stream, amqp_frame.close(), amqp_frame.CLOSE_OK)  # brokers log what is left open
        return Sample(queue.messages / self.limit)


async def ask(stream: Stream, methods: bytes, wanted: Name) -> Reader:
    """Return the arguments of the answer to a method."""
    await stream.write(methods)
    return await hear(stream, wanted)


async def hear(stream: Stream, wanted: Name) -> Reader:
    """Return the arguments of the next method, which must be the one wanted."""
    for _ in range(FRAMES):
        head_bytes = await stream.read_exactly(amqp_frame.HEAD_BYTES)
        if amqp_frame.is_header(head_bytes):
            raise amqp_frame.other_version(head_bytes + await stream.read_exactly(1))
        head = amqp_frame.read_head(head_bytes)
        name, arguments = amqp_frame.read_method(head, await stream.read_exactly(head.size + amqp_frame.END_BYTES))
        if name == wanted:
            return arguments
        if name in {amqp_frame.CLOSE, amqp_frame.CHANNEL_CLOSE}:
            raise amqp_frame.read_close(arguments).failure()
        if name not in amqp_frame.NOTICES:
            raise SourceError(f"the broker says method {name[0]}.{name[1]}, must be {amqp_frame.NAMES[wanted]}")
    raise SourceError(f"no {amqp_frame.NAMES[wanted]} among {FRAMES} frames")
