"""Every built-in check keeps to the contract that plugin authors' checks must keep to, on a script on which it passes.

The scripts are those of the checks' own tests.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from feedback.checks import dns_client, mqtt, ntp, radius, sip
from feedback.checks.http_request import HttpRequest
from feedback.checks.icmp import IcmpCheck
from feedback.net import Completed
from feedback.registry import CHECKS
from feedback.secret import Secret
from feedback.testing import (
    Connection,
    Exchange,
    Part,
    Program,
    Receive,
    Send,
    StartTls,
    conform_check,
)
from tests.checks import (
    http2_frames,
    test_amqp,
    test_chat,
    test_dns,
    test_ftp,
    test_grpc,
    test_http_dialogue,
    test_https,
    test_icmp,
    test_imap,
    test_ldap,
    test_memcached,
    test_mqtt,
    test_mysql,
    test_nfs,
    test_nntp,
    test_ntp,
    test_pop3,
    test_postgresql,
    test_radius,
    test_redis,
    test_rpc,
    test_rtsp,
    test_sip,
    test_smtp,
    test_websocket,
)
from tests.checks.certificates import NAMED
from tests.checks.dns_answers import IDENTIFIER
from tests.checks.ntp_packets import NONCE
from tests.checks.rpc_scripts import over_tcp

TLS = StartTls(certificate=NAMED)
USER: dict[str, Any] = {"user": "joe", "password": Secret("pw")}
LINES = {"user": "mrose", "password": Secret("a b")}
NEWS = {"user": "fred", "password": Secret("flint stone"), "group": "misc.test", "mode_reader": True}
MAIL = {"user": "monitor", "password": Secret("secret"), "mailbox": "INBOX"}
SERVED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
ACCEPTED = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
"""RFC 6455, 1.3: what answers the key dGhlIHNhbXBsZSBub25jZQ==."""


class Deaf(Connection):
    """A peer that hears whatever it is told: requests that are masked by chance."""

    def take(self, data: bytes) -> None:
        self.sent += data


class Passing(msgspec.Struct):
    """What a check passes on, and the options with which it does."""

    script: tuple[Part, ...]
    options: dict[str, Any] = {}


def _passing(*script: Part, **options: Any) -> Passing:
    return Passing(script, options)


def _scripts() -> Mapping[str, Passing]:
    pong = test_websocket.ANSWERED
    return {
        "amqp": _passing(Connection(*test_amqp.ASKING, test_amqp.GOODBYE), **test_amqp.QUEUE),
        "amqps": _passing(Connection(TLS, *test_amqp.ENTERING, test_amqp.GOODBYE), **USER),
        "chat": _passing(Connection(*test_chat.GREETING), steps=test_chat.LINE_BY_LINE),
        "dns": _passing(
            Exchange(Receive(test_dns.WWW), Send(test_dns.TRUNCATED)),
            Connection(Receive(test_dns.framed(test_dns.WWW)), Send(test_dns.framed(test_dns.ANSWER))),
            query_name="www.example.com",
            query_type="A",
        ),
        "exec": _passing(Program(Completed(0, b"OK - fine\n", b"")), command=["check_it"]),
        "ftp": _passing(
            Connection(*test_ftp.FETCHED, test_ftp.QUIT), Connection(Send(b"alive\n")), file="alive.txt", size=6
        ),
        "ftps": _passing(Connection(TLS, test_ftp.GREETING, test_ftp.QUIT)),
        "grpc": _passing(http2_frames.Peer(Send(test_grpc.ANSWER))),
        "grpcs": _passing(http2_frames.Peer(StartTls(certificate=NAMED, alpn="h2"), Send(test_grpc.ANSWER))),
        "http": _passing(
            Connection(*test_http_dialogue.ON_ONE), path="/a", requests=(HttpRequest(path="/b", body="alive"),)
        ),
        "https": _passing(Connection(TLS, test_https.request(), Send(test_https.OK)), port=443),
        "icmp": _passing(_echo()),
        "imap": _passing(Connection(*test_imap.MAILBOX, test_imap.LOGOUT), **MAIL),
        "imaps": _passing(Connection(TLS, *test_imap.MAILBOX, test_imap.LOGOUT), **MAIL),
        "ldap": _passing(Connection(*test_ldap.DIALOGUE)),
        "ldaps": _passing(Connection(TLS, *test_ldap.DIALOGUE)),
        "lmtp": _passing(
            Connection(test_smtp.GREETING, test_smtp.said("LHLO lb"), test_smtp.ANNOUNCED, test_smtp.QUIT), helo="lb"
        ),
        "memcached": _passing(Connection(*test_memcached.GET), key="warm"),
        "mqtt": _passing(
            Connection(*test_mqtt.asking(), test_mqtt.message(b"up"), test_mqtt.GOODBYE), **test_mqtt.ASKING
        ),
        "mqtts": _passing(Connection(TLS, *test_mqtt.opening("3.1.1", "joe", "pw"), test_mqtt.GOODBYE), **USER),
        "mysql": _passing(
            Connection(*test_mysql.LOGIN, test_mysql.QUIT), user="monitor", password=Secret("secret"), verify=False
        ),
        "nfs": _passing(Connection(*over_tcp(test_nfs.NULL_4, test_nfs.EXPORT)), export="/srv/home"),
        "nntp": _passing(Connection(*test_nntp.ALL, test_nntp.QUIT), **NEWS),
        "nntps": _passing(Connection(TLS, *test_nntp.ALL, test_nntp.QUIT), **NEWS),
        "ntp": _passing(Exchange(test_ntp.FIRST, test_ntp.reply())),
        "pop3": _passing(Connection(*test_pop3.MAILBOX, test_pop3.QUIT), **LINES),
        "pop3s": _passing(Connection(TLS, *test_pop3.MAILBOX, test_pop3.QUIT), **LINES),
        "postgresql": _passing(Connection(*test_postgresql.LOGIN, test_postgresql.GOODBYE), user="monitor"),
        "radius": _passing(
            Exchange(Receive(test_radius.LOGIN), test_radius.answer(test_radius.LOGIN, 2)),
            secret=Secret("testing123"),
            **test_radius.USER,
        ),
        "redis": _passing(
            Connection(test_redis.AUTH, test_redis.OK, test_redis.PING, test_redis.PONG), password=Secret("secret")
        ),
        "rpc": _passing(Connection(*test_rpc.LISTING)),
        "rtsp": _passing(Connection(*test_rtsp.ALL), url=test_rtsp.URL),
        "sip": _passing(Exchange(test_sip.ASKED, test_sip.answer())),
        "smtp": _passing(Connection(*test_smtp.SECURE, test_smtp.QUIT), helo="lvs1.example.com", starttls=True),
        "smtps": _passing(
            Connection(TLS, test_smtp.GREETING, test_smtp.EHLO, test_smtp.IN_TLS, test_smtp.QUIT),
            helo="lvs1.example.com",
        ),
        "ssh": _passing(),  # a library that awaits asyncio
        "tcp": _passing(Connection()),
        "tls": _passing(Connection(TLS)),
        "udp": _passing(Exchange(Receive(b"ping"), Send(b"a pong")), send="ping", expect="pong"),
        "websocket": _passing(Deaf(Send(SERVED + ACCEPTED), Send(pong))),
        "wss": _passing(Deaf(TLS, Send(SERVED + ACCEPTED), Send(pong))),
    }


def _echo() -> Exchange:
    check = IcmpCheck()
    return Exchange(Receive(test_icmp.packet(check, 1)), Send(test_icmp.packet(check, 1)))


SCRIPTS = _scripts()
BUILT_IN = [name for name, check in CHECKS.all().items() if check.__module__.startswith("feedback.")]


@pytest.fixture(autouse=True)
def _known_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let chance fall in each run as in the scripts, and every clock stand still."""
    tokens: Callable[[], str] = itertools.cycle((test_sip.BRANCH, test_sip.TAG, test_sip.CALL_ID)).__next__
    monkeypatch.setattr(dns_client, "new_identifier", lambda: IDENTIFIER)
    monkeypatch.setattr(mqtt, "new_token", lambda _count: test_mqtt.TOKEN)
    monkeypatch.setattr(ntp, "new_nonce", lambda _count: NONCE)
    monkeypatch.setattr(ntp, "unix_nanoseconds", lambda: test_ntp.NOW)
    monkeypatch.setattr(radius, "random_bytes", lambda count: test_radius.CHANCE[:count])
    monkeypatch.setattr(sip, "new_token", lambda _count: tokens())
    monkeypatch.setattr("wsproto.handshake.generate_nonce", lambda: b"dGhlIHNhbXBsZSBub25jZQ==")


def test_none_is_forgotten() -> None:
    assert SCRIPTS.keys() == set(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_check_conforms(name: str) -> None:
    conform_check(CHECKS.get(name), *SCRIPTS[name].script, **SCRIPTS[name].options)
