from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.place import Place
from feedback.agent.source import Source, SourceError
from feedback.agent.sources.memcached import MemcachedSource, stat
from tests.agent.failing import names_what_hangs, refuses_garbage, says_who_is_away
from tests.checks.servers.memcached import memcached


def test_a_number_is_found_by_its_name() -> None:
    data = b"STAT pid 7\r\nSTAT max_connections 1024\r\nSTAT curr_connections 10\r\nEND\r\n"
    assert (stat(data, b"curr_connections"), stat(data, b"max_connections")) == (10, 1024)


@given(st.binary())
def test_any_statistics_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^memcached does not say its pid: "):
        stat(data, b"pid")


def at(place: Place) -> Source:
    return MemcachedSource(address=place)


@pytest.mark.loopback
async def test_connections_are_a_share_of_what_there_may_be(tmp_path: Path) -> None:
    with memcached(tmp_path) as (port, server):
        place = Place("127.0.0.1", port)
        assert 0 < (await at(place).sample()).ratio < 0.05
        assert 0.1 <= (await MemcachedSource(address=place, limit=10).sample()).ratio < 1
        await names_what_hangs(at(place), server)


@pytest.mark.loopback
async def test_what_is_no_memcached_is_told() -> None:
    await says_who_is_away(at)
    await refuses_garbage(at, b"ERROR\r\n", b"END\r\n", b"STAT curr_connections 1\r\nEND\r\n")
