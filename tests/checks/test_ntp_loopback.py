"""The `ntp` check against chronyd: synchronized or not, with our clock right and wrong, gone and hanging."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback.checks import ntp
from feedback.checks.ntp import NtpCheck
from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.peers import check_once
from tests.checks.servers.chronyd import chronyd
from tests.checks.servers.process import free_port, stopped

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chronyd")


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[Endpoint]:
    with chronyd(directory / "good") as (endpoint, _):
        yield endpoint


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_that_is_synchronized_passes(server: Endpoint, address: str) -> None:
    check = NtpCheck(max_stratum=8, max_offset=5.0, max_root_dispersion=5.0, address=address)
    outcome, _, detail = await check_once(check, server)
    assert outcome is Outcome.PASS, detail
    assert detail.startswith("stratum 8, reference 127.127.1.1, offset ")


async def test_a_stratum_may_be_too_high(server: Endpoint) -> None:
    result = await check_once(NtpCheck(max_stratum=7), server)
    assert result == (Outcome.FAIL, "content", "stratum 8, must be 7 at most")


@pytest.mark.parametrize("ahead_seconds", [-3600, 3600])
async def test_a_clock_that_differs_from_ours_fails(
    server: Endpoint, monkeypatch: pytest.MonkeyPatch, ahead_seconds: int
) -> None:
    """It is ours that is wrong here, which makes no difference."""
    monkeypatch.setattr(ntp, "unix_nanoseconds", lambda: time.time_ns() - ahead_seconds * 1_000_000_000)
    assert (await check_once(NtpCheck(), server))[0] is Outcome.PASS
    outcome, reason, detail = await check_once(NtpCheck(max_offset=60.0), server)
    assert (outcome, reason) == (Outcome.FAIL, "content")
    assert detail.startswith(f"offset {'+' if ahead_seconds > 0 else '-'}3")
    assert detail.endswith(" ms, must be 1m at most")


async def test_a_server_that_is_not_synchronized_fails(directory: Path) -> None:
    with chronyd(directory / "alone", more="") as (endpoint, _):
        result = await check_once(NtpCheck(), endpoint)
    assert result == (Outcome.FAIL, "status", "not synchronized: leap indicator 3, stratum 0")


async def test_a_server_that_does_not_want_to_answer_fails(directory: Path) -> None:
    with chronyd(directory / "closed", more="local stratum 8\nallow ::2\ndeny ::1") as (endpoint, _):
        elsewhere = Endpoint("::1", endpoint.port)
        result = await check_once(NtpCheck(), elsewhere, SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_port_on_which_nobody_listens_fails(address: str) -> None:
    endpoint = Endpoint(address, free_port())
    result = await check_once(NtpCheck(), endpoint)
    assert result == (Outcome.FAIL, "refused", f"connection refused by {endpoint}")


async def test_a_server_that_hangs_fails_and_is_good_again_when_it_goes_on(directory: Path) -> None:
    with chronyd(directory / "hanging") as (endpoint, process):
        with stopped(process):
            result = await check_once(NtpCheck(), endpoint, SOON_SECONDS)
        assert result[:2] == (Outcome.FAIL, "timeout")
        assert endpoint.address in result[2]
        assert (await check_once(NtpCheck(), endpoint))[0] is Outcome.PASS
