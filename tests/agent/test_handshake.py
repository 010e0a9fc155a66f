"""The opening handshake, against wsproto's server end and line by line."""

import contextlib
import re
import runpy
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request

from feedback.agent import handshake
from feedback.agent.handshake import (
    HandshakeError,
    Head,
    accept_of,
    body_bytes,
    encode_nonce,
    encode_request,
    read_head,
    verify_acceptance,
)
from feedback.agent.url import DirectorUrl
from feedback.secret import Secret

URL = DirectorUrl("192.0.2.1", 8600, "/agent?a=b")
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPTED = {
    b"upgrade": b"websocket",
    b"connection": b"Upgrade",
    b"sec-websocket-accept": b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
}


def test_a_key_is_accepted_as_the_rfcs() -> None:
    assert encode_nonce(b"the sample nonce") == KEY  # section 1.3
    assert accept_of(KEY) == ACCEPTED[b"sec-websocket-accept"]


def test_an_interpreter_without_a_sha1_of_its_own_takes_openssls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_sha1", None)
    assert runpy.run_path(str(handshake.__file__))["accept_of"](KEY) == ACCEPTED[b"sec-websocket-accept"]


@given(st.binary(min_size=16, max_size=16))
def test_a_server_understands_the_request_and_is_understood(nonce: bytes) -> None:
    server = WSConnection(ConnectionType.SERVER)
    server.receive_data(encode_request(URL, Secret("abc"), encode_nonce(nonce)))
    (request,) = server.events()
    assert isinstance(request, Request)
    assert (request.target, request.host) == ("/agent?a=b", "192.0.2.1:8600")
    assert (b"authorization", b"Bearer abc") in list(request.extra_headers)
    data = server.send(AcceptConnection())
    head = read_head(data)
    assert head is not None
    assert (head.status, head.size) == (101, len(data))
    verify_acceptance(head, encode_nonce(nonce))


def test_without_a_token_no_authorization_is_sent() -> None:
    assert b"authorization" not in encode_request(URL, None, KEY).lower()


def test_a_head_is_read_once_it_is_whole() -> None:
    data = b"HTTP/1.1 403 No, not you\r\nServer: a\r\nX:1\r\nx:\t2 \r\n\r\nbody"
    assert [read_head(data[:size]) for size in range(len(data) - 4)] == [None] * (len(data) - 4)
    assert read_head(data) == Head(403, {b"server": b"a", b"x": b"1, 2"}, len(data) - 4)


def test_a_status_needs_no_words() -> None:
    assert read_head(b"HTTP/1.0 503\r\n\r\n") == Head(503, {}, 16)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "it begins with b'SSH-2.0-OpenSSH_9.2'"),
        (b"HTTP/2 200\r\n\r\n", "it begins with b'HTTP/2 200'"),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "b'no header' is no header"),
        (b"HTTP/1.1 200 OK\r\nname : 1\r\n\r\n", "b'name : 1' is no header"),
        (b"x" * 8193, "no end within 8192 bytes"),
        (b"x" * 8193 + b"\r\n\r\n", "no end within 8192 bytes"),
    ],
)
def test_what_is_no_head_is_told(data: bytes, words: str) -> None:
    with pytest.raises(HandshakeError, match=f"^{re.escape(words)}$"):
        read_head(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_refused_in_words(data: bytes) -> None:
    with contextlib.suppress(HandshakeError):
        assert read_head(b"HTTP/1.1 101 Yes\r\n" + data) is None or b"\r\n" in data


@pytest.mark.parametrize("connection", [b"Upgrade", b"upgrade", b"keep-alive, Upgrade"])
def test_an_acceptance_may_be_written_in_several_ways(connection: bytes) -> None:
    verify_acceptance(Head(101, {**ACCEPTED, b"connection": connection, b"upgrade": b"WebSocket"}, 0), KEY)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({b"upgrade": b"h2c"}, "it upgrades to something else"),
        ({b"connection": b"close"}, "it does not upgrade the connection"),
        ({b"sec-websocket-accept": KEY}, "its Sec-WebSocket-Accept is not that of our key"),
        ({b"sec-websocket-extensions": b"x"}, "it has a sec-websocket-extensions that nobody asked for"),
        ({b"sec-websocket-protocol": b"x"}, "it has a sec-websocket-protocol that nobody asked for"),
    ],
)
def test_what_accepts_something_else_is_refused(changed: dict[bytes, bytes], words: str) -> None:
    with pytest.raises(HandshakeError, match=f"^{words}$"):
        verify_acceptance(Head(101, {**ACCEPTED, **changed}, 0), KEY)


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ({b"content-length": b"12"}, 12),
        ({}, None),
        ({b"content-length": b"-1"}, None),
        ({b"content-length": b"9" * 5000}, None),
        ({b"transfer-encoding": b"chunked"}, 0),
    ],
)
def test_a_refusal_s_words_are_as_long_as_it_says(headers: dict[bytes, bytes], size: int | None) -> None:
    assert body_bytes(Head(403, headers, 0)) == size
