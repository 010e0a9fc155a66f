"""The `rtsp` check against rtsp-server-perl."""

import subprocess
from collections.abc import Iterator

import pytest

from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.made import made
from tests.checks.peers import check_once
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.servers.rtsp_server import PRESENTATION, rtsp_server

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

URL = f"rtsp://media.example.com{PRESENTATION}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, subprocess.Popen[bytes]]]:
    with rtsp_server(tmp_path_factory.mktemp("rtsp")) as running:
        yield running


@pytest.fixture
def endpoint(server: tuple[Endpoint, subprocess.Popen[bytes]]) -> Endpoint:
    return server[0]


async def test_it_passes_where_the_server_answers(endpoint: Endpoint) -> None:
    assert await check_once(made("rtsp"), endpoint) == (Outcome.PASS, "", "RTSP/1.0 200 OK")


async def test_it_asks_for_a_presentation(endpoint: Endpoint) -> None:
    result = await check_once(made("rtsp", url=URL), endpoint)
    assert result == (Outcome.PASS, "", "RTSP/1.0 200 OK, described")


async def test_a_presentation_that_is_not_there_fails(endpoint: Endpoint) -> None:
    result = await check_once(made("rtsp", url="rtsp://media.example.com/none"), endpoint)
    assert result == (Outcome.FAIL, "status", 'DESCRIBE: answered "RTSP/1.0 404 Not Found"')


async def test_a_port_that_nobody_listens_on_fails() -> None:
    with peers.unheard() as bound:
        outcome, reason, _ = await check_once(made("rtsp"), peers.endpoint_of(bound))
    assert (outcome, reason) == (Outcome.FAIL, "refused")


async def test_it_fails_when_any_step_fails(endpoint: Endpoint) -> None:
    await fails_at_every_step(made("rtsp", url=URL), endpoint, steps=3)


async def test_a_server_that_hangs_fails_at_the_deadline(server: tuple[Endpoint, subprocess.Popen[bytes]]) -> None:
    endpoint, process = server
    with stopped(process):
        result = await check_once(made("rtsp"), endpoint, SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")
