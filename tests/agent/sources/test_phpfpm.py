import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.place import Place, parse_http_url
from feedback.agent.source import Source, SourceError
from feedback.agent.sources.phpfpm import PhpfpmSource, Pool, parse_status
from feedback.checks.codecs import fastcgi
from tests.agent.failing import failure, names_what_hangs, refuses_garbage, says_who_is_away, settles, within
from tests.checks.nginx import nginx
from tests.checks.servers.php_fpm import PhpFpm, php_fpm

PAGE = {"pool": "www", "listen queue": 3, "listen queue len": 128, "active processes": 2, "total processes": 5}


def test_the_page_is_read_by_its_own_names() -> None:
    pool = Pool(active_processes=2, total_processes=5, listen_queue=3, listen_queue_len=128)
    assert parse_status(json.dumps(PAGE).encode()) == pool


@given(st.binary() | st.recursive(st.none() | st.integers(), st.lists).map(lambda value: json.dumps(value).encode()))
def test_any_page_is_read_or_refused(body: bytes) -> None:
    with pytest.raises(SourceError, match=r"^not a status page of PHP-FPM: "):
        parse_status(body)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "must have an address or a url, and not both"),
        ({"address": Place("a", 1), "url": parse_http_url("http://a")}, "must have an address or a url, and not both"),
        ({"address": Place("a", 1), "path": "status"}, 'path: must begin with "/"'),
    ],
)
def test_options_that_do_not_go_together_are_told(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        PhpfpmSource(**options)  # type: ignore[arg-type]


def at(place: Place) -> Source:
    return PhpfpmSource(address=place)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhpFpm]:
    with php_fpm(tmp_path_factory.mktemp("php")) as running:
        script = "<?php $pipe = $_GET['pipe']; if (file_exists($pipe)) file_get_contents($pipe);"
        (running.directory / "slow.php").write_text(script)
        yield running


async def begin_slow_request(server: PhpFpm, pipe: Path) -> asyncio.StreamWriter:
    """Have the pool's only worker read from a pipe, which waits for who writes into it."""
    _, writer = await asyncio.open_connection(server.pool.host, server.pool.port)
    writer.write(fastcgi.get(f"{server.directory}/slow.php", f"pipe={pipe}"))
    await writer.drain()
    return writer


@pytest.mark.loopback
async def test_workers_and_the_queue_are_told_even_when_all_are_busy(server: PhpFpm, tmp_path: Path) -> None:
    workers = PhpfpmSource(address=server.status)
    queue = PhpfpmSource(address=server.status, measure="queue")
    await settles(workers, 0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writers = [await begin_slow_request(server, pipe) for _ in range(3)]
    await settles(workers, 1)
    await settles(PhpfpmSource(address=server.status, limit=4), 0.25)
    await settles(queue, 2 / 16)
    assert await within(PhpfpmSource(address=server.pool)) == "no answer within 0.2 s"  # it waits like all others
    end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    pipe.unlink()  # nobody else waits
    os.close(end)
    for writer in writers:  # a worker waits until its client has closed
        writer.close()
        await writer.wait_closed()
    await settles(workers, 0)


@pytest.mark.loopback
async def test_a_unix_socket_tells_its_workers_but_not_its_queue(server: PhpFpm) -> None:
    assert (await PhpfpmSource(address=server.local).sample()).ratio == 1  # the one that answers
    queue = PhpfpmSource(address=server.local, measure="queue")
    assert await failure(queue) == (
        f"{server.local}: PHP-FPM does not know the queue of a Unix socket: set limit, or let it listen on a port"
    )
    assert (await PhpfpmSource(address=server.local, measure="queue", limit=5).sample()).ratio == 0


@pytest.mark.loopback
async def test_the_page_is_had_through_a_web_server(server: PhpFpm, tmp_path: Path) -> None:
    place = f"location /fpm {{ include {tmp_path}/fastcgi; fastcgi_param SCRIPT_NAME /status; }}"
    (tmp_path / "fastcgi").write_text(
        f"fastcgi_pass {server.status};\n"
        "fastcgi_param REQUEST_METHOD $request_method;\nfastcgi_param SCRIPT_FILENAME /status;\n"
        "fastcgi_param QUERY_STRING $query_string;\n"
    )
    with nginx(tmp_path / "nginx", {"web": f"server {{ listen {{listen}}; {place} }}"}) as endpoints:
        for query in ("", "?full"):
            url = parse_http_url(f"http://{endpoints['web']}/fpm{query}")
            assert (await PhpfpmSource(url=url, limit=10).sample()).ratio <= 0.1


@pytest.mark.loopback
async def test_a_path_that_is_none_is_told(server: PhpFpm) -> None:
    source = PhpfpmSource(address=server.pool, path="/nothing")
    assert await failure(source) == f"{server.pool}: the answer to /nothing is 404 Not Found"


@pytest.mark.loopback
async def test_a_pool_that_hangs_is_told_and_one_that_is_back_is_sampled(server: PhpFpm) -> None:
    await names_what_hangs(at(server.local), server.process)


@pytest.mark.loopback
async def test_what_is_no_php_is_told() -> None:
    await says_who_is_away(at)
    await refuses_garbage(at, b"\1\3\0\1\0\10\0\0" + bytes(8), b"\1\6\0\1\0\3\0\0\r\n\r\1\3\0\1\0\10\0\0" + bytes(8))
