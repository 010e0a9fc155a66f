from collections.abc import Iterator
from typing import Any

import pytest

from feedback.agent.place import Place
from feedback.agent.source import Source
from feedback.agent.sources.rabbitmq import RabbitmqSource, ask, hear
from feedback.agent.stream import connected
from feedback.checks.codecs import amqp_frame
from feedback.secret import Secret
from tests.agent.failing import PASSWORD, failure, names_what_hangs, refuses_garbage, says_who_is_away
from tests.checks.servers.rabbitmq import USER, RabbitMq, rabbitmq
from tests.checks.tls_files import Authority


@pytest.mark.parametrize("option", ["queue", "vhost"])
@pytest.mark.parametrize("name", ["", 256 * "a"])
def test_names_have_so_many_bytes(option: str, name: str) -> None:
    options: dict[str, Any] = {"queue": "jobs", option: name}
    with pytest.raises(ValueError, match=f"^{option}: must be from 1 to 255 bytes$"):
        RabbitmqSource(limit=1, user=USER, password_file=PASSWORD, **options)


def at(place: Place, **options: Any) -> Source:
    known: dict[str, Any] = {"queue": "jobs", "limit": 10, "user": USER, "password_file": PASSWORD}
    return RabbitmqSource(address=place, **(known | options))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    pair = Authority(tmp_path_factory.mktemp("authority")).issue("broker", "IP:127.0.0.1")
    with rabbitmq(tmp_path_factory.mktemp("rabbitmq"), pair) as running:
        yield running


def publish(queue: str) -> bytes:
    """Return what puts an empty message into a queue (AMQP 0-9-1, 1.8.3.7): the method, and a header of no body."""
    routing = b"\0\0" + b"\0" + bytes([len(queue)]) + queue.encode() + b"\0"
    header = b"\0\x3c\0\0" + bytes(8) + b"\0\0"
    frame = b"\2\0\1" + len(header).to_bytes(4) + header + amqp_frame.END
    return amqp_frame.method((60, 40), routing, amqp_frame.CHANNEL) + frame


async def fill(place: Place, queue: str, count: int) -> None:
    """Put messages into a queue, by way of the source's own dialogue."""
    async with connected(place) as stream:
        await stream.write(amqp_frame.HEADER)
        await hear(stream, amqp_frame.START)
        tune = await ask(stream, amqp_frame.start_ok(USER, PASSWORD.reveal()), amqp_frame.TUNE)
        opening = amqp_frame.tune_ok(amqp_frame.read_tune(tune)) + amqp_frame.open_virtual_host("/")
        await ask(stream, opening, amqp_frame.OPEN_OK)
        await ask(stream, amqp_frame.open_channel(), amqp_frame.CHANNEL_OPEN_OK)
        await stream.write(publish(queue) * count)
        await ask(stream, amqp_frame.close_channel(), amqp_frame.CHANNEL_CLOSE_OK)


@pytest.mark.loopback
async def test_messages_that_wait_are_a_share_of_the_limit(server: RabbitMq) -> None:
    place = Place("127.0.0.1", server.port)
    assert (await at(place, queue="empty").sample()).ratio == 0
    await fill(place, "jobs", 4)
    assert (await at(place).sample()).ratio == 0.4


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"password_file": Secret("wrong")}, "the server closes: 403 ACCESS_REFUSED"),
        ({"queue": "none"}, "the server closes: 404 NOT_FOUND - no queue 'none' in vhost '/'"),
        ({"vhost": "/others"}, "the server closes: 530 NOT_ALLOWED"),
    ],
)
async def test_what_the_broker_refuses_is_told(server: RabbitMq, options: dict[str, Any], why: str) -> None:
    place = Place("127.0.0.1", server.port)
    assert (await failure(at(place, **options))).startswith(f"{place}: {why}")


@pytest.mark.loopback
async def test_a_broker_that_hangs_is_told_and_one_that_is_back_is_sampled(server: RabbitMq) -> None:
    await names_what_hangs(at(Place("127.0.0.1", server.port)), server.process)


@pytest.mark.loopback
async def test_what_is_no_broker_is_told() -> None:
    await says_who_is_away(at)
    heartbeat = b"\x08\0\0\0\0\0\0\xce"
    await refuses_garbage(at, b"AMQP\0\1\0\0", heartbeat * 9, amqp_frame.method((60, 60)))
