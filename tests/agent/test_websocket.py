"""The agent's end of a WebSocket, spoken to by wsproto's server end or by raw bytes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from feedback.agent.url import DirectorUrl
from feedback.agent.websocket import LostError, RefusedError, WebSocketClient, is_refusal
from feedback.errors import WireError
from feedback.secret import Secret

URL = DirectorUrl("192.0.2.1", 8600, "/agent")


class Server:
    """The other end."""

    def __init__(self) -> None:
        self.protocol = WSConnection(ConnectionType.SERVER)

    def hear(self, data: bytes) -> list[Event]:
        self.protocol.receive_data(data)
        return list(self.protocol.events())

    def say(self, *events: Event) -> bytes:
        return b"".join(self.protocol.send(event) for event in events)


def opened() -> tuple[WebSocketClient, Server]:
    client, server = WebSocketClient(bytes), Server()
    server.hear(client.request(URL, None))
    client.feed(server.say(AcceptConnection()))
    return client, server


def asked() -> WebSocketClient:
    client = WebSocketClient(bytes)
    client.request(URL, None)
    return client


def accepted() -> WebSocketClient:
    return opened()[0]


def test_the_request_names_path_host_and_token() -> None:
    (request,) = Server().hear(WebSocketClient(bytes).request(URL, Secret("abc")))
    assert isinstance(request, Request)
    assert (request.target, request.host) == ("/agent", "192.0.2.1:8600")
    assert (b"authorization", b"Bearer abc") in list(request.extra_headers)


def test_without_a_token_no_authorization_is_sent() -> None:
    assert b"authorization" not in WebSocketClient(bytes).request(URL, None).lower()


def test_a_connection_is_open_once_the_director_has_accepted() -> None:
    client, server = WebSocketClient(bytes), Server()
    server.hear(client.request(URL, None))
    before = client.is_open
    heard = client.feed(server.say(AcceptConnection()))
    assert (before, client.is_open) == (False, True)
    assert (heard.messages, heard.reply, heard.end) == ((), b"", None)


def test_messages_arrive_whole_whatever_the_pieces() -> None:
    client, server = opened()
    data = server.say(
        BytesMessage(data=b"one", message_finished=False), BytesMessage(data=b" two"), BytesMessage(data=b"three")
    )
    messages: list[bytes] = []
    for place in range(len(data)):
        messages += client.feed(data[place : place + 1]).messages
    assert messages == [b"one two", b"three"]


def test_what_the_agent_says_arrives() -> None:
    client, server = opened()
    events = server.hear(client.message(b"report") + client.ping())
    assert [event.data for event in events if isinstance(event, Message)] == [b"report"]
    assert any(isinstance(event, Ping) for event in events)


def test_a_ping_is_answered_and_a_pong_is_a_sign_of_life() -> None:
    client, server = opened()
    heard = client.feed(server.say(Ping(payload=b"42")))
    assert server.hear(heard.reply) == [Pong(payload=b"42")]
    assert client.feed(server.say(Pong())).end is None


def test_the_directors_close_acknowledges_the_agents() -> None:
    client, server = opened()
    (close,) = server.hear(client.close())
    assert isinstance(close, CloseConnection)
    heard = client.feed(server.say(close.response()))
    assert isinstance(heard.end, LostError)
    assert not client.is_open


def test_a_directors_close_is_answered() -> None:
    client, server = opened()
    heard = client.feed(server.say(BytesMessage(data=b"last"), CloseConnection(code=1001, reason="restart")))
    assert heard.messages == (b"last",)
    assert isinstance(heard.end, LostError)
    assert str(heard.end) == "the director closed the connection with code 1001: restart"
    (answer,) = server.hear(heard.reply)
    assert isinstance(answer, CloseConnection)


def test_nothing_can_be_said_on_a_closing_connection() -> None:
    client, _ = opened()
    client.close()
    with pytest.raises(LostError, match="the connection is closing"):
        client.message(b"report")


def test_a_close_that_refuses_says_so() -> None:
    client, server = opened()
    end = client.feed(server.say(CloseConnection(code=1008, reason="rs1 is another host's name"))).end
    assert isinstance(end, RefusedError)
    assert str(end) == "the director closed the connection with code 1008: rs1 is another host's name"


@pytest.mark.parametrize(
    ("code", "refused"), [(1000, False), (1001, False), (1006, False), (1008, True), (1012, False), (4001, True)]
)
def test_some_close_codes_say_that_coming_back_soon_is_useless(code: int, *, refused: bool) -> None:
    assert is_refusal(code) is refused


@pytest.mark.parametrize(
    ("status", "kind"), [(401, RefusedError), (403, RefusedError), (404, RefusedError), (503, LostError)]
)
def test_an_http_refusal_is_told_in_the_directors_words(status: int, kind: type[WireError]) -> None:
    client, server = WebSocketClient(bytes), Server()
    server.hear(client.request(URL, None))
    refusal = RejectConnection(status_code=status, headers=[(b"content-length", b"9")], has_body=True)
    end = client.feed(server.say(refusal, RejectData(data=b"no\n token"))).end
    assert type(end) is kind
    assert str(end) == f"the director refused with HTTP status {status}: no token"


def test_a_director_that_has_more_to_say_first_may() -> None:
    client, server = WebSocketClient(bytes), Server()
    server.hear(client.request(URL, None))
    client.feed(b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
    client.feed(server.say(AcceptConnection(), BytesMessage(data=b"one")))
    assert client.is_open


def test_what_follows_the_acceptance_at_once_is_heard() -> None:
    client, server = WebSocketClient(bytes), Server()
    server.hear(client.request(URL, None))
    assert client.feed(server.say(AcceptConnection(), BytesMessage(data=b"one"))).messages == (b"one",)


def test_a_refusal_in_chunks_is_told_without_its_words() -> None:
    end = asked().feed(b"HTTP/1.1 502 Bad Gateway\r\ntransfer-encoding: chunked\r\n\r\n").end
    assert str(end) == "the director refused with HTTP status 502: no reason given"


def test_after_the_agents_close_pings_are_not_answered_and_the_close_is_not_repeated() -> None:
    client, server = opened()
    data = server.say(Ping(), CloseConnection(code=1000))
    client.close()
    assert client.feed(data).reply == b""


def test_a_close_without_a_code_is_answered_in_kind() -> None:
    client, _ = opened()
    heard = client.feed(bytes.fromhex("8800"))
    assert str(heard.end) == "the director closed the connection with code 1005: no reason given"
    assert heard.reply == bytes.fromhex("888000000000")


@pytest.mark.parametrize("frames", ["8000", "02008200"])
def test_a_message_s_frames_come_one_after_the_other(frames: str) -> None:
    client, _ = opened()
    end = client.feed(bytes.fromhex(frames)).end
    assert str(end) == "the director broke the WebSocket protocol: the frames of a message are out of order"


def test_a_message_in_many_frames_is_refused_when_it_is_too_large() -> None:
    client, server = opened()
    data = server.say(*(BytesMessage(data=bytes(2000), message_finished=False) for _ in range(5)))
    assert str(client.feed(data).end) == "the director sent a message of more than 8192 bytes"
    assert not client.is_open


def test_what_comes_after_the_end_changes_nothing() -> None:
    client, server = opened()
    client.feed(server.say(CloseConnection(code=1000)))
    assert client.feed(b"more").end is None


def test_a_long_refusal_is_cut() -> None:
    client = WebSocketClient(bytes)
    client.request(URL, None)
    end = client.feed(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 100000\r\n\r\n" + b"x" * 1000).end
    assert str(end) == "the director refused with HTTP status 403: " + "x" * 200


def test_a_refusal_whose_words_never_come_is_one_when_the_stream_ends() -> None:
    client = WebSocketClient(bytes)
    client.request(URL, None)
    assert client.feed(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 10\r\n\r\n").end is None
    end = client.feed(b"").end
    assert isinstance(end, RefusedError)
    assert str(end) == "the director refused with HTTP status 401: no reason given"


def test_a_stream_that_ends_is_a_loss() -> None:
    client, _ = opened()
    assert str(client.feed(b"").end) == "the director closed the connection without a word"


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 101 Yes\r\n\r\n", b"\x00" * 20000])
def test_what_is_not_a_websocket_server_is_a_loss_in_words(garbage: bytes) -> None:
    client = WebSocketClient(bytes)
    client.request(URL, None)
    end = client.feed(garbage).end
    assert isinstance(end, LostError)
    assert str(end).startswith("the answer is not a WebSocket's: ")


def test_broken_frames_are_a_loss_in_words() -> None:
    client, _ = opened()
    end = client.feed(b"\xff\xff\xff\xff").end
    assert isinstance(end, LostError)
    assert str(end).startswith("the director broke the WebSocket protocol: ")


def test_text_is_refused() -> None:
    client, server = opened()
    end = client.feed(server.say(TextMessage(data="hello"))).end
    assert str(end) == "the director sent text, where the protocol has binary messages only"


def test_a_message_that_grows_too_large_is_refused_before_it_is_whole() -> None:
    client, server = opened()
    data = server.say(BytesMessage(data=bytes(1_000_000)))
    end = client.feed(data[:8192]).end
    assert str(end) == "the director sent a message of more than 8192 bytes"


@given(st.sampled_from([asked, accepted]), st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_are_heard_or_end_the_connection_in_words(
    begin: Callable[[], WebSocketClient], parts: list[bytes]
) -> None:
    client = begin()
    for part in parts:
        heard = client.feed(part)
        if heard.end is not None:
            assert str(heard.end).isprintable()
            break
