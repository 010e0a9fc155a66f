import asyncio
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.place import Place, parse_http_url
from feedback.agent.source import Source, SourceError
from feedback.agent.sources.apache import ApacheSource, Workers, parse_status
from tests.agent.failing import failure, names_what_hangs, refuses_garbage, says_who_is_away, settles
from tests.checks.servers.apache import apache

PAGE = b"localhost\nServerMPM: worker\nTotal Accesses: 7\nBusyWorkers: 2\nIdleWorkers: 3\nScoreboard: _W_W_...\n"


def test_the_page_says_how_many_workers_are_busy_and_idle() -> None:
    assert parse_status(PAGE) == Workers(2, 3)


@given(st.binary() | st.binary().map(b"BusyWorkers: 2\n".__add__))
def test_any_page_is_read_or_refused(body: bytes) -> None:
    with pytest.raises(SourceError, match=r"^server-status: has no (Busy|Idle)Workers$"):
        parse_status(body)


@pytest.mark.parametrize("target", ["/server-status", "/server-status?refresh=5"])
def test_the_url_must_ask_for_the_page_for_programs(target: str) -> None:
    with pytest.raises(ValueError, match=r"^url: must end with \?auto, like http://a/server-status\?auto$"):
        ApacheSource(url=parse_http_url(f"http://a{target}"))


def at(place: Place) -> Source:
    if place.path:
        return ApacheSource(url=parse_http_url("http://localhost/server-status?auto"), socket=place)
    return ApacheSource(url=parse_http_url(f"http://{place}/server-status?auto"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, subprocess.Popen[bytes]]]:
    with apache(tmp_path_factory.mktemp("apache")) as (port, process):
        yield Place("127.0.0.1", port), process


@pytest.mark.loopback
async def test_busy_workers_are_a_share_of_those_that_run_or_of_the_limit(
    server: tuple[Place, subprocess.Popen[bytes]],
) -> None:
    place, _ = server
    url = parse_http_url(f"http://{place}/server-status?auto")
    _, writer = await asyncio.open_connection(place.host, place.port)
    writer.write(b"GET / HT")  # a worker waits for the rest
    await settles(ApacheSource(url=url), 2 / 5)  # it, and the one that is asked
    await settles(ApacheSource(url=url, limit=20), 0.1)
    writer.close()
    await writer.wait_closed()


@pytest.mark.loopback
async def test_a_page_that_is_not_there_is_told(server: tuple[Place, subprocess.Popen[bytes]]) -> None:
    url = f"http://{server[0]}/nothing?auto"
    assert await failure(ApacheSource(url=parse_http_url(url))) == f"{url}: the answer is 404 Not Found"


@pytest.mark.loopback
async def test_an_apache_that_hangs_is_told_and_one_that_is_back_is_sampled(
    server: tuple[Place, subprocess.Popen[bytes]],
) -> None:
    await names_what_hangs(at(server[0]), server[1])


@pytest.mark.loopback
async def test_what_is_no_apache_is_told() -> None:
    await says_who_is_away(at)
    await refuses_garbage(at, PAGE)
