import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.place import Place, parse_http_url
from feedback.agent.source import Source, SourceError
from feedback.agent.sources.nginx import Connections, NginxSource, parse_status
from tests.agent.failing import failure, refuses_garbage, says_who_is_away, settles, within
from tests.agent.servers import served, silence
from tests.checks.nginx import nginx

PAGE = b"Active connections: 291 \nserver accepts handled requests\n 16630948 16630948 31070465 \n"
PAGE += b"Reading: 6 Writing: 179 Waiting: 106 \n"


def test_the_page_says_how_many_connections_there_are_and_wait() -> None:
    assert parse_status(PAGE) == Connections(291, 106)


@given(st.binary() | st.binary().map(PAGE[:40].__add__))
def test_any_page_is_read_or_refused(body: bytes) -> None:
    with pytest.raises(SourceError, match=r"^not a page of stub_status: "):
        parse_status(body)


def at(place: Place) -> Source:
    if place.path:
        return NginxSource(url=parse_http_url("http://localhost/status"), socket=place, limit=10)
    return NginxSource(url=parse_http_url(f"http://{place}/status"), limit=10)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    server = "server { listen {listen}; location /status { stub_status; } location / { return 403; } }"
    with nginx(tmp_path_factory.mktemp("nginx"), {"web": server}) as endpoints:
        yield Place(endpoints["web"].address, endpoints["web"].port)


@pytest.mark.loopback
async def test_connections_are_a_share_of_the_limit_with_those_that_wait_and_without(place: Place) -> None:
    url = parse_http_url(f"http://{place}/status")
    reader, writer = await asyncio.open_connection(place.host, place.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")  # and the connection is kept
    await settles(NginxSource(url=url, limit=10), 0.2)
    await settles(NginxSource(url=url, limit=10, waiting=False), 0.1)
    writer.close()
    await writer.wait_closed()


@pytest.mark.loopback
async def test_a_page_that_is_forbidden_is_told(place: Place) -> None:
    source = NginxSource(url=parse_http_url(f"http://{place}/other"), limit=10)
    assert await failure(source) == f"http://{place}/other: the answer is 403 Forbidden"


@pytest.mark.loopback
async def test_what_is_no_nginx_is_told(tmp_path: Path) -> None:
    await says_who_is_away(at)
    await refuses_garbage(at, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", PAGE)
    async with served(silence, tmp_path / "socket") as place:
        assert await within(at(place)) == "no answer within 0.2 s"
