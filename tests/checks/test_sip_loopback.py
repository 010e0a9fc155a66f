"""The `sip` check against Kamailio."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from feedback.checks.sip import SipCheck
from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.peers import check_once
from tests.checks.servers.kamailio import Kamailio, kamailio
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.5
"""A deadline that is to come."""

TRANSPORTS: tuple[Any, ...] = ("udp", "tcp")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Kamailio]:
    pair = authority.issue("sip", "IP:127.0.0.1,IP:::1,DNS:sip.example.com")
    with kamailio(tmp_path_factory.mktemp("kamailio"), pair) as running:
        yield running


def here(server: Kamailio, address: str = "127.0.0.1") -> Endpoint:
    return Endpoint(address, server.port)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_that_answers_passes(server: Kamailio, address: str, transport: Any) -> None:
    outcome, _, detail = await check_once(SipCheck(transport=transport), here(server, address))
    assert outcome is Outcome.PASS
    assert detail.startswith("answered 200 OK from kamailio (")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_in_tls_passes(server: Kamailio, address: str, authority: Authority) -> None:
    check = SipCheck(transport="tls", ca_file=authority.ca_file)
    outcome, _, detail = await check_once(check, Endpoint(address, server.tls_port))
    assert outcome is Outcome.PASS
    assert detail.endswith(", certificate expires in 29 days")
    check = SipCheck(transport="tls", ca_file=authority.ca_file, sni="sip.example.com")
    assert (await check_once(check, Endpoint(address, server.tls_port)))[0] is Outcome.PASS


async def test_a_certificate_that_is_not_trusted_fails(server: Kamailio, authority: Authority) -> None:
    there = Endpoint("127.0.0.1", server.tls_port)
    outcome, reason, detail = await check_once(SipCheck(transport="tls"), there)
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert detail.startswith(f"certificate of {there} refused: ")
    check = SipCheck(transport="tls", ca_file=authority.ca_file, sni="other.example.com")
    assert (await check_once(check, there))[:2] == (Outcome.FAIL, "tls")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_status_decides(server: Kamailio, transport: Any) -> None:
    busy = "sip:busy@example.com"
    result = await check_once(SipCheck(transport=transport, uri=busy), here(server))
    assert result == (Outcome.FAIL, "status", "answered 486 Busy Here, must be 200")
    assert (await check_once(SipCheck(transport=transport, uri=busy, status=[200, 486]), here(server)))[
        0
    ] is Outcome.PASS


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_provisional_answer_is_waited_through(server: Kamailio, transport: Any) -> None:
    outcome, _, detail = await check_once(SipCheck(transport=transport, uri="sip:slow@example.com"), here(server))
    assert outcome is Outcome.PASS
    assert detail.startswith("answered 200 OK")


async def test_a_request_that_is_lost_is_sent_again() -> None:
    """The third one is heard, and what the answer copies of it is all that the check goes by."""
    heard: list[bytes] = []

    def answer(data: bytes, number: int) -> bytes | None:
        heard.append(data)
        lines = [line for line in data.split(b"\r\n") if line.split(b":")[0] in {b"Via", b"Call-ID", b"CSeq"}]
        return b"\r\n".join([b"SIP/2.0 200 OK", *lines, b"", b""]) if number == 3 else None

    async with peers.udp_peer(answer) as (there, _):
        assert await check_once(SipCheck(), there) == (Outcome.PASS, "", "answered 200 OK")
    assert heard == [heard[0]] * 3


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_port_on_which_nobody_listens_fails(transport: Any) -> None:
    with peers.unheard() as bound:  # a port for TCP; nobody has it for UDP
        there = peers.endpoint_of(bound)
        result = await check_once(SipCheck(transport=transport), there)
        assert result == (Outcome.FAIL, "refused", f"connection refused by {there}")


async def test_a_server_that_is_stopped_fails_at_the_deadline(server: Kamailio) -> None:
    with stopped(server.process):
        results = await asyncio.gather(
            *(check_once(SipCheck(transport=transport), here(server), SOON_SECONDS) for transport in TRANSPORTS)
        )
    assert [result[:2] for result in results] == [(Outcome.FAIL, "timeout")] * 2
    assert (await check_once(SipCheck(), here(server)))[0] is Outcome.PASS


async def test_whatever_breaks_on_the_way_is_a_failure(server: Kamailio) -> None:
    await fails_at_every_step(SipCheck(transport="tcp"), here(server), 2)


async def test_whatever_breaks_on_the_way_in_tls_is_a_failure(server: Kamailio, authority: Authority) -> None:
    check = SipCheck(transport="tls", ca_file=authority.ca_file)
    await fails_at_every_step(check, Endpoint("127.0.0.1", server.tls_port), 3, seconds=3.0)
