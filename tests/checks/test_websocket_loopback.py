"""The `websocket` and `wss` checks against aiohttp, websocketd and nginx: what passes, what fails, what one reads."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from feedback.checks.websocket import WebsocketCheck
from feedback.checks.wss import WssCheck
from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.nginx import nginx
from tests.checks.peers import check_once
from tests.checks.servers.aiohttp_server import websocket_server
from tests.checks.servers.process import accepts, free_port, program, running, stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority, Pair

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

EXPIRES = "certificate expires in 29 days"


class Server(msgspec.Struct, frozen=True):
    process: subprocess.Popen[bytes]
    port: int
    directory: Path

    def endpoint(self, address: str = "127.0.0.1") -> Endpoint:
        return Endpoint(address, self.port)

    def log(self) -> str:
        return (self.directory / "log").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory, port = tmp_path_factory.mktemp("aiohttp"), free_port()
    with websocket_server(directory, port) as process:
        yield Server(process, port, directory)


@pytest.fixture(scope="module")
def web(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, server: Server
) -> Iterator[dict[str, Endpoint]]:
    upgrade = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection Upgrade;"
    place = f"location / {{ proxy_pass http://{server.endpoint()}; proxy_set_header Host $host; {upgrade} }}"
    good = keys(authority.issue("wss", "DNS:www.example.com,IP:127.0.0.1,IP:::1"))
    servers = {
        "clear": f"server {{ listen {{listen}}; {place} }}",
        "tls": f"server {{ listen {{listen}} ssl; {good} {place} }}",
        "tls, v6": f"server {{ listen {{listen}} ssl; {good} {place} }}",
        "other": f"server {{ listen {{listen}} ssl; {keys(authority.issue('wss-other', 'DNS:a.example'))} {place} }}",
        "proxied": f"server {{ listen {{listen}} proxy_protocol; {place} }}",
        "no upgrade": f"server {{ listen {{listen}}; location / {{ proxy_pass http://{server.endpoint()}; }} }}",
        "broken": "server { listen {listen}; location / { proxy_pass http://127.0.0.1:1; } }",
    }
    with nginx(tmp_path_factory.mktemp("nginx"), servers) as endpoints:
        yield endpoints


def keys(pair: Pair) -> str:
    return f"ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};"


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_that_answers_a_ping_passes_and_is_told_goodbye(server: Server, address: str) -> None:
    before = server.log()
    result = await check_once(WebsocketCheck(path="/chat"), server.endpoint(address))
    assert result == (Outcome.PASS, "", "pong")
    await peers.until(lambda: "closed 1000\n" in server.log().removeprefix(before))


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"expect": "^welcome to 127.0.0.1:\\d+/chat$"}, 'got "welcome to 127.0.0.1:'),
        ({"host": "www.example.com", "expect": "."}, 'got "welcome to www.example.com/chat"'),
        ({"send": "hello", "expect": "^you said hello$"}, 'got "you said hello"'),
        ({"send": "hello"}, "pong"),
        ({"expect": "x{70000}", "send": "hello"}, f'got "{"x" * 60}…"'),
        ({"subprotocols": ["chat.v3", "chat.v2"]}, "chat.v2, pong"),
        ({"origin": "https://www.example.com"}, "pong"),
        ({"path": "/chat?token=1", "headers": {"X-Token": "1"}}, "pong"),
    ],
)
async def test_what_is_asked_for_passes(server: Server, options: dict[str, Any], detail: str) -> None:
    outcome, reason, seen = await check_once(WebsocketCheck(**{"path": "/chat", **options}), server.endpoint())
    assert (outcome, reason) == (Outcome.PASS, "")
    assert seen.startswith(detail)


@pytest.mark.parametrize(
    ("options", "reason", "detail"),
    [
        ({"path": "/nowhere"}, "status", "status 404, must be 101"),
        ({"path": "/page"}, "status", "status 200, must be 101"),
        ({"path": "/moved"}, "status", "status 302, must be 101"),
        ({"origin": "https://bad.example.com"}, "status", "status 403, must be 101"),
        ({"path": "/chat?token=1"}, "status", "status 401, must be 101"),
        ({"subprotocols": ["mqtt"]}, "content", "the server has chosen none of the subprotocols mqtt"),
        ({"send": "bye", "expect": "never"}, "closed", "closed with code 4000: as you like"),
    ],
)
async def test_another_answer_fails(server: Server, options: dict[str, Any], reason: str, detail: str) -> None:
    outcome, seen, words = await check_once(WebsocketCheck(**{"path": "/chat", **options}), server.endpoint())
    assert (outcome, seen) == (Outcome.FAIL, reason)
    assert words.endswith(detail)


async def test_a_message_that_never_comes_fails_at_the_deadline_with_the_last_one(server: Server) -> None:
    check = WebsocketCheck(path="/chat", expect="goodbye")
    outcome, reason, detail = await check_once(check, server.endpoint(), SOON_SECONDS)
    assert (outcome, reason) == (Outcome.FAIL, "timeout")
    assert re.match('in the WebSocket, got "welcome to .*": no more than', detail)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_websocketd_passes(tmp_path: Path, address: str) -> None:
    endpoint = Endpoint(address, free_port())
    command = [program("websocketd", "websocketd"), f"--address={'[::1]' if ':' in address else address}"]
    with running([*command, f"--port={endpoint.port}", "cat"], tmp_path, accepts(endpoint)):
        check = WebsocketCheck(send="hello\n", expect="^hello$")
        assert await check_once(check, endpoint) == (Outcome.PASS, "", 'got "hello"')


@pytest.mark.parametrize("name", ["tls", "tls, v6"])
async def test_a_server_behind_tls_passes(web: dict[str, Endpoint], authority: Authority, name: str) -> None:
    check = WssCheck(path="/chat", ca_file=authority.ca_file)
    assert await check_once(check, web[name]) == (Outcome.PASS, "", f"pong, {EXPIRES}")
    check = WssCheck(path="/chat", host="www.example.com:443", ca_file=authority.ca_file, expect="www.example.com/")
    assert (await check_once(check, web[name]))[0] is Outcome.PASS


async def test_a_server_behind_another_one_passes(web: dict[str, Endpoint]) -> None:
    assert await check_once(WebsocketCheck(path="/chat"), web["clear"]) == (Outcome.PASS, "", "pong")
    check = WebsocketCheck(path="/chat", proxy_protocol="v2")
    assert await check_once(check, web["proxied"]) == (Outcome.PASS, "", "pong")


@pytest.mark.parametrize(
    ("name", "check", "reason", "words"),
    [
        ("other", WssCheck(path="/chat"), "tls", "certificate of .* refused"),
        ("clear", WssCheck(path="/chat", verify=False), "tls", "TLS with .* failed"),
        ("tls", WebsocketCheck(path="/chat"), "status", "status 400, must be 101"),
        ("no upgrade", WebsocketCheck(path="/chat"), "status", "status 400, must be 101"),
        ("broken", WebsocketCheck(path="/chat"), "status", "status 502, must be 101"),
    ],
)
async def test_what_is_no_server_of_websockets_fails(
    web: dict[str, Endpoint], name: str, check: WebsocketCheck, reason: str, words: str
) -> None:
    outcome, seen, detail = await check_once(check, web[name])
    assert (outcome, seen) == (Outcome.FAIL, reason)
    assert re.match(words, detail)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_nobody_listens(address: str) -> None:
    with peers.unheard(address) as bound:
        assert (await check_once(WebsocketCheck(), peers.endpoint_of(bound)))[:2] == (Outcome.FAIL, "refused")


async def test_a_server_that_is_stopped_fails_at_the_deadline(server: Server) -> None:
    with stopped(server.process):
        result = await check_once(WebsocketCheck(path="/chat"), server.endpoint(), SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"no answer from {server.endpoint()} within 0.3 s")
    assert (await check_once(WebsocketCheck(path="/chat"), server.endpoint()))[0] is Outcome.PASS


async def test_whatever_breaks_on_the_way_is_a_failure(
    server: Server, web: dict[str, Endpoint], authority: Authority
) -> None:
    check = WebsocketCheck(path="/chat", send="hello", expect="^you said hello$")
    await fails_at_every_step(check, server.endpoint(), 3)
    await fails_at_every_step(WssCheck(path="/chat", ca_file=authority.ca_file), web["tls"], 3)
