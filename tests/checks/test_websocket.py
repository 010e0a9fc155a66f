"""The `websocket` and `wss` checks against scripts: the upgrade, messages, pings, and every way to end."""

import base64
import hashlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.websocket import LIMIT_BYTES, WebsocketCheck
from feedback.checks.wss import WssCheck
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.testing import Close, Connection, Hang, Reset, Send, StartTls, Step, run_check
from tests.checks.certificates import NAMED

HERE = Target(Endpoint("192.0.2.11", 8080), "rs1", "chat")

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
ACCEPTED = b"Sec-WebSocket-Accept: %s\r\n\r\n"


def frame(opcode: int, payload: bytes, *, last: bool = True) -> bytes:
    """Return a frame of a server's (RFC 6455, 5.2)."""
    length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2)
    return bytes([opcode | (0x80 if last else 0)]) + length + payload


ANSWERED = frame(PONG, b"feedback")


class Peer(Connection):
    """Answers the request with UPGRADE, whatever it is, and then goes through its steps; keeps what it hears."""

    def __init__(self, *steps: Step, head: bytes = UPGRADE + ACCEPTED, tls: bool = False) -> None:
        begin: list[Step] = [StartTls(certificate=NAMED)] if tls else []
        super().__init__(*begin)
        self.request = b""
        self._head, self._then = head, steps

    def take(self, data: bytes) -> None:
        self.sent += data
        if not self.request and self.sent.endswith(b"\r\n\r\n"):
            self.request, self.sent = self.sent, b""
            key = re.search(rb"Sec-WebSocket-Key: (\S+)", self.request)
            assert key is not None
            accept = base64.b64encode(hashlib.sha1(key[1] + GUID, usedforsecurity=False).digest())
            head = self._head.replace(b"%s", accept)
            first = self._then[0] if self._then else None
            rest = self._then[1:] if isinstance(first, Send) else self._then
            self._steps = [Send(head + first.data) if isinstance(first, Send) else Send(head), *rest]

    def heard(self) -> list[tuple[int, bytes]]:
        """Return the frames that came after the request: opcode and payload, short ones."""
        frames, data = [], self.sent
        while data:
            length = data[1] & 0x7F
            mask, payload = data[2:6], data[6 : 6 + length]
            frames.append((data[0] & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))))
            data = data[6 + length :]
        return frames


def check_by(peer: Connection, chunk_bytes: int | None = None, **options: Any) -> CheckResult:
    return run_check(WebsocketCheck(**options), peer, target=HERE, chunk_bytes=chunk_bytes)


GOODBYE = (CLOSE, b"\x03\xe8")


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_ping_that_is_answered_passes_however_it_is_cut(chunk_bytes: int | None) -> None:
    peer = Peer(Send(frame(TEXT, b"welcome") + frame(PONG, b"other") + ANSWERED))
    result = check_by(peer, chunk_bytes)
    assert (result.outcome, result.detail) == (Outcome.PASS, "pong")
    assert peer.heard() == [(PING, b"feedback"), GOODBYE]


def test_the_request_has_what_the_options_say() -> None:
    peer = Peer(Send(ANSWERED), head=UPGRADE + b"Sec-WebSocket-Protocol: b\r\n" + ACCEPTED)
    options: dict[str, Any] = {"path": "/chat?a=b", "host": "www.example.com", "origin": "https://www.example.com"}
    result = check_by(peer, subprotocols=["a", "b"], headers={"X-Token": "secret one", "X-Empty": ""}, **options)
    assert result.detail == "b, pong"
    lines = peer.request.decode().split("\r\n")
    lines = [line.replace("Upgrade: WebSocket", "Upgrade: websocket") for line in lines]  # wsproto 1.2 has it so
    assert lines[0] == "GET /chat?a=b HTTP/1.1"
    assert {line for line in lines[1:] if not line.startswith("Sec-WebSocket-Key: ")} == {
        "Host: www.example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: a, b",
        "Origin: https://www.example.com",
        "X-Token: secret one",
        "X-Empty: ",
        "",
    }


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        (Endpoint("192.0.2.11", 80), b"Host: 192.0.2.11\r\n"),
        (Endpoint("192.0.2.11", 8080), b"Host: 192.0.2.11:8080\r\n"),
        (Endpoint("2001:db8::1", 8080), b"Host: [2001:db8::1]:8080\r\n"),
    ],
)
def test_without_a_host_the_address_is_asked(endpoint: Endpoint, host: bytes) -> None:
    peer = Peer(Send(ANSWERED))
    assert run_check(WebsocketCheck(), peer, target=Target(endpoint)).outcome is Outcome.PASS
    assert host in peer.request


@pytest.mark.parametrize(
    "messages",
    [
        frame(TEXT, b"no") + frame(TEXT, b"you said hello"),
        frame(BINARY, b"you said hello"),
        frame(TEXT, b"you said", last=False) + frame(PING, b"?") + frame(0, b" hello"),
    ],
)
def test_a_message_that_matches_passes_and_pings_are_answered(messages: bytes) -> None:
    peer = Peer(Send(messages))
    result = check_by(peer, send="hello", expect="said hello$")
    assert (result.outcome, result.detail) == (Outcome.PASS, 'got "you said hello"')
    pongs = [(PONG, b"?")] if frame(PING, b"?") in messages else []
    assert peer.heard() == [(TEXT, b"hello"), *pongs, GOODBYE]


def test_what_has_come_is_told_when_what_should_does_not() -> None:
    result = check_by(Peer(Send(frame(TEXT, b"no")), Hang()), expect="yes")
    assert (result.reason, result.detail) == ("timeout", 'in the WebSocket, got "no": no answer within 1 s')


@pytest.mark.parametrize(
    ("head", "reason", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status", "status 404, must be 101"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "status", "status 200, must be 101"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "status", "status 100, must be 101"),
        (UPGRADE + b"Sec-WebSocket-Accept: c2VjcmV0\r\n\r\n", "protocol", "no WebSocket: Bad accept token"),
        (UPGRADE + b"\r\n", "protocol", "no WebSocket: Bad accept token"),
        (b"HTTP/1.1 101 Yes\r\n\r\n", "protocol", "no WebSocket: Missing header, 'Connection: Upgrade'"),
        (
            UPGRADE + b"Sec-WebSocket-Protocol: mqtt\r\n" + ACCEPTED,
            "protocol",
            "no WebSocket: unrecognized subprotocol mqtt",
        ),
        (UPGRADE + b"Sec-WebSocket-Protocol: \xff\r\n" + ACCEPTED, "protocol", "no WebSocket: 'ascii' codec"),
        (b"220 mail.example.com\r\n\r\n", "protocol", "no WebSocket: Bad HTTP message"),
        (b"HTTP/1.1 101 Yes\r\n" + b"X: " + b"a" * LIMIT_BYTES, "protocol", "no WebSocket: Bad HTTP message"),
    ],
)
def test_a_refused_upgrade_fails(head: bytes, reason: str, words: str) -> None:
    peer = Peer(head=head)
    result = check_by(peer)
    assert (result.outcome, result.reason) == (Outcome.FAIL, reason)
    assert result.detail.startswith(words)
    assert peer.sent == b""


def test_a_server_that_chooses_no_subprotocol_fails() -> None:
    peer = Peer()
    result = check_by(peer, subprotocols=["a", "b"])
    assert (result.reason, result.detail) == ("content", "the server has chosen none of the subprotocols a, b")
    assert peer.heard() == [GOODBYE]


@pytest.mark.parametrize(
    ("said", "reason", "words", "heard"),
    [
        (frame(CLOSE, b"\x03\xe9going"), "closed", "closed with code 1001: going", [(CLOSE, b"\x03\xe8")]),
        (frame(CLOSE, b""), "closed", "closed with code 1005: no reason given", [(CLOSE, b"\x03\xe8")]),
        (
            frame(PING, b"?") + frame(CLOSE, b"\x03\xe9"),
            "closed",
            "closed with code 1001: no reason given",
            [(CLOSE, b"\x03\xe8")],
        ),
        (b"\xff\x00", "protocol", "no WebSocket: ", [(PING, b"feedback"), GOODBYE]),
        (frame(TEXT, b"\xff"), "protocol", "no WebSocket: ", [(PING, b"feedback"), GOODBYE]),
    ],
)
def test_a_websocket_that_ends_fails(said: bytes, reason: str, words: str, heard: list[tuple[int, bytes]]) -> None:
    peer = Peer(Send(said))
    result = check_by(peer)
    assert (result.outcome, result.reason) == (Outcome.FAIL, reason)
    assert result.detail.startswith(f"in the WebSocket: {words}")
    assert peer.heard() == heard


def test_a_server_that_talks_too_much_fails() -> None:
    result = check_by(Peer(*[Send(frame(TEXT, b"a" * 60_000))] * 5), expect="b")
    assert result.reason == "limit"
    assert result.detail.endswith(": not in the first 262144 bytes")


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_a_server_that_stops_anywhere_fails(by: Step, reason: str) -> None:
    assert check_by(Peer(by, head=UPGRADE)).reason == reason
    assert check_by(Peer(by)).reason == reason
    assert check_by(Peer(Send(frame(TEXT, b"hello")[:3]), by)).reason == reason


@given(st.binary(max_size=60))
def test_any_bytes_fail_or_pass(data: bytes) -> None:
    for peer in (Peer(Send(data)), Peer(head=data or b"?")):
        assert check_by(peer, expect="a").outcome is not Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "chat"}, 'path: must start with "/"'),
        ({"path": "/a b"}, 'path: must start with "/", without spaces'),
        ({"host": "a b"}, "host: must be a name"),
        ({"host": "a" * 64}, "host: must be a name"),
        ({"origin": "a b"}, "origin: must be a scheme and a name"),
        ({"subprotocols": ["a,b"]}, "subprotocols: must be names"),
        ({"headers": {"a b": "c"}}, "headers: a b must be a header's name"),
        ({"headers": {"a": "b\n"}}, "headers: a must be a header's name"),
        ({"headers": {"Upgrade": "h2c"}}, "headers: Upgrade is the check's own"),
        ({"headers": {"Sec-WebSocket-Key": "a"}}, "headers: Sec-WebSocket-Key is the check's own"),
        ({"expect": "("}, "expect: must be a regular expression"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        WebsocketCheck(**options)


# Over TLS


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "192.0.2.11"),
        ({"host": "www.example.com:8443"}, "www.example.com"),
        ({"host": "www.example.com", "sni": "a.example.com"}, "a.example.com"),
    ],
)
def test_the_certificate_must_be_valid_for_the_name_that_is_asked(options: dict[str, Any], name: str) -> None:
    peer = Peer(Send(ANSWERED), tls=True)
    result = run_check(WssCheck(**options), peer, target=Target(Endpoint("192.0.2.11", 443)))
    assert result.outcome is Outcome.PASS
    assert result.detail.startswith("pong, certificate expires in ")
    assert peer.server_hostname == name
    assert f"\r\nHost: {options.get('host', '192.0.2.11')}\r\n".encode() in peer.request


def test_options_of_both_are_looked_at() -> None:
    with pytest.raises(ValueError, match=r"^path: "):
        WssCheck(path="chat")
    with pytest.raises(ValueError, match=r"^key_file: "):
        WssCheck(key_file="a.pem")
