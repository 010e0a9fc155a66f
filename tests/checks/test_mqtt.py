"""The `mqtt` check against scripts."""

from typing import Any

import pytest

from feedback.checks import mqtt
from feedback.checks.codecs import mqtt_packet
from feedback.checks.mqtt import MqttCheck
from feedback.checks.mqtts import MqttsCheck
from feedback.model import CheckResult, Outcome
from feedback.secret import Secret
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check

TOKEN = "0123456789abcd"
NAME = "feedback" + TOKEN
GOODBYE = Receive(b"\xe0\0")
LOGIN: dict[str, Any] = {"user": "joe", "password": Secret("pw")}
ASKING: dict[str, Any] = {"subscribe": "a/b", "expect": "up"}


def run(check: MqttCheck, connection: Connection, **more: Any) -> CheckResult:
    """Run a check once, with what it leaves to chance known."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mqtt, "new_token", lambda _count: TOKEN)
        return run_check(check, connection, **more)


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def opening(version: Any = "3.1.1", user: str | None = None, password: str | None = None) -> list[Step]:
    ack = b"\x20\x03\0\0\0" if version == 5 else b"\x20\x02\0\0"
    return [Receive(mqtt_packet.connect(version, NAME, user, password)), Send(ack)]


def asking(version: Any = "3.1.1") -> list[Step]:
    ack = b"\x90\x04\0\x01\0\0" if version == 5 else b"\x90\x03\0\x01\0"
    return [*opening(version), Receive(mqtt_packet.subscribe(version, "a/b")), Send(ack)]


def message(payload: bytes, version: Any = "3.1.1") -> Send:
    body = b"\0\x03a/b" + (b"\0" if version == 5 else b"") + payload
    return Send(bytes([0x31, len(body)]) + body)


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize("version", ["3.1.1", 5])
def test_a_broker_that_accepts_passes(version: Any, chunk_bytes: int | None) -> None:
    connection = Connection(*opening(version), GOODBYE)
    result = run(MqttCheck(version=version), connection, chunk_bytes=chunk_bytes)
    assert outcome(result) == (Outcome.PASS, "", f"connected by MQTT {version}")
    assert connection.sent.endswith(mqtt_packet.GOODBYE)
    assert 8 < len(NAME) <= 23


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize("version", ["3.1.1", 5])
def test_a_message_that_is_expected_passes(version: Any, chunk_bytes: int | None) -> None:
    connection = Connection(*asking(version), message(b"up 3", version), GOODBYE)
    result = run(MqttCheck(version=version, **ASKING), connection, chunk_bytes=chunk_bytes)
    assert outcome(result) == (Outcome.PASS, "", f'connected by MQTT {version}, a/b is "up 3"')


def test_a_message_may_come_before_the_subscription_is_granted() -> None:
    granted = asking()[-1]
    connection = Connection(*asking()[:-1], message(b"up 1"), message(b"down"), granted, GOODBYE)
    assert run(MqttCheck(**ASKING), connection).detail == 'connected by MQTT 3.1.1, a/b is "up 1"'
    connection = Connection(*asking()[:-1], *[message(b"up")] * 9, GOODBYE)
    result = run(MqttCheck(**ASKING), connection)
    words = "SUBSCRIBE a/b: 9 messages came before the subscription was granted"
    assert outcome(result) == (Outcome.FAIL, "protocol", words)


def test_another_message_fails() -> None:
    check = MqttCheck(subscribe="a/b", expect_regex="^up$")
    result = run(check, Connection(*asking(), message(b"upper"), GOODBYE))
    words = 'a message of a/b: a/b does not have what is expected: "upper"'
    assert outcome(result) == (Outcome.FAIL, "content", words)


def test_a_subscription_alone_needs_no_message() -> None:
    result = run(MqttCheck(subscribe="a/b"), Connection(*asking(), GOODBYE))
    assert outcome(result) == (Outcome.PASS, "", "connected by MQTT 3.1.1, subscribed to a/b")


def test_a_refusal_is_said_in_words_and_goodbye_only_where_one_was_let_in() -> None:
    connection = Connection(opening()[0], Send(b"\x20\x02\0\x05"))
    assert outcome(run(MqttCheck(), connection)) == (Outcome.FAIL, "auth", "CONNECT: refused: not authorized (0x05)")
    assert mqtt_packet.GOODBYE not in connection.sent
    connection = Connection(*asking()[:-1], Send(b"\x90\x03\0\x01\x80"), GOODBYE)
    result = run(MqttCheck(subscribe="a/b"), connection)
    assert outcome(result) == (Outcome.FAIL, "status", "SUBSCRIBE a/b: refused: 0x80")
    assert connection.sent.endswith(mqtt_packet.GOODBYE)


def test_a_server_that_disconnects_says_why() -> None:
    result = run(MqttCheck(version=5, **ASKING), Connection(*asking(5), Send(b"\xe0\x01\x8b"), GOODBYE))
    words = "a message of a/b: the server disconnects: server shutting down (0x8b)"
    assert outcome(result) == (Outcome.FAIL, "closed", words)


def test_another_protocol_is_told_by_its_first_byte() -> None:
    result = run(MqttCheck(), Connection(opening()[0], Send(b"H")))
    assert outcome(result) == (Outcome.FAIL, "protocol", 'CONNECT: not CONNACK: "H"')


def test_a_packet_is_bounded() -> None:
    result = run(MqttCheck(), Connection(opening()[0], Send(b"\x20\xff\xff\xff\x7f")))
    assert (result.outcome, result.reason) == (Outcome.FAIL, "limit")


def test_a_login_is_sent() -> None:
    check = MqttCheck(**LOGIN, login_without_tls=True)
    result = run(check, Connection(*opening("3.1.1", "joe", "pw"), GOODBYE))
    assert outcome(result) == (Outcome.PASS, "", "connected by MQTT 3.1.1 as joe")
    result = run(MqttCheck(user="joe"), Connection(*opening("3.1.1", "joe"), GOODBYE))
    assert result.detail == "connected by MQTT 3.1.1 as joe"


def test_a_client_may_have_a_name_of_its_own() -> None:
    connect = Receive(mqtt_packet.connect("3.1.1", "lvs1", None, None))
    assert run(MqttCheck(client_id="lvs1"), Connection(connect, Send(b"\x20\x02\0\0"), GOODBYE)).outcome is Outcome.PASS


def test_in_tls_the_certificate_comes_first() -> None:
    connection = Connection(StartTls(), *opening("3.1.1", "joe", "pw"), GOODBYE)
    assert run(MqttsCheck(**LOGIN, sni="broker.example.com"), connection).outcome is Outcome.PASS
    assert connection.server_hostname == "broker.example.com"
    result = run(MqttsCheck(), Connection(StartTls(error="certificate refused")))
    assert outcome(result) == (Outcome.FAIL, "tls", "certificate refused")


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_a_broker_that_falls_silent_or_goes_fails(by: Step, reason: str) -> None:
    for connection in interrupted([*asking(), message(b"up")], by):
        assert run(MqttCheck(**ASKING), connection).reason == reason


@pytest.mark.parametrize(
    "topic", ["a", "/", "a/b", "$SYS/broker/uptime", "#", "+", "a/#", "+/b/+", "/+", "$share/g/a b"]
)
def test_topics_and_filters(topic: str) -> None:
    assert MqttCheck(subscribe=topic).subscribe == topic


@pytest.mark.parametrize("topic", ["", "a#", "#/a", "a/#/b", "a+", "+a", "a/+b/c", "a\0", "\udc80", "x" * 65536])
def test_what_is_no_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match=r"^subscribe: must be a topic, "):
        MqttCheck(subscribe=topic)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"password": Secret("pw"), "login_without_tls": True}, r"^password: goes with user, and there is none$"),
        (LOGIN, r"^password: would be sent without TLS: use the check mqtts, or else set login_without_tls$"),
        ({"user": ""}, r"^user: must be text of at most 65535 bytes$"),
        ({"client_id": "\0"}, r"^client_id: must be text of at most 65535 bytes$"),
        ({"user": "joe", "password": Secret("\0")}, r"^password: must be text of at most 65535 bytes$"),
        ({"expect": "up"}, r"^expect and expect_regex go with subscribe$"),
        (
            {"subscribe": "a", "expect": "up", "expect_regex": "up"},
            r"^must have at most one of expect and expect_regex$",
        ),
        ({"subscribe": "a", "expect_regex": "("}, r"^expect_regex: must be a regular expression: "),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MqttCheck(**options)
