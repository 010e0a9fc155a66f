import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback.agent.place import Place
from feedback.agent.source import Source
from feedback.agent.sources.redis import RedisSource
from feedback.secret import Secret
from tests.agent.failing import PASSWORD, failure, names_what_hangs, refuses_garbage, says_who_is_away
from tests.agent.servers import saying, served
from tests.checks.servers.redis_server import redis_server


def jobs(place: Place) -> Source:
    return RedisSource(address=place, key="jobs", limit=10)


def clients(place: Place) -> Source:
    return RedisSource(address=place, measure="clients")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"limit": 9}, "key: goes with the measure length, which must have one"),
        ({"measure": "clients", "key": "jobs"}, "key: goes with the measure length, which must have one"),
        ({"key": "jobs"}, "limit: must be given, for a key has none of its own"),
        ({"key": "jobs", "limit": 1, "user": "me"}, "user: goes with password_file, and there is none"),
    ],
)
def test_options_that_do_not_go_together_are_told(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        RedisSource(**options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Return where a Redis is that wants a password."""
    with redis_server(tmp_path_factory.mktemp("redis"), "--requirepass", "s3cret", "--maxclients", "20") as (port, _):
        yield Place("127.0.0.1", port)


async def fill(place: Place, *commands: bytes) -> None:
    reader, writer = await asyncio.open_connection(place.host, place.port)
    for command in (b"AUTH s3cret", *commands):
        writer.write(command + b"\r\n")
        answer = await reader.readline()
        assert not answer.startswith(b"-"), answer
    writer.close()
    await writer.wait_closed()


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("command", "key", "ratio"),
    [
        (b"RPUSH list a b c", "list", 0.3),
        (b"ZADD zset 1 a 2 b", "zset", 0.2),
        (b"XADD stream * a b", "stream", 0.1),
        (b"SADD set a b c d", "set", 0.4),
        (b"HSET hash a b", "hash", 0.1),
        (b"PING", "nothing", 0),
    ],
)
async def test_what_is_in_a_key_is_counted_by_its_type(place: Place, command: bytes, key: str, ratio: float) -> None:
    await fill(place, command)
    source = RedisSource(address=place, key=key, limit=10, password_file=PASSWORD)
    assert (await source.sample()).ratio == ratio


@pytest.mark.loopback
async def test_a_key_that_is_no_queue_is_told(place: Place) -> None:
    await fill(place, b"SET word a")
    source = RedisSource(address=place, key="word", limit=10, password_file=PASSWORD)
    assert await failure(source) == f"{place}: word is a string, must be a list, stream, set or hash"


@pytest.mark.loopback
async def test_another_database_has_other_keys(place: Place) -> None:
    await fill(place, b"SELECT 3", b"RPUSH other a")
    for database, ratio in ((0, 0), (3, 0.1)):
        source = RedisSource(address=place, key="other", limit=10, password_file=PASSWORD, database=database)
        assert (await source.sample()).ratio == ratio


@pytest.mark.loopback
async def test_a_wrong_password_or_none_is_told(place: Place) -> None:
    wrong = RedisSource(address=place, key="list", limit=1, password_file=Secret("wrong"))
    assert (await failure(wrong)).startswith(f"{place}: WRONGPASS ")
    assert await failure(jobs(place)) == f"{place}: NOAUTH Authentication required."


@pytest.mark.loopback
async def test_redis_knows_its_own_limits(place: Place) -> None:
    source = RedisSource(address=place, measure="clients", password_file=PASSWORD)
    assert (await source.sample()).ratio == 1 / 20
    memory = RedisSource(address=place, measure="memory", password_file=PASSWORD)
    assert await failure(memory) == f"{place}: the server has no limit for its memory: set limit"
    limited = RedisSource(address=place, measure="memory", password_file=PASSWORD, limit=1e9)
    assert 0 < (await limited.sample()).ratio < 0.1


@pytest.mark.loopback
async def test_a_redis_that_is_full_is_full(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxclients", "1") as (port, _):
        place = Place("127.0.0.1", port)
        writer = await let_in(place)
        assert (await clients(place).sample()).ratio == 1
        assert await failure(jobs(place)) == f"{place}: ERR max number of clients reached"
        writer.close()
        await writer.wait_closed()


async def let_in(place: Place) -> asyncio.StreamWriter:
    """Return a connection that Redis has taken: it may not have noticed yet that the one before has ended."""
    while True:
        reader, writer = await asyncio.open_connection(place.host, place.port)
        writer.write(b"PING\r\n")
        if await reader.readline() == b"+PONG\r\n":
            return writer
        writer.transport.abort()


@pytest.mark.loopback
async def test_a_redis_that_hangs_is_told_and_one_that_is_back_is_sampled(tmp_path: Path) -> None:
    with redis_server(tmp_path) as (port, server):
        await names_what_hangs(jobs(Place("127.0.0.1", port)), server)


@pytest.mark.loopback
@pytest.mark.parametrize("source_at", [jobs, clients])
async def test_what_is_no_redis_is_told(source_at: object) -> None:
    await says_who_is_away(source_at)  # type: ignore[arg-type]
    more = (b"-ERR no\r\n", b"+none", b"$-1\r\n", b"$5\r\nhello!!", b"$5\r\nhello\r\n", b"+list\r\n+many\r\n")
    await refuses_garbage(source_at, *more)  # type: ignore[arg-type]


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"used_memory:12", "Redis does not say its connected_clients"),
        (b"connected_clients:1", "Redis does not say its maxclients: set limit"),
        (b"connected_clients:x\nmaxclients:1", "Redis says connected_clients 'x', must be a number"),
    ],
)
async def test_fields_that_are_missing_are_named(said: bytes, why: str) -> None:
    async with served(saying(b"$%d\r\n%s\r\n" % (len(said), said))) as place:
        assert await failure(clients(place)) == f"{place}: {why}"


@pytest.mark.loopback
async def test_a_redis_that_was_restarted_is_asked_again(tmp_path: Path) -> None:
    place = Place(path=str(tmp_path / "socket"))
    for _ in range(2):
        with redis_server(tmp_path / "redis", "--unixsocket", place.path):
            assert (await jobs(place).sample()).ratio == 0
        assert (await failure(jobs(place))).startswith(f"can't connect to {place}: ")
