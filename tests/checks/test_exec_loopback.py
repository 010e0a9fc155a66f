"""The `exec` check with programs as they are installed: Nagios plugins, mon's monitors, and scripts for others."""

import socket
from pathlib import Path
from typing import Any

import pytest

from feedback.checks.exec import ExecCheck
from feedback.checks.runner import run_once
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from tests.checks import peers
from tests.checks.peers import check_once

pytestmark = pytest.mark.loopback

PLUGINS = "/usr/lib/nagios/plugins"
MONITORS = "/usr/lib/mon/mon.d"
VIP = Endpoint("192.0.2.10", 80)

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nalive"


async def page(connection: socket.socket) -> None:
    """Answer when the whole request has come: the monitor sends it in pieces."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += await peers.hear(connection)
    await peers.say(connection, PAGE)


def plugin(name: str, *words: str) -> ExecCheck:
    return ExecCheck(command=[f"{PLUGINS}/{name}", "-H", "{address}", "-p", "{port}", *words])


def monitor(name: str) -> ExecCheck:
    return ExecCheck(command=[f"{MONITORS}/{name}.monitor", "-p", "{port}"], convention="mon")


def script(directory: Path, text: str) -> str:
    path = directory / "script"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


async def run(check: ExecCheck, target: Target) -> CheckResult:
    return await run_once(check, target, 10.0)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_nagios_plugins_pass(address: str) -> None:
    async with peers.tcp_peer(peers.answering(PAGE), address) as web:
        outcome, _, detail = await check_once(plugin("check_http", "-u", "/alive", "-s", "alive"), web)
        assert outcome is Outcome.PASS
        assert detail.startswith("HTTP OK: HTTP/1.1 200 OK - ")
    with peers.listener(address) as listening:
        outcome, _, detail = await check_once(plugin("check_tcp"), peers.endpoint_of(listening))
        assert outcome is Outcome.PASS
        assert detail.startswith("TCP OK - ")


async def test_nagios_plugins_warn_and_fail() -> None:
    async with peers.tcp_peer(peers.answering(PAGE.replace(b"200 OK", b"404 Gone"))) as web:
        outcome, _, detail = await check_once(plugin("check_http"), web)
        assert outcome is Outcome.PASS
        assert detail.startswith("warning: HTTP WARNING: HTTP/1.1 404 Gone - ")
        outcome, reason, detail = await check_once(plugin("check_http", "-e", "200"), web)
        assert (outcome, reason) == (Outcome.FAIL, "exit")
        assert detail.startswith("HTTP CRITICAL - Invalid HTTP response received from host")
    with peers.unheard() as bound:
        for name in ("check_http", "check_tcp", "check_ssh"):
            outcome, reason, detail = await check_once(plugin(name), peers.endpoint_of(bound))
            assert (outcome, reason) == (Outcome.FAIL, "exit")
            assert "refused" in detail


async def test_a_plugin_that_is_told_nonsense_says_nothing_of_the_service() -> None:
    outcome, reason, detail = await check_once(plugin("check_tcp", "--no-such-option"), Endpoint("127.0.0.1", 1))
    assert (outcome, reason) == (Outcome.UNKNOWN, "local")
    assert detail.startswith(f"{PLUGINS}/check_tcp exited with status 3")


async def test_a_plugins_performance_data_is_a_weight() -> None:
    check = ExecCheck(
        command=[f"{PLUGINS}/check_load", "-w", "999,999,999", "-c", "999,999,999"],
        weight_from="perfdata",
        label="load1",
    )
    result = await run(check, Target(Endpoint("127.0.0.1", 1), base_weight=1000))
    assert (result.outcome, result.detail.partition(" - ")[0]) == (Outcome.PASS, "LOAD OK")
    assert result.weight_ratio is not None


async def test_mons_monitors_run_unchanged() -> None:
    with peers.listener() as listening:
        assert await check_once(monitor("tcp"), peers.endpoint_of(listening)) == (Outcome.PASS, "", "")
    async with peers.tcp_peer(page) as web:
        assert await check_once(monitor("http"), web) == (Outcome.PASS, "", "HOST 127.0.0.1: ok")
    with peers.unheard() as bound:
        there = peers.endpoint_of(bound)
        result = await check_once(monitor("tcp"), there)
        assert result == (Outcome.FAIL, "exit", "127.0.0.1 could not connect: Connection refused")
        result = await check_once(monitor("http"), there)
        assert result == (Outcome.FAIL, "exit", "HOST 127.0.0.1: HTTP response code failure")


@pytest.mark.parametrize("convention", ["ldirectord", "haproxy"])
async def test_a_program_for_both_ends_is_told_them(convention: Any, tmp_path: Path) -> None:
    text = '[ "$1 $2" = "192.0.2.10 80" ] && echo "$3 $4 ok" && [ "$4" != 81 ]'
    check = ExecCheck(command=[script(tmp_path, text)], convention=convention)
    result = await run(check, Target(Endpoint("192.0.2.11", 8080), "rs1", "web", vip=VIP))
    assert (result.outcome, result.detail) == (Outcome.PASS, "192.0.2.11 8080 ok")
    result = await run(check, Target(Endpoint("192.0.2.11", 81), "rs1", "web", vip=VIP))
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, "exit", "192.0.2.11 81 ok")


async def test_haproxys_environment_is_there(tmp_path: Path) -> None:
    text = 'echo "$HAPROXY_PROXY_NAME $HAPROXY_PROXY_ADDR $HAPROXY_SERVER_NAME $HAPROXY_SERVER_PORT $1 $2"'
    check = ExecCheck(command=[script(tmp_path, text)], convention="haproxy")
    result = await run(check, Target(Endpoint("192.0.2.11", 8080), "rs1", "web"))
    assert (result.outcome, result.detail) == (Outcome.PASS, "web  rs1 8080 NOT_USED NOT_USED")


async def test_a_send_program_must_print_what_is_expected(tmp_path: Path) -> None:
    path = script(tmp_path, 'echo "seen $1 $2"')
    options: dict[str, Any] = {"command": [path, "%h", "%p"], "convention": "piranha"}
    target = Target(Endpoint("192.0.2.11", 8080))
    assert (await run(ExecCheck(expect="seen 192.0.2.11 8080", **options), target)).outcome is Outcome.PASS
    result = await run(ExecCheck(expect="OK", **options), target)
    assert (result.outcome, result.reason) == (Outcome.FAIL, "content")
    assert result.detail == r'printed "seen 192.0.2.11 8080\n", must be "OK"'


async def test_a_misc_check_sets_the_weight(tmp_path: Path) -> None:
    check = ExecCheck(
        command=[script(tmp_path, "exit $1"), "{port}"], convention="keepalived", weight_from="exit_status"
    )
    results = {
        status: await run(check, Target(Endpoint("192.0.2.11", status), base_weight=100)) for status in (1, 2, 27, 255)
    }
    assert {status: (result.outcome, result.weight_ratio) for status, result in results.items()} == {
        1: (Outcome.FAIL, None),
        2: (Outcome.PASS, 0.0),
        27: (Outcome.PASS, 0.25),
        255: (Outcome.PASS, 2.53),
    }


async def test_an_agents_script_says_it_in_words(tmp_path: Path) -> None:
    check = ExecCheck(command=[script(tmp_path, "echo 'up 40%'")], weight_from="words")
    result = await run(check, Target(Endpoint("192.0.2.11", 80)))
    assert (result.outcome, result.weight_ratio, result.detail) == (Outcome.PASS, 0.4, "up 40%")
