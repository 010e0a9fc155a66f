"""The `radius` check against FreeRADIUS: who is let in, who is not, and a server that does not know us."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feedback.checks.radius import RadiusCheck
from feedback.model import Endpoint, Outcome
from feedback.secret import Secret
from tests.checks import peers, radius_server
from tests.checks.peers import check_once
from tests.checks.servers.freeradius import CHALLENGED, PASSWORD, SECRET, SIGNED, USER, freeradius
from tests.checks.servers.process import free_port, stopped

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

Servers = tuple[Endpoint, Endpoint, subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with freeradius(tmp_path_factory.mktemp("freeradius")) as started:
        yield started


def check(secret: str = SECRET, **options: Any) -> RadiusCheck:
    return RadiusCheck(secret=Secret(secret), **options)


def login(user: str = USER, password: str = PASSWORD, **options: Any) -> RadiusCheck:
    return check(user=user, password=Secret(password), **options)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_says_that_it_is_there_at_both_ports(servers: Servers, address: str) -> None:
    login_port, accounting_port, _ = servers
    assert await check_once(check(address=address), login_port) == (Outcome.PASS, "", "Access-Accept")
    assert await check_once(check(address=address), accounting_port) == (Outcome.PASS, "", "Accounting-Response")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_user_is_let_in(servers: Servers, address: str) -> None:
    assert await check_once(login(address=address), servers[0]) == (Outcome.PASS, "", "Access-Accept: Hello")


@pytest.mark.parametrize(
    ("user", "expect", "detail"),
    [
        (USER, "reject", "Access-Reject: Hello"),
        (USER, "any", "Access-Reject: Hello"),
        ("nobody", "any", "Access-Reject"),
        (CHALLENGED, "challenge", "Access-Challenge: And the second factor?"),
        (CHALLENGED, "any", "Access-Challenge: And the second factor?"),
    ],
)
async def test_other_answers_may_be_wanted(servers: Servers, user: str, expect: str, detail: str) -> None:
    assert await check_once(login(user, "wrong", expect=expect), servers[0]) == (Outcome.PASS, "", detail)


@pytest.mark.parametrize(
    ("user", "password", "reason", "detail"),
    [
        (USER, "wrong", "auth", "Access-Reject: Hello"),
        (USER, f"{PASSWORD} ", "auth", "Access-Reject: Hello"),
        ("nobody", PASSWORD, "auth", "Access-Reject"),
        (CHALLENGED, PASSWORD, "status", "Access-Challenge: And the second factor?"),
    ],
)
async def test_who_is_not_let_in_fails(servers: Servers, user: str, password: str, reason: str, detail: str) -> None:
    result = await check_once(login(user, password), servers[0])
    assert result == (Outcome.FAIL, reason, f"Access-Request: {detail}, must be Access-Accept")


async def test_an_answer_may_have_to_be_signed(servers: Servers) -> None:
    """The server signs as its configuration has it: for one user here, and not for another."""
    assert (await check_once(login(SIGNED, require_message_authenticator=True), servers[0]))[0] is Outcome.PASS
    assert (await check_once(login(SIGNED), servers[0]))[0] is Outcome.PASS
    result = await check_once(login(require_message_authenticator=True), servers[0], SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")


async def test_a_server_that_has_another_secret_says_nothing(servers: Servers) -> None:
    outcome, reason, detail = await check_once(check("another"), servers[0], SOON_SECONDS)
    assert (outcome, reason) == (Outcome.FAIL, "timeout")
    assert detail.startswith(f"Status-Server: no answer from {servers[0]}")


async def test_a_server_that_answers_no_status_server_can_be_asked_for_a_user(tmp_path: Path) -> None:
    with freeradius(tmp_path / "silent", status_server=False) as (there, _, _):
        result = await check_once(check(), there, SOON_SECONDS)
        assert result[:2] == (Outcome.FAIL, "timeout")
        assert (await check_once(login(), there))[0] is Outcome.PASS


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_port_on_which_nobody_listens_fails(address: str) -> None:
    there = Endpoint(address, free_port())
    result = await check_once(check(), there)
    assert result == (Outcome.FAIL, "refused", f"Status-Server: connection refused by {there}")


async def test_a_server_that_hangs_fails_and_is_good_again_when_it_goes_on(servers: Servers) -> None:
    there, _, process = servers
    with stopped(process):
        result = await check_once(check(), there, SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")
    assert (await check_once(check(), there))[0] is Outcome.PASS


async def test_a_lost_packet_is_sent_again_as_it_was() -> None:
    def late(request: bytes, number: int) -> bytes | None:
        return None if number == 1 else radius_server.answer(request, 2, SECRET.encode(), signed=True)

    async with peers.udp_peer(late) as (there, peer):
        assert await check_once(check(), there, 3.0) == (Outcome.PASS, "", "Access-Accept")
    assert len(peer.heard) == 2
    assert peer.heard[0] == peer.heard[1]
    radius_server.verify(peer.heard[0], SECRET.encode())


async def test_no_two_requests_are_alike() -> None:
    async with peers.udp_peer(lambda request, _: radius_server.answer(request, 2, SECRET.encode())) as (there, peer):
        for _ in range(3):
            assert (await check_once(check(), there))[0] is Outcome.PASS
    assert len({request[4:20] for request in peer.heard}) == 3


async def test_who_answers_without_the_secret_is_not_believed() -> None:
    async with peers.udp_peer(lambda request, _: radius_server.answer(request, 2, b"guessed")) as (there, peer):
        result = await check_once(check(), there, SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")
    assert peer.heard
