"""The `mqtt` and `mqtts` checks against Mosquitto."""

from collections.abc import Iterator
from typing import Any

import pytest

from feedback.checks.mqtt import MqttCheck
from feedback.checks.mqtts import MqttsCheck
from feedback.model import Endpoint, Outcome
from feedback.secret import Secret
from tests.checks import peers
from tests.checks.peers import check_once
from tests.checks.servers.mosquitto import PASSWORD, USER, Mosquitto, mosquitto
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.5
"""A deadline that is to come."""

VERSIONS: tuple[Any, ...] = ("3.1.1", 5)
LOGIN: dict[str, Any] = {"user": USER, "password": Secret(PASSWORD)}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Mosquitto]:
    pair = authority.issue("mqtt", "IP:127.0.0.1,IP:::1")
    with mosquitto(tmp_path_factory.mktemp("mosquitto"), pair) as running:
        yield running


def at(port: int, address: str = "127.0.0.1") -> Endpoint:
    return Endpoint(address, port)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_broker_that_accepts_passes(broker: Mosquitto, address: str, version: Any) -> None:
    result = await check_once(MqttCheck(version=version), at(broker.open, address))
    assert result == (Outcome.PASS, "", f"connected by MQTT {version}")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_retained_message_is_read(broker: Mosquitto, version: Any) -> None:
    check = MqttCheck(version=version, subscribe="$SYS/broker/version", expect_regex=r"^mosquitto version \d")
    outcome, _, detail = await check_once(check, at(broker.open))
    assert outcome is Outcome.PASS
    assert detail.startswith(f'connected by MQTT {version}, $SYS/broker/version is "mosquitto version ')
    check = MqttCheck(version=version, subscribe="$SYS/broker/+", expect="no such thing")
    outcome, reason, detail = await check_once(check, at(broker.open))
    assert (outcome, reason) == (Outcome.FAIL, "content")
    assert " does not have what is expected: " in detail


async def test_a_message_that_is_not_there_is_waited_for(broker: Mosquitto) -> None:
    check = MqttCheck(subscribe="nobody/says/this", expect="x")
    result = await check_once(check, at(broker.open), SOON_SECONDS)
    words = f"a message of nobody/says/this: no more than 9 bytes from {at(broker.open)} within 0.5 s"
    assert result == (Outcome.FAIL, "timeout", words)
    result = await check_once(MqttCheck(subscribe="nobody/says/this"), at(broker.open))
    assert result == (Outcome.PASS, "", "connected by MQTT 3.1.1, subscribed to nobody/says/this")


@pytest.mark.parametrize(("version", "words"), [("3.1.1", "not authorized (0x05)"), (5, "not authorized (0x87)")])
async def test_who_is_not_let_in_fails(broker: Mosquitto, version: Any, words: str) -> None:
    for options in ({}, {"user": USER}, {"user": USER, "password": Secret("wrong")}):
        check = MqttCheck(version=version, login_without_tls=True, **options)
        result = await check_once(check, at(broker.closed))
        assert result == (Outcome.FAIL, "auth", f"CONNECT: refused: {words}")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_user_is_let_in(broker: Mosquitto, version: Any) -> None:
    check = MqttCheck(version=version, login_without_tls=True, **LOGIN, subscribe="allowed/#")
    result = await check_once(check, at(broker.closed))
    assert result == (Outcome.PASS, "", f"connected by MQTT {version} as {USER}, subscribed to allowed/#")


async def test_a_topic_that_is_granted_may_be_kept_back_all_the_same(broker: Mosquitto) -> None:
    """So Mosquitto does it by its list of rights: only a message that comes shows that it may be read."""
    options: dict[str, Any] = {"login_without_tls": True, "subscribe": "$SYS/broker/version", **LOGIN}
    assert (await check_once(MqttCheck(**options), at(broker.closed)))[0] is Outcome.PASS
    result = await check_once(MqttCheck(**options, expect="mosquitto"), at(broker.closed), SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_broker_in_tls_passes(broker: Mosquitto, version: Any, authority: Authority) -> None:
    check = MqttsCheck(version=version, ca_file=authority.ca_file, **LOGIN)
    result = await check_once(check, at(broker.tls))
    assert result == (Outcome.PASS, "", f"connected by MQTT {version} as {USER}, certificate expires in 29 days")
    check = MqttsCheck(version=version, ca_file=authority.ca_file)
    assert (await check_once(check, at(broker.tls, "::1")))[0] is Outcome.PASS


async def test_a_certificate_that_is_not_trusted_fails(broker: Mosquitto, authority: Authority) -> None:
    for check in (MqttsCheck(), MqttsCheck(ca_file=authority.ca_file, sni="other.example.com")):
        assert (await check_once(check, at(broker.tls)))[:2] == (Outcome.FAIL, "tls")


async def test_in_the_wrong_protocol_it_fails(broker: Mosquitto) -> None:
    for check, port in ((MqttsCheck(verify=False), broker.open), (MqttCheck(), broker.tls)):
        outcome, reason, _ = await check_once(check, at(port))
        assert outcome is Outcome.FAIL
        assert reason in {"closed", "reset", "protocol", "tls"}


async def test_a_port_on_which_nobody_listens_fails() -> None:
    with peers.unheard() as bound:
        there = peers.endpoint_of(bound)
        for check in (MqttCheck(), MqttsCheck()):
            assert await check_once(check, there) == (Outcome.FAIL, "refused", f"connection refused by {there}")


async def test_a_broker_that_is_stopped_fails_at_the_deadline(broker: Mosquitto) -> None:
    with stopped(broker.process):
        result = await check_once(MqttCheck(), at(broker.open), SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"CONNECT: no answer from {at(broker.open)} within 0.5 s")
    assert (await check_once(MqttCheck(), at(broker.open)))[0] is Outcome.PASS


@pytest.mark.parametrize("version", VERSIONS)
async def test_whatever_breaks_on_the_way_is_a_failure(broker: Mosquitto, version: Any) -> None:
    check = MqttCheck(version=version, subscribe="$SYS/broker/version", expect="mosquitto")
    await fails_at_every_step(check, at(broker.open), 3)


async def test_whatever_breaks_on_the_way_in_tls_is_a_failure(broker: Mosquitto, authority: Authority) -> None:
    check = MqttsCheck(ca_file=authority.ca_file, **LOGIN)
    await fails_at_every_step(check, at(broker.tls), 3, seconds=3.0)


async def test_the_broker_hears_goodbye(broker: Mosquitto) -> None:
    """A client that goes without DISCONNECT "closed its connection" in the log."""
    gone = broker.log().count(" disconnected.")
    assert (await check_once(MqttCheck(client_id="polite"), at(broker.open)))[0] is Outcome.PASS
    await peers.until(lambda: broker.log().count(" disconnected.") > gone)
    assert "Client polite disconnected." in broker.log()
