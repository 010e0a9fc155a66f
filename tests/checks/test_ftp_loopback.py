"""The `ftp` and `ftps` checks against vsftpd and pyftpdlib: what passes, what fails, and what one reads."""

import contextlib
import hashlib
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from feedback.checks.ftp import FtpCheck
from feedback.checks.ftps import FtpsCheck
from feedback.checks.runner import run_once
from feedback.model import Endpoint, Outcome
from feedback.net import Target
from feedback.secret import Secret
from tests.checks import peers
from tests.checks.peers import check_once
from tests.checks.servers import vsftpd
from tests.checks.servers.process import stopped
from tests.checks.servers.pyftpdlib import GREETING, PASSWORD, USER, pyftpdlib
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.servers.vsftpd import ALIVE, Vsftpd
from tests.checks.tls_files import Authority, Pair

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

READY = "220 (vsFTPd 3."
ALL: dict[str, Any] = {
    "file": "alive.txt",
    "size": len(ALIVE),
    "digest": hashlib.sha256(ALIVE).hexdigest(),
    "directory": "pub",
}
ALL_WORDS = "alive.txt has 6 bytes, the listing of pub has 1 line"
EXPIRES = "certificate expires in 29 days"
LOGIN: dict[str, Any] = {"user": USER, "password": Secret(PASSWORD)}
ELSEWHERE = "192.0.2.99"

Servers = Mapping[str, Vsftpd]
Second = tuple[Endpoint, subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("ftp", "DNS:ftp.example.com,IP:127.0.0.1,IP:::1")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, authority: Authority, pair: Pair) -> Iterator[Servers]:
    """Return one server for each thing that is set up in it, by what that is."""
    directory = tmp_path_factory.mktemp("vsftpd")
    (directory / "passwords").write_text("right\n")
    other = authority.issue("ftp-other", "DNS:other.example.com")
    in_tls = vsftpd.tls(pair)
    kinds: dict[str, tuple[str, dict[str, str]]] = {
        "127.0.0.1": ("127.0.0.1", {}),
        "::1": ("::1", {}),
        "behind nat": ("127.0.0.1", {"pasv_address": ELSEWHERE}),
        "not passive": ("127.0.0.1", {"pasv_enable": "NO"}),
        "password": (
            "127.0.0.1",
            {"secure_email_list_enable": "YES", "email_password_file": str(directory / "passwords")},
        ),
        "tls 127.0.0.1": ("127.0.0.1", in_tls),
        "tls ::1": ("::1", in_tls),
        "other certificate": ("127.0.0.1", vsftpd.tls(other)),
        "implicit 127.0.0.1": ("127.0.0.1", in_tls | {"implicit_ssl": "YES"}),
        "implicit ::1": ("::1", in_tls | {"implicit_ssl": "YES"}),
    }
    with contextlib.ExitStack() as running:
        yield {
            name: running.enter_context(vsftpd.vsftpd(directory / name.replace(":", "_"), address, settings))
            for name, (address, settings) in kinds.items()
        }


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[Second]:
    with pyftpdlib(tmp_path_factory.mktemp("pyftpdlib"), pair) as server:
        yield server


# vsftpd


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_that_greets_passes_and_is_told_goodbye(servers: Servers, address: str) -> None:
    server = servers[address]
    before = server.log()
    outcome, reason, detail = await check_once(FtpCheck(), server.endpoint)
    assert (outcome, reason) == (Outcome.PASS, "")
    assert detail.startswith(READY)
    await peers.until(lambda: '"QUIT"' in server.log().removeprefix(before))
    assert "USER" not in server.log().removeprefix(before)


@pytest.mark.parametrize("address", peers.ADDRESSES)
@pytest.mark.parametrize("passive", ["auto", "epsv"])
async def test_files_and_directories_come_over_either_ip(servers: Servers, address: str, passive: Any) -> None:
    check = FtpCheck(passive=passive, expect_features=["REST STREAM"], expect_banner="vsFTPd", **ALL)
    outcome, _, detail = await check_once(check, servers[address].endpoint)
    assert outcome is Outcome.PASS
    assert detail.endswith(f", logged in as anonymous, {ALL_WORDS}")


@pytest.mark.parametrize(
    ("options", "reason", "detail"),
    [
        ({"file": "dead.txt"}, "status", "RETR dead.txt: 550 Failed to open file., must be 1yz"),
        ({"directory": "none"}, "status", "CWD none: 550 Failed to change directory., must be 2yz"),
        ({"file": "alive.txt", "size": 7}, "content", "RETR alive.txt: 6 bytes, must be 7"),
        ({"file": "alive.txt", "limit": 5}, "limit", "RETR alive.txt, data: more than the 5 bytes that are read of it"),
        (
            {"user": "joe", "password": Secret("x")},
            "auth",
            "USER joe: 530 This FTP server is anonymous only., must be 2yz",
        ),
        ({"starttls": True}, "tls", "AUTH TLS: 530 Please login with USER and PASS., must be 2yz"),
    ],
)
async def test_a_failure_is_told_in_the_server_s_own_words(
    servers: Servers, options: dict[str, Any], reason: str, detail: str
) -> None:
    assert await check_once(FtpCheck(**options), servers["127.0.0.1"].endpoint) == (Outcome.FAIL, reason, detail)


async def test_features_that_are_missing_are_told_beside_those_that_are_there(servers: Servers) -> None:
    result = await check_once(FtpCheck(expect_features=["MLST"]), servers["127.0.0.1"].endpoint)
    assert result[:2] == (Outcome.FAIL, "content")
    assert result[2].startswith("FEAT: MLST is not announced; what is: EPRT, EPSV, ")


async def test_a_server_that_lets_nobody_in_passively_fails(servers: Servers) -> None:
    result = await check_once(FtpCheck(passive="auto"), servers["not passive"].endpoint)
    assert result == (Outcome.FAIL, "status", "PASV: 550 Permission denied., must be 2yz")


async def test_a_wrong_password_is_refused(servers: Servers) -> None:
    there = servers["password"].endpoint
    check = FtpCheck(user="anonymous", password=Secret("right"))
    assert (await check_once(check, there))[0] is Outcome.PASS
    result = await check_once(FtpCheck(user="anonymous", password=Secret("wrong")), there)
    assert result == (Outcome.FAIL, "auth", "PASS: 530 Login incorrect., must be 2yz")


# The address that PASV announces


@pytest.mark.parametrize(
    ("vip", "remark"), [(None, "not this address"), ("198.51.100.10", "neither this address nor the VIP")]
)
async def test_a_server_that_announces_an_odd_address_passes_and_that_is_told(
    servers: Servers, vip: str | None, remark: str
) -> None:
    target = Target(servers["behind nat"].endpoint, vip=Endpoint(vip, 21) if vip else None)
    result = await run_once(FtpCheck(file="alive.txt"), target, 10.0)
    assert result.outcome is Outcome.PASS
    assert f", PASV announces {ELSEWHERE}, {remark}, alive.txt has 6 bytes" in result.detail


@pytest.mark.parametrize(
    ("wanted", "vip", "server", "failure"),
    [
        ("vip", ELSEWHERE, "behind nat", ""),
        ("vip", "198.51.100.10", "behind nat", f"PASV: announces {ELSEWHERE}, must announce 198.51.100.10"),
        ("vip", "198.51.100.10", "127.0.0.1", "PASV: announces 127.0.0.1, must announce 198.51.100.10"),
        ("server", ELSEWHERE, "127.0.0.1", ""),
        ("server", ELSEWHERE, "behind nat", f"PASV: announces {ELSEWHERE}, must announce 127.0.0.1"),
        (ELSEWHERE, "198.51.100.10", "behind nat", ""),
    ],
)
async def test_the_address_that_is_announced_may_be_wanted(
    servers: Servers, wanted: str, vip: str, server: str, failure: str
) -> None:
    target = Target(servers[server].endpoint, vip=Endpoint(vip, 21))
    result = await run_once(FtpCheck(pasv_address=wanted), target, 10.0)
    expected = (Outcome.FAIL, "content") if failure else (Outcome.PASS, "")
    assert (result.outcome, result.reason) == expected
    assert result.detail.endswith(failure or ", logged in as anonymous, data connection opened")


# TLS


@pytest.mark.parametrize("address", peers.ADDRESSES)
@pytest.mark.parametrize(("way", "kind"), [("tls", FtpCheck), ("implicit", FtpsCheck)])
async def test_data_go_through_tls_in_the_session_of_the_control_connection(
    servers: Servers, authority: Authority, way: str, kind: type[FtpCheck], address: str
) -> None:
    server = servers[f"{way} {address}"]
    before = server.log()
    check = kind(ca_file=authority.ca_file, starttls=way == "tls", **ALL)
    outcome, _, detail = await check_once(check, server.endpoint)
    assert outcome is Outcome.PASS
    assert detail.endswith(f", {EXPIRES}, logged in as anonymous, {ALL_WORDS}")
    await peers.until(lambda: '"QUIT"' in server.log().removeprefix(before))
    assert server.log().removeprefix(before).count(", reused,") == 2


async def test_a_login_without_tls_is_refused_where_tls_is_a_must(servers: Servers) -> None:
    result = await check_once(FtpCheck(user="anonymous"), servers["tls 127.0.0.1"].endpoint)
    words = "USER anonymous: 530 Anonymous sessions must use encryption., must be 2yz"
    assert result == (Outcome.FAIL, "auth", words)


async def test_a_certificate_of_another_name_or_authority_is_refused(servers: Servers, authority: Authority) -> None:
    there = servers["other certificate"].endpoint
    expected = f"TLS: certificate of {there} refused: "
    outcome, reason, detail = await check_once(FtpCheck(starttls=True, ca_file=authority.ca_file), there)
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert detail.startswith(f"{expected}IP address mismatch")
    result = await check_once(FtpCheck(starttls=True), there)
    assert result == (Outcome.FAIL, "tls", f"{expected}unable to get local issuer certificate")
    named = FtpCheck(starttls=True, ca_file=authority.ca_file, sni="other.example.com", **ALL)
    assert (await check_once(named, there))[0] is Outcome.PASS


async def test_ftps_to_a_port_that_greets_in_clear_fails(servers: Servers, authority: Authority) -> None:
    there = servers["127.0.0.1"].endpoint
    outcome, reason, detail = await check_once(FtpsCheck(ca_file=authority.ca_file), there)
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert detail.startswith(f"TLS with {there} failed: ")


async def test_ftp_to_a_port_in_tls_waits_for_a_greeting(servers: Servers) -> None:
    there = servers["implicit 127.0.0.1"].endpoint
    result = await check_once(FtpCheck(), there, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"greeting: no answer from {there} within 0.3 s")


# What breaks


async def test_a_port_on_which_nobody_listens_fails() -> None:
    with peers.unheard() as bound:
        there = peers.endpoint_of(bound)
        for check in (FtpCheck(), FtpsCheck(verify=False)):
            assert await check_once(check, there) == (Outcome.FAIL, "refused", f"connection refused by {there}")


async def test_a_server_that_is_stopped_fails_at_the_deadline(servers: Servers) -> None:
    server = servers["127.0.0.1"]
    with stopped(server.process):
        result = await check_once(FtpCheck(), server.endpoint, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"greeting: no answer from {server.endpoint} within 0.3 s")
    assert (await check_once(FtpCheck(), server.endpoint))[0] is Outcome.PASS


@pytest.mark.parametrize("passive", ["pasv", "epsv"])
async def test_whatever_breaks_on_the_way_is_a_failure(servers: Servers, passive: Any) -> None:
    """The check speaks five times: USER, PASS, TYPE, PASV or EPSV, RETR."""
    await fails_at_every_step(FtpCheck(file="alive.txt", passive=passive), servers["127.0.0.1"].endpoint, 6)


async def test_whatever_breaks_on_the_way_in_tls_is_a_failure(servers: Servers, authority: Authority) -> None:
    """AUTH, two or three times in TLS with USER, then PASS, PBSZ, PROT, TYPE, PASV, RETR."""
    check = FtpCheck(starttls=True, ca_file=authority.ca_file, file="alive.txt")
    await fails_at_every_step(check, servers["tls 127.0.0.1"].endpoint, 10, seconds=3.0)


# pyftpdlib


@pytest.mark.parametrize("starttls", [False, True])
async def test_another_server_passes_with_a_user_who_has_a_password(
    second: Second, authority: Authority, starttls: bool
) -> None:
    check = FtpCheck(
        starttls=starttls,
        ca_file=authority.ca_file,
        expect_features=["MLST size modify", "AUTH TLS"],
        file="alive.txt",
        directory="/",
        pasv_address="server",
        **LOGIN,
    )
    words = f"{f'{EXPIRES}, ' if starttls else ''}logged in as {USER}"
    data = "alive.txt has 6 bytes, the listing of / has 1 line"
    assert await check_once(check, second[0]) == (Outcome.PASS, "", f"220 {GREETING}, {words}, {data}")


async def test_another_server_refuses_what_is_wrong(second: Second) -> None:
    result = await check_once(FtpCheck(user=USER, password=Secret("wrong")), second[0])
    assert result == (Outcome.FAIL, "auth", "PASS: 530 Authentication failed. Disconnecting., must be 2yz")
    result = await check_once(FtpCheck(file="dead.txt", **LOGIN), second[0])
    words = "RETR dead.txt: 550 No such file or directory., must be 1yz"
    assert result == (Outcome.FAIL, "status", words)
    result = await check_once(FtpCheck(directory="/none", **LOGIN), second[0])
    assert result == (Outcome.FAIL, "status", "CWD /none: 550 No such file or directory., must be 2yz")


async def test_another_server_that_is_stopped_fails_at_the_deadline(second: Second) -> None:
    there, process = second
    with stopped(process):
        result = await check_once(FtpCheck(), there, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"greeting: no answer from {there} within 0.3 s")


async def test_whatever_breaks_on_the_way_to_another_server_is_a_failure(second: Second) -> None:
    await fails_at_every_step(FtpCheck(file="alive.txt", **LOGIN), second[0], 6)
