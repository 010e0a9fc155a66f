"""Agents' connections over real sockets."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from aiohttp import WSMsgType

from feedback.director import receive
from feedback.director.link import Refusal
from feedback.model import AgentState
from feedback.report import (
    MAX_FRAME_BYTES,
    Accepted,
    Goodbye,
    Hello,
    Report,
    SetWish,
    Wish,
    decode_director_frame,
    encode,
)
from feedback.secret import Secret
from tests.director.served import Served, served, until

pytestmark = pytest.mark.loopback

TOKEN = "a-token-of-some-length"


@pytest.fixture
async def director() -> AsyncIterator[Served]:
    async with served() as director:
        yield director


async def connect(
    director: Served, name: str | None = "rs1", *, token: str = "", autoping: bool = True
) -> aiohttp.ClientWebSocketResponse:
    client: aiohttp.ClientWebSocketResponse = await director.session.ws_connect(
        director.url + "/agent", headers={"Authorization": f"Bearer {token}"} if token else {}, autoping=autoping
    )
    if name is not None:
        await client.send_bytes(encode(Hello(name)))
    return client


def state(director: Served, name: str = "rs1") -> AgentState:
    return director.agents.view(name, director.now()).state


def is_(director: Served, wanted: AgentState) -> Callable[[], bool]:
    return lambda: state(director) is wanted


async def closing(client: aiohttp.ClientWebSocketResponse) -> tuple[int, str]:
    """Return the code and the reason that the director closes with."""
    async with asyncio.timeout(5):
        message = await client.receive()
    assert message.type is WSMsgType.CLOSE
    return message.data, message.extra or ""


async def test_a_report_arrives_and_the_first_one_wakes_the_director(director: Served) -> None:
    client = await connect(director)
    await until(is_(director, AgentState.CONNECTED))
    director.woken.clear()
    await client.send_bytes(encode(Report({"cpu": 0.5})))
    await until(director.woken.is_set)
    assert director.agents.view("rs1", director.now()).metrics == {"cpu": 0.5}


async def test_a_lost_connection_is_seen_at_once_and_wakes_the_director(director: Served) -> None:
    client = await connect(director)
    await until(is_(director, AgentState.CONNECTED))
    director.woken.clear()
    client._response.close()  # without a Close frame, as when a process is killed
    await until(is_(director, AgentState.ABSENT))
    assert director.woken.is_set()
    assert director.control.events.events()[-1].message.startswith("agent rs1 is gone: connection lost")


async def test_a_wish_is_accepted_and_wakes_the_director(director: Served) -> None:
    client = await connect(director)
    await until(is_(director, AgentState.CONNECTED))
    director.woken.clear()
    await client.send_bytes(encode(SetWish(Wish.DRAIN)))
    assert decode_director_frame(await client.receive_bytes()) == Accepted(Wish.DRAIN)
    assert director.woken.is_set()
    assert director.agents.wishes() == {"rs1": Wish.DRAIN}


async def test_a_goodbye_is_answered_by_the_close(director: Served) -> None:
    client = await connect(director)
    await client.send_bytes(encode(Goodbye("the host reboots")))
    await client.close()
    assert director.agents.view("rs1", director.now()).asks == "goodbye"
    await until(is_(director, AgentState.ABSENT))
    assert director.control.events.events()[-1].message == "agent rs1 is gone: it closed the connection"


async def test_a_ping_is_answered(director: Served) -> None:
    client = await connect(director, autoping=False)
    await client.ping(b"still there?")
    message = await client.receive()
    assert (message.type, message.data) == (WSMsgType.PONG, b"still there?")
    await client.pong()
    await client.send_bytes(encode(Report({"cpu": 0.5})))
    await until(lambda: director.agents.reports == 1)


async def test_the_kernel_watches_that_a_silent_peer_lives(director: Served) -> None:
    client = await connect(director)
    await until(is_(director, AgentState.CONNECTED))
    (connection,) = director.receiver._connections
    request = connection._websocket._req
    assert request is not None
    assert request.transport is not None
    accepted = request.transport.get_extra_info("socket")
    assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    seconds = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) + accepted.getsockopt(
        socket.IPPROTO_TCP, socket.TCP_KEEPINTVL
    ) * accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
    assert seconds == 6
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 6000
    await client.close()


# --- cut off


@pytest.mark.parametrize(
    ("frame", "code", "refusal", "reason"),
    [
        (encode(Hello("rs1")), 1008, Refusal.ORDER, "a second hello on one connection"),
        (b"\xc1", 1007, Refusal.GARBAGE, "not a frame of this protocol: "),
        ("text", 1007, Refusal.GARBAGE, "it sent text, where the protocol has binary frames"),
    ],
)
async def test_what_is_wrong_is_cut_off_with_its_reason(
    director: Served, frame: bytes | str, code: int, refusal: Refusal, reason: str
) -> None:
    client = await connect(director)
    await until(is_(director, AgentState.CONNECTED))
    director.woken.clear()
    await (client.send_str(frame) if isinstance(frame, str) else client.send_bytes(frame))
    closed, said = await closing(client)
    assert (closed, said[: len(reason)]) == (code, reason)
    assert state(director) is AgentState.ABSENT
    assert director.agents.refused == {refusal: 1}
    assert director.woken.is_set()
    assert reason in director.control.events.events()[-1].message


async def test_a_frame_that_is_too_large_is_cut_off_before_it_is_read_whole(director: Served) -> None:
    client = await connect(director)
    await client.send_bytes(bytes(MAX_FRAME_BYTES + 1))
    code, _ = await closing(client)
    assert code == 1009
    await until(lambda: director.agents.refused == {Refusal.SIZE: 1})
    assert state(director) is AgentState.ABSENT


async def test_bytes_that_are_no_websocket_frame_are_cut_off(director: Served) -> None:
    client = await connect(director)
    await until(is_(director, AgentState.CONNECTED))
    assert client._writer.transport is not None
    client._writer.transport.write(b"\xff\xff\xff\xff")
    code, _ = await closing(client)
    assert code == 1002
    await until(lambda: director.agents.refused == {Refusal.GARBAGE: 1})


async def test_an_unknown_agent_is_told_so(director: Served) -> None:
    client = await connect(director, "mallory")
    assert await closing(client) == (1008, 'no destination names agent "mallory"')


async def test_a_taken_name_may_be_asked_for_again_soon(director: Served) -> None:
    first = await connect(director)
    await until(is_(director, AgentState.CONNECTED))
    code, reason = await closing(await connect(director))
    assert (code, reason[:31]) == (1013, 'the name "rs1" is taken by the ')
    await first.send_bytes(encode(Report({"cpu": 0.5})))
    await until(lambda: director.agents.reports == 1)


async def test_a_silent_holder_is_closed_when_a_newcomer_takes_its_name(director: Served) -> None:
    first = await connect(director)
    await until(is_(director, AgentState.CONNECTED))
    director.skip(3.0)
    second = await connect(director)
    code, reason = await closing(first)
    assert (code, "takes over from" in reason) == (1013, True)
    await second.send_bytes(encode(Report({"cpu": 0.25})))
    await until(lambda: director.agents.reports == 1)
    assert state(director) is AgentState.CONNECTED


async def test_an_agent_that_the_configuration_drops_is_closed(director: Served) -> None:
    client = await connect(director)
    await until(is_(director, AgentState.CONNECTED))
    director.agents.set_known(["rs2"], director.now())
    assert await closing(client) == (1008, 'no destination names agent "rs1" any more')


async def test_a_connection_without_a_hello_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "HELLO_SECONDS", 0.05)
    async with served() as director:
        client = await connect(director, None)
        assert await closing(client) == (1008, "no hello within 0.05 s")
        assert director.agents.refused == {Refusal.HELLO: 1}
        named = await connect(director)
        with contextlib.suppress(TimeoutError):
            await named.receive(timeout=0.2)  # the deadline is over, and does not concern it
        assert state(director) is AgentState.CONNECTED


# --- refused before the upgrade


async def refusal(director: Served, **more: str) -> tuple[int, str]:
    """Return the status and the text of what refuses an upgrade."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **more,
    }
    async with director.session.get(director.url + "/agent", headers=headers) as response:
        return response.status, await response.text()


async def test_without_the_token_nobody_gets_in_and_the_token_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with served(token=Secret(TOKEN)) as director:
            sentence = "this director wants its token: set token_file in the agent's configuration"
            assert await refusal(director) == (401, sentence)
            assert await refusal(director, Authorization=f"Bearer {TOKEN}x") == (401, sentence)
            assert director.agents.refused == {Refusal.TOKEN: 2}
            client = await connect(director, token=TOKEN)
            await until(is_(director, AgentState.CONNECTED))
            await client.close()
    assert TOKEN not in caplog.text


async def test_a_web_page_can_not_speak_for_an_agent(director: Served) -> None:
    assert await refusal(director, Origin=director.url) == (403, "agents connect here, web pages can't")


@pytest.mark.parametrize("limit", ["MAX_NAMELESS", "MAX_NAMELESS_PER_ADDRESS"])
async def test_connections_that_have_not_said_hello_are_limited(
    director: Served, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(receive, limit, 2)
    waiting = [await connect(director, None) for _ in range(2)]
    assert await refusal(director) == (503, "too many agents connect at once: try again")
    assert director.agents.refused == {Refusal.CONNECTIONS: 1}
    await waiting[0].send_bytes(encode(Hello("rs1")))
    await until(is_(director, AgentState.CONNECTED))
    second = await connect(director, "rs2")
    await until(lambda: director.agents.connected() == 2)
    await second.close()


async def test_what_is_no_websocket_is_refused(director: Served) -> None:
    async with director.session.get(director.url + "/agent") as response:
        assert response.status == 400


async def test_the_end_of_the_director_says_that_it_goes_away() -> None:
    async with contextlib.AsyncExitStack() as stack:
        director = await stack.enter_async_context(served())
        client = await connect(director)
        await until(is_(director, AgentState.CONNECTED))
        stopping = asyncio.create_task(stack.pop_all().aclose())
        assert await closing(client) == (1001, "the director ends")
        await stopping


async def test_many_agents_come_and_go(director: Served) -> None:
    director.agents.set_known([f"rs{number}" for number in range(100)], director.now())
    clients = [await connect(director, f"rs{number}") for number in range(100)]
    for number, client in enumerate(clients):
        await client.send_bytes(encode(Report({"cpu": number / 100})))
    await until(lambda: director.agents.reports == 100)
    assert director.agents.view("rs42", director.now()).metrics == {"cpu": 0.42}
    for client in clients:
        await client.close()
    await until(lambda: director.agents.connected() == 0)
    assert director.agents.refused == {}
