"""The `amqp` check against scripts."""

import struct
from typing import Any

import pytest

from feedback.checks.amqp import AmqpCheck
from feedback.checks.amqps import AmqpsCheck
from feedback.checks.codecs import amqp_frame
from feedback.checks.codecs.amqp_frame import Name, Tune, method
from feedback.model import CheckResult, Outcome
from feedback.secret import Secret
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check

LOGIN: dict[str, Any] = {"user": "joe", "password": Secret("pw"), "login_without_tls": True}
QUEUE: dict[str, Any] = {**LOGIN, "queue": "jobs"}
GREETED = "greeted by RabbitMQ 3.10.8"


def short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def long(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def start(mechanisms: bytes = b"PLAIN AMQPLAIN") -> Send:
    properties = short("product") + b"S" + long(b"RabbitMQ") + short("version") + b"S" + long(b"3.10.8")
    return Send(method(amqp_frame.START, b"\0\x09" + long(properties) + long(mechanisms) + long(b"en_US")))


def closing(name: Name, code: int, text: str) -> Send:
    channel = 1 if name == amqp_frame.CHANNEL_CLOSE else 0
    return Send(method(name, struct.pack(">H", code) + short(text) + bytes(4), channel))


GREETING: list[Step] = [Receive(amqp_frame.HEADER), start()]
ENTERING: list[Step] = [
    *GREETING,
    Receive(amqp_frame.start_ok("joe", "pw")),
    Send(method(amqp_frame.TUNE, b"\x07\xff\0\x02\0\0\0\x3c")),
    Receive(amqp_frame.tune_ok(Tune(2047, 131_072, 60)) + amqp_frame.open_virtual_host("/")),
    Send(method(amqp_frame.OPEN_OK, b"\0")),
]
ASKING: list[Step] = [
    *ENTERING,
    Receive(amqp_frame.open_channel()),
    Send(method(amqp_frame.CHANNEL_OPEN_OK, bytes(4), 1)),
    Receive(amqp_frame.declare("jobs")),
    Send(method(amqp_frame.DECLARE_OK, short("jobs") + b"\0\0\0\x05\0\0\0\x02", 1)),
    Receive(amqp_frame.close_channel()),
    Send(method(amqp_frame.CHANNEL_CLOSE_OK, b"", 1)),
]
GOODBYE = Receive(amqp_frame.close())
HEARTBEAT = b"\x08\0\0\0\0\0\0\xce"


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_broker_that_greets_passes(chunk_bytes: int | None) -> None:
    result = run_check(AmqpCheck(), Connection(*GREETING), chunk_bytes=chunk_bytes)
    assert outcome(result) == (Outcome.PASS, "", GREETED)


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_user_is_let_in_and_says_goodbye(chunk_bytes: int | None) -> None:
    connection = Connection(*ENTERING, GOODBYE)
    result = run_check(AmqpCheck(**LOGIN), connection, chunk_bytes=chunk_bytes)
    assert outcome(result) == (Outcome.PASS, "", f"{GREETED}, logged in as joe")
    assert connection.sent.endswith(amqp_frame.close())


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_queue_is_there(chunk_bytes: int | None) -> None:
    check = AmqpCheck(**QUEUE, max_messages=5, min_consumers=2)
    result = run_check(check, Connection(*ASKING, GOODBYE), chunk_bytes=chunk_bytes)
    words = f"{GREETED}, logged in as joe, queue jobs has 5 messages and 2 consumers"
    assert outcome(result) == (Outcome.PASS, "", words)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_messages": 4}, "queue jobs: 5 messages wait, must be at most 4"),
        ({"min_consumers": 3}, "queue jobs: 2 consumers, must be at least 3"),
    ],
)
def test_a_queue_may_be_too_full_or_served_by_too_few(limits: dict[str, Any], words: str) -> None:
    connection = Connection(*ASKING, GOODBYE)
    assert outcome(run_check(AmqpCheck(**QUEUE, **limits), connection)) == (Outcome.FAIL, "content", words)
    assert connection.sent.endswith(amqp_frame.close())


def test_a_server_of_another_version_fails() -> None:
    result = run_check(AmqpCheck(), Connection(GREETING[0], Send(b"AMQP\x03\x01\0\0")))
    words = "greeting: the server has another version of AMQP: 1.0.0 (protocol 3)"
    assert outcome(result) == (Outcome.FAIL, "protocol", words)


def test_a_refused_login_is_one_and_is_acknowledged() -> None:
    connection = Connection(
        *ENTERING[:3], closing(amqp_frame.CLOSE, 403, "ACCESS_REFUSED"), Receive(method(amqp_frame.CLOSE_OK))
    )
    words = "login as joe: the server closes: 403 ACCESS_REFUSED"
    assert outcome(run_check(AmqpCheck(**LOGIN), connection)) == (Outcome.FAIL, "auth", words)
    assert connection.sent.endswith(method(amqp_frame.CLOSE_OK))


def test_a_mechanism_that_is_not_there_is_not_tried() -> None:
    connection = Connection(Receive(amqp_frame.HEADER), start(b"EXTERNAL SCRAM-SHA-256"))
    words = "login as joe: the server offers EXTERNAL SCRAM-SHA-256, must be PLAIN"
    assert outcome(run_check(AmqpCheck(**LOGIN), connection)) == (Outcome.FAIL, "auth", words)


def test_a_virtual_host_that_is_not_there_fails() -> None:
    connection = Connection(
        *ENTERING[:4],
        Receive(amqp_frame.tune_ok(Tune(2047, 131_072, 60)) + amqp_frame.open_virtual_host("/x")),
        closing(amqp_frame.CLOSE, 530, "NOT_ALLOWED - vhost /x not found"),
        Receive(method(amqp_frame.CLOSE_OK)),
    )
    words = "virtual host /x: the server closes: 530 NOT_ALLOWED - vhost /x not found"
    assert outcome(run_check(AmqpCheck(**LOGIN, vhost="/x"), connection)) == (Outcome.FAIL, "status", words)


def test_a_queue_that_is_not_there_closes_the_channel_alone() -> None:
    connection = Connection(
        *ASKING[:-3],
        closing(amqp_frame.CHANNEL_CLOSE, 404, "NOT_FOUND"),
        Receive(method(amqp_frame.CHANNEL_CLOSE_OK, channel=1)),
        GOODBYE,
    )
    words = "queue jobs: the server closes: 404 NOT_FOUND"
    assert outcome(run_check(AmqpCheck(**QUEUE), connection)) == (Outcome.FAIL, "status", words)
    assert connection.sent.endswith(method(amqp_frame.CHANNEL_CLOSE_OK, channel=1) + amqp_frame.close())


def test_a_server_that_closes_is_not_told_goodbye_again() -> None:
    connection = Connection(
        *ENTERING,
        Receive(amqp_frame.open_channel()),
        closing(amqp_frame.CLOSE, 320, "CONNECTION_FORCED"),
        Receive(method(amqp_frame.CLOSE_OK)),
    )
    words = "queue jobs: the server closes: 320 CONNECTION_FORCED"
    assert outcome(run_check(AmqpCheck(**QUEUE), connection)) == (Outcome.FAIL, "status", words)
    assert amqp_frame.close() not in connection.sent


def test_heartbeats_and_notices_are_passed_over_up_to_a_limit() -> None:
    notice = HEARTBEAT + method(amqp_frame.BLOCKED, short("low on memory")) + method(amqp_frame.UNBLOCKED)
    connection = Connection(*ENTERING[:-1], Send(notice), ENTERING[-1], GOODBYE)
    assert run_check(AmqpCheck(**LOGIN), connection).outcome is Outcome.PASS
    result = run_check(AmqpCheck(), Connection(GREETING[0], Send(HEARTBEAT * 8)))
    assert outcome(result) == (Outcome.FAIL, "protocol", "greeting: no Connection.Start among 8 frames")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (method(amqp_frame.SECURE, bytes(4)), "login as joe: Connection.Secure instead of Connection.Tune"),
        (method((60, 60)), "login as joe: method 60.60 instead of Connection.Tune"),
    ],
)
def test_another_method_fails(said: bytes, words: str) -> None:
    result = run_check(AmqpCheck(**LOGIN), Connection(*ENTERING[:3], Send(said)))
    assert outcome(result) == (Outcome.FAIL, "protocol", words)


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_a_broker_that_falls_silent_or_goes_fails(by: Step, reason: str) -> None:
    for connection in interrupted(ASKING, by):
        assert run_check(AmqpCheck(**QUEUE), connection).reason == reason


def test_in_tls_the_certificate_comes_first() -> None:
    connection = Connection(StartTls(), *ENTERING, GOODBYE)
    check = AmqpsCheck(user="joe", password=Secret("pw"), sni="broker.example.com")
    assert run_check(check, connection).outcome is Outcome.PASS
    assert connection.server_hostname == "broker.example.com"
    result = run_check(AmqpsCheck(), Connection(StartTls(error="certificate refused")))
    assert outcome(result) == (Outcome.FAIL, "tls", "certificate refused")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user": "joe"}, r"^must have both user and password, or neither$"),
        ({"password": Secret("pw")}, r"^must have both user and password, or neither$"),
        (
            {"user": "joe", "password": Secret("pw")},
            r"^password: would be sent without TLS: use the check amqps, or else set login_without_tls$",
        ),
        ({**LOGIN, "user": "a\0b"}, r"^user: must be one line of text$"),
        ({**LOGIN, "password": Secret("\udc80")}, r"^password: must be one line of text$"),
        ({**LOGIN, "vhost": ""}, r"^vhost: must be from 1 to 255 bytes$"),
        ({**LOGIN, "queue": "x" * 256}, r"^queue: must be from 1 to 255 bytes$"),
        ({"queue": "jobs"}, r"^vhost and queue need user and password$"),
        ({"vhost": "/x"}, r"^vhost and queue need user and password$"),
        ({**LOGIN, "max_messages": 1}, r"^max_messages and min_consumers go with queue$"),
        ({**LOGIN, "min_consumers": 1}, r"^max_messages and min_consumers go with queue$"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AmqpCheck(**options)
