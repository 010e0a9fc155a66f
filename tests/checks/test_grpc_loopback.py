"""The `grpc` and `grpcs` checks against grpcio, alone and behind nginx: what passes, what fails, and what one reads."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from feedback.checks.grpc import GrpcCheck
from feedback.checks.grpcs import GrpcsCheck
from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.nginx import nginx
from tests.checks.peers import check_once
from tests.checks.servers.grpcio import grpc_server
from tests.checks.servers.process import free_port, stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority, Pair

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

EXPIRES = "certificate expires in 29 days"


class Server(msgspec.Struct, frozen=True):
    process: Any
    clear: int
    secure: int
    bare: int


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("grpc", "DNS:orders.example.com,IP:127.0.0.1,IP:::1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[Server]:
    ports = free_port(), free_port(), free_port()
    with grpc_server(tmp_path_factory.mktemp("grpc"), pair, ports) as process:
        yield Server(process, *ports)


def keys(pair: Pair) -> str:
    return f"ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};"


@pytest.fixture(scope="module")
def web(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, pair: Pair, server: Server
) -> Iterator[dict[str, Endpoint]]:
    tls = keys(pair)
    other = authority.issue("grpc-other", "DNS:other.example.com")
    to_grpc = f"location / {{ grpc_pass grpc://127.0.0.1:{server.clear}; }}"
    servers = {
        "clear": f"server {{ listen {{listen}} http2; {to_grpc} }}",
        "tls": f"server {{ listen {{listen}} ssl http2; {tls} {to_grpc} }}",
        "goodbye": f"server {{ listen {{listen}} http2; keepalive_requests 1; {to_grpc} }}",
        "broken": "server { listen {listen} http2; location / { grpc_pass grpc://127.0.0.1:1; } }",
        "page": "server { listen {listen} http2; location / { return 200 hello; } }",
        "http/1.1": "server { listen {listen}; location / { return 200 hello; } }",
        "https/1.1": f"server {{ listen {{listen}} ssl; {tls} location / {{ return 200 hello; }} }}",
        "wrong name": f"server {{ listen {{listen}} ssl http2; {keys(other)} }}",
        "proxied": f"server {{ listen {{listen}} http2 proxy_protocol; {to_grpc} }}",
    }
    with nginx(tmp_path_factory.mktemp("nginx"), servers) as endpoints:
        yield endpoints


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_that_serves_passes(server: Server, address: str) -> None:
    endpoint = Endpoint(address, server.clear)
    assert await check_once(GrpcCheck(), endpoint) == (Outcome.PASS, "", "server is SERVING")
    check = GrpcCheck(service="shop.v1.Orders", authority="orders.example.com")
    assert await check_once(check, endpoint) == (Outcome.PASS, "", "shop.v1.Orders is SERVING")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_the_same_over_tls(server: Server, authority: Authority, address: str) -> None:
    endpoint = Endpoint(address, server.secure)
    check = GrpcsCheck(ca_file=authority.ca_file)
    assert await check_once(check, endpoint) == (Outcome.PASS, "", f"server is SERVING, {EXPIRES}")
    check = GrpcsCheck(ca_file=authority.ca_file, authority="orders.example.com:443")
    assert (await check_once(check, endpoint))[0] is Outcome.PASS
    check = GrpcsCheck(ca_file=authority.ca_file, authority="shop.example.com")
    assert (await check_once(check, endpoint))[:2] == (Outcome.FAIL, "tls")


@pytest.mark.parametrize(
    ("service", "reason", "detail"),
    [
        ("shop.v1.Closed", "status", "shop.v1.Closed is NOT_SERVING, must be SERVING"),
        ("shop.v1.New", "status", "shop.v1.New is UNKNOWN, must be SERVING"),
        ("shop.v1.Watched", "status", "shop.v1.Watched is SERVICE_UNKNOWN, must be SERVING"),
        (
            "other",
            "status",
            r"gRPC status 5 NOT_FOUND, no such service: gr\xfcn 100%: other is not known to the server",
        ),
        ("secret", "auth", "gRPC status 16 UNAUTHENTICATED, who are you?"),
    ],
)
async def test_another_state_fails(server: Server, service: str, reason: str, detail: str) -> None:
    result = await check_once(GrpcCheck(service=service), Endpoint("127.0.0.1", server.clear))
    assert result == (Outcome.FAIL, reason, detail)


async def test_the_state_to_expect_may_be_another(server: Server) -> None:
    check = GrpcCheck(service="shop.v1.Closed", status="NOT_SERVING")
    result = await check_once(check, Endpoint("127.0.0.1", server.clear))
    assert result == (Outcome.PASS, "", "shop.v1.Closed is NOT_SERVING")


async def test_a_server_without_the_health_service_fails(server: Server) -> None:
    outcome, reason, detail = await check_once(GrpcCheck(), Endpoint("127.0.0.1", server.bare))
    assert (outcome, reason) == (Outcome.FAIL, "status")
    words = "gRPC status 12 UNIMPLEMENTED, .*: the server does not have /grpc.health.v1.Health/Check"
    assert re.fullmatch(words, detail)


@pytest.mark.parametrize("name", ["clear", "goodbye"])
async def test_a_server_behind_another_one_passes(web: dict[str, Endpoint], name: str) -> None:
    assert await check_once(GrpcCheck(), web[name]) == (Outcome.PASS, "", "server is SERVING")


async def test_a_server_behind_another_one_passes_over_tls(web: dict[str, Endpoint], authority: Authority) -> None:
    result = await check_once(GrpcsCheck(ca_file=authority.ca_file), web["tls"])
    assert result == (Outcome.PASS, "", f"server is SERVING, {EXPIRES}")


async def test_a_listener_of_the_proxy_protocol_is_told_first(web: dict[str, Endpoint]) -> None:
    result = await check_once(GrpcCheck(proxy_protocol="v1"), web["proxied"])
    assert result == (Outcome.PASS, "", "server is SERVING")


@pytest.mark.parametrize(
    ("name", "check", "reason", "words"),
    [
        ("broken", GrpcCheck(), "status", "HTTP status 502, must be 200"),
        ("page", GrpcCheck(), "protocol", 'content type "text/plain", must be application/grpc'),
        ("http/1.1", GrpcCheck(), "protocol", 'an answer that is not HTTP/2: "HTTP/1.1 "'),
        ("tls", GrpcCheck(), "protocol", "an answer that is not HTTP/2"),
        ("https/1.1", GrpcsCheck(verify=False), "tls", ".*alert no application protocol"),
        ("clear", GrpcsCheck(verify=False), "tls", "TLS with .* failed"),
        ("wrong name", GrpcsCheck(), "tls", "certificate of .* refused"),
    ],
)
async def test_what_is_no_grpc_server_fails(
    web: dict[str, Endpoint], name: str, check: GrpcCheck, reason: str, words: str
) -> None:
    outcome, seen, detail = await check_once(check, web[name])
    assert (outcome, seen) == (Outcome.FAIL, reason), detail
    assert re.match(words, detail), detail


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_nobody_listens(address: str) -> None:
    with peers.unheard(address) as bound:
        assert (await check_once(GrpcCheck(), peers.endpoint_of(bound)))[:2] == (Outcome.FAIL, "refused")


async def test_a_service_that_takes_its_time_fails_at_the_deadline(server: Server) -> None:
    endpoint = Endpoint("127.0.0.1", server.clear)
    outcome, reason, _ = await check_once(GrpcCheck(service="slow"), endpoint, SOON_SECONDS)
    assert (outcome, reason) == (Outcome.FAIL, "timeout")


async def test_a_server_that_is_stopped_fails_at_the_deadline(server: Server) -> None:
    endpoint = Endpoint("127.0.0.1", server.clear)
    with stopped(server.process):
        result = await check_once(GrpcCheck(), endpoint, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"no answer from {endpoint} within 0.3 s")
    assert (await check_once(GrpcCheck(), endpoint))[0] is Outcome.PASS


async def test_whatever_breaks_on_the_way_is_a_failure(server: Server, authority: Authority) -> None:
    await fails_at_every_step(GrpcCheck(), Endpoint("127.0.0.1", server.clear), 2)
    await fails_at_every_step(GrpcsCheck(ca_file=authority.ca_file), Endpoint("127.0.0.1", server.secure), 3)
