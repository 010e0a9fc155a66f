"""The `amqp` and `amqps` checks against RabbitMQ."""

import asyncio
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from feedback.checks.amqp import AmqpCheck
from feedback.checks.amqps import AmqpsCheck
from feedback.checks.codecs import amqp_frame
from feedback.checks.codecs.amqp_frame import Tune
from feedback.model import Endpoint, Outcome
from feedback.secret import Secret
from tests.checks import peers
from tests.checks.peers import check_once
from tests.checks.servers.process import stopped
from tests.checks.servers.rabbitmq import PASSWORD, USER, RabbitMq, rabbitmq
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.5
"""A deadline that is to come."""

SECRET: dict[str, Any] = {"user": USER, "password": Secret(PASSWORD)}
LOGIN: dict[str, Any] = {**SECRET, "login_without_tls": True}
GREETED = "greeted by RabbitMQ "


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[RabbitMq]:
    pair = authority.issue("amqp", "IP:127.0.0.1,IP:::1")
    with rabbitmq(tmp_path_factory.mktemp("rabbitmq"), pair) as running:
        yield running


def at(port: int, address: str = "127.0.0.1") -> Endpoint:
    return Endpoint(address, port)


async def publish(broker: RabbitMq, queue: str, count: int) -> None:
    """Send messages to a queue, and wait until they are in it: the broker answers for a channel in turn."""
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    publishing = amqp_frame.method((60, 40), b"\0\0\0" + bytes([len(queue)]) + queue.encode() + b"\0", 1)
    header = struct.pack(">BHIHHQH", 2, 1, 14, 60, 0, 0, 0) + amqp_frame.END  # of an empty body, with no properties
    writer.write(amqp_frame.HEADER + amqp_frame.start_ok(USER, PASSWORD))
    writer.write(amqp_frame.tune_ok(Tune(0, 0, 0)) + amqp_frame.open_virtual_host("/") + amqp_frame.open_channel())
    writer.write((publishing + header) * count + amqp_frame.close_channel() + amqp_frame.close())
    await reader.readuntil(amqp_frame.method(amqp_frame.CLOSE_OK))
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_broker_that_greets_passes(broker: RabbitMq, address: str) -> None:
    outcome, _, detail = await check_once(AmqpCheck(), at(broker.port, address))
    assert outcome is Outcome.PASS
    assert detail.startswith(GREETED)


@pytest.mark.parametrize("vhost", ["/", "/mail"])
async def test_a_user_is_let_in(broker: RabbitMq, vhost: str) -> None:
    outcome, _, detail = await check_once(AmqpCheck(**LOGIN, vhost=vhost), at(broker.port))
    assert outcome is Outcome.PASS
    assert detail.endswith(f", logged in as {USER}")


async def test_who_is_not_let_in_fails(broker: RabbitMq) -> None:
    check = AmqpCheck(user=USER, password=Secret("wrong"), login_without_tls=True)
    outcome, reason, detail = await check_once(check, at(broker.port))
    assert (outcome, reason) == (Outcome.FAIL, "auth")
    assert detail.startswith(f"login as {USER}: the server closes: 403 ACCESS_REFUSED - ")


@pytest.mark.parametrize(
    ("vhost", "words"), [("/others", "access to vhost '/others' refused for user"), ("/nope", "vhost /nope not found")]
)
async def test_a_virtual_host_must_be_there_and_allowed(broker: RabbitMq, vhost: str, words: str) -> None:
    outcome, reason, detail = await check_once(AmqpCheck(**LOGIN, vhost=vhost), at(broker.port))
    assert (outcome, reason) == (Outcome.FAIL, "status")
    assert detail.startswith(f"virtual host {vhost}: the server closes: 530 NOT_ALLOWED - {words}")


async def test_a_queue_and_what_waits_in_it(broker: RabbitMq) -> None:
    check = AmqpCheck(**LOGIN, queue="empty", max_messages=0)
    outcome, _, detail = await check_once(check, at(broker.port))
    assert outcome is Outcome.PASS
    assert detail.endswith(", queue empty has 0 messages and 0 consumers")
    await publish(broker, "jobs", 3)
    assert (await check_once(AmqpCheck(**LOGIN, queue="jobs", max_messages=3), at(broker.port)))[0] is Outcome.PASS
    result = await check_once(AmqpCheck(**LOGIN, queue="jobs", max_messages=2), at(broker.port))
    assert result == (Outcome.FAIL, "content", "queue jobs: 3 messages wait, must be at most 2")
    result = await check_once(AmqpCheck(**LOGIN, queue="jobs", min_consumers=1), at(broker.port))
    assert result == (Outcome.FAIL, "content", "queue jobs: 0 consumers, must be at least 1")


async def test_a_queue_that_is_not_there_fails_and_is_not_made(broker: RabbitMq) -> None:
    for _ in range(2):
        result = await check_once(AmqpCheck(**LOGIN, queue="nope"), at(broker.port))
        words = "queue nope: the server closes: 404 NOT_FOUND - no queue 'nope' in vhost '/'"
        assert result == (Outcome.FAIL, "status", words)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_broker_in_tls_passes(broker: RabbitMq, address: str, authority: Authority) -> None:
    check = AmqpsCheck(ca_file=authority.ca_file, **SECRET, queue="empty")
    outcome, _, detail = await check_once(check, at(broker.tls_port, address))
    assert outcome is Outcome.PASS
    assert detail.endswith(", queue empty has 0 messages and 0 consumers, certificate expires in 29 days")


async def test_a_certificate_that_is_not_trusted_fails(broker: RabbitMq, authority: Authority) -> None:
    for check in (AmqpsCheck(), AmqpsCheck(ca_file=authority.ca_file, sni="other.example.com")):
        assert (await check_once(check, at(broker.tls_port)))[:2] == (Outcome.FAIL, "tls")


async def test_in_the_wrong_protocol_it_fails(broker: RabbitMq) -> None:
    assert (await check_once(AmqpsCheck(verify=False), at(broker.port)))[:2] == (Outcome.FAIL, "tls")
    assert (await check_once(AmqpCheck(), at(broker.tls_port)))[:2] == (Outcome.FAIL, "protocol")


async def test_a_port_on_which_nobody_listens_fails() -> None:
    with peers.unheard() as bound:
        there = peers.endpoint_of(bound)
        for check in (AmqpCheck(), AmqpsCheck()):
            assert await check_once(check, there) == (Outcome.FAIL, "refused", f"connection refused by {there}")


async def test_a_broker_that_is_stopped_fails_at_the_deadline(broker: RabbitMq) -> None:
    with stopped(broker.process):
        result = await check_once(AmqpCheck(), at(broker.port), SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"greeting: no answer from {at(broker.port)} within 0.5 s")
    assert (await check_once(AmqpCheck(), at(broker.port)))[0] is Outcome.PASS


async def test_whatever_breaks_on_the_way_is_a_failure(broker: RabbitMq) -> None:
    """The check speaks six times: its header, the login, the limits with the host, the channel, the queue, the end."""
    await fails_at_every_step(AmqpCheck(**LOGIN, queue="empty"), at(broker.port), 7, seconds=2.0)


async def test_whatever_breaks_on_the_way_in_tls_is_a_failure(broker: RabbitMq, authority: Authority) -> None:
    check = AmqpsCheck(ca_file=authority.ca_file, **SECRET)
    await fails_at_every_step(check, at(broker.tls_port), 4, seconds=3.0)


async def test_a_check_that_was_let_in_leaves_no_complaint_in_the_log(broker: RabbitMq) -> None:
    """Of one that only heard the greeting, RabbitMQ says that it unexpectedly closed the connection."""

    def closings() -> list[str]:
        return [line for line in broker.log().splitlines() if "closing AMQP" in line and "vhost: '/mail'" in line]

    before = len(closings())
    for _ in range(3):
        check = AmqpCheck(**LOGIN, vhost="/mail", queue="letters")
        assert (await check_once(check, at(broker.port)))[0] is Outcome.PASS
    await peers.until(lambda: len(closings()) == before + 3)
    assert all(" [info] " in line for line in closings())
