import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.place import Place
from feedback.agent.source import Source, SourceError
from feedback.agent.sources.postgresql import PostgresqlSource, counts
from feedback.checks.codecs import postgresql_message
from feedback.secret import Secret
from tests.agent.failing import PASSWORD, failure, names_what_hangs, refuses_garbage, says_who_is_away, settles
from tests.checks.servers.postgres import made_cluster

USERS = [
    "SET password_encryption = 'scram-sha-256'",
    "CREATE ROLE monitor LOGIN PASSWORD 's3cret'",
    "SET password_encryption = 'md5'",
    "CREATE ROLE older LOGIN PASSWORD 's3cret'",
    "CREATE ROLE clear LOGIN PASSWORD 's3cret'",
    "CREATE ROLE root LOGIN",
]
ACCESS = """
local all root peer
local all clear password
host all monitor all scram-sha-256
host all older all md5
host all clear all password
"""
MOST = 7
"""Connections of users with no privileges: max_connections less superuser_reserved_connections."""


@pytest.mark.parametrize("option", [{"user": ""}, {"user": "a\0b"}, {"database": ""}])
def test_names_are_text(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(option))}: must be text without NUL, and not empty$"):
        PostgresqlSource(**({"user": "me"} | option))


@given(st.lists(st.lists(st.none() | st.text()).map(tuple)))
def test_any_rows_are_numbers_or_refused(rows: list[tuple[str | None, ...]]) -> None:
    try:
        used, most = counts(rows)
    except SourceError as error:
        assert "in answer to a question for two numbers" in str(error)  # noqa: PT017 - most examples raise it
    else:
        assert min(used, most) >= 0


def test_the_row_is_two_numbers() -> None:
    assert counts([("7", "97")]) == (7, 97)


def at(place: Place) -> Source:
    return PostgresqlSource(user="monitor", address=place, password_file=PASSWORD)


Server = tuple[Place, Place, "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run one with a port and a Unix socket: yield both places, and its process."""
    settings = f"max_connections = {MOST + 3}\nsuperuser_reserved_connections = 3\nmax_wal_senders = 0\n"
    with made_cluster(USERS, ACCESS, settings + "autovacuum = off\n") as cluster:
        sockets = cluster.data.parent
        sockets.chmod(0o755)
        with cluster.running(["-c", f"unix_socket_directories={sockets}"]) as (port, process):
            asyncio.run(started(at(Place("127.0.0.1", port))))
            yield Place("127.0.0.1", port), Place(path=f"{sockets}/.s.PGSQL.{port}"), process


async def started(source: Source) -> None:
    """Wait while the server, which takes connections already, says that it is starting up."""
    async with asyncio.timeout(20):
        while True:
            try:
                await source.sample()
            except SourceError as error:
                if "57P03" not in str(error):
                    raise
                await asyncio.sleep(0.02)
            else:
                return


@contextlib.asynccontextmanager
async def occupied(place: Place, count: int) -> AsyncIterator[None]:
    """Have so many sessions within the block: as many as it takes, when one of before has not ended yet."""
    writers: list[asyncio.StreamWriter] = []
    while len(writers) < count:
        reader, writer = await asyncio.open_unix_connection(place.path)
        writer.write(postgresql_message.startup("root", "postgres"))
        if await reader.readexactly(1) == b"R":
            writers.append(writer)
        else:
            writer.transport.abort()
    yield
    for writer in writers:
        writer.transport.abort()


@pytest.mark.loopback
@pytest.mark.parametrize("user", ["monitor", "older"])
async def test_connections_are_a_share_of_those_that_there_may_be(server: Server, user: str) -> None:
    source = PostgresqlSource(user=user, address=server[0], password_file=PASSWORD)
    await settles(source, 1 / MOST)  # its own
    limited = PostgresqlSource(user=user, address=server[0], password_file=PASSWORD, limit=10)
    await settles(limited, 0.1)


@pytest.mark.loopback
async def test_the_unix_socket_knows_who_asks(server: Server) -> None:
    assert os.geteuid() == 0
    await settles(PostgresqlSource(user="root", address=server[1]), 1 / MOST)
    await settles(PostgresqlSource(user="clear", address=server[1], password_file=PASSWORD), 1 / MOST)
    async with occupied(server[1], 2):
        await settles(PostgresqlSource(user="root", address=server[1]), 3 / MOST)


@pytest.mark.loopback
async def test_a_server_that_takes_no_more_is_full(server: Server) -> None:
    async with occupied(server[1], MOST):
        assert (await at(server[0]).sample()).ratio == 1
    await settles(at(server[0]), 1 / MOST)


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"user": "monitor", "password_file": Secret("wrong")}, "FATAL 28P01: password authentication failed for user"),
        ({"user": "clear", "password_file": PASSWORD}, "the server wants a login by a password in clear, must be"),
        ({"user": "nobody"}, "FATAL 28000: no pg_hba.conf entry for host"),
        ({"user": "monitor", "password_file": PASSWORD, "database": "none"}, 'FATAL 3D000: database "none" does not'),
    ],
)
async def test_a_login_that_is_refused_is_told(server: Server, options: dict[str, Any], why: str) -> None:
    assert (await failure(PostgresqlSource(address=server[0], **options))).startswith(f"{server[0]}: {why}")


@pytest.mark.loopback
async def test_a_server_that_hangs_is_told_and_one_that_is_back_is_sampled(server: Server) -> None:
    await settles(at(server[0]), 1 / MOST)
    await names_what_hangs(at(server[0]), server[2])


@pytest.mark.loopback
async def test_what_is_no_postgresql_is_told() -> None:
    await says_who_is_away(at)
    ok, ready = b"R\0\0\0\x08\0\0\0\0", b"Z\0\0\0\x05I"
    await refuses_garbage(
        at, ready, ok + ready + ready, b"R\0\0\0\x08\0\0\0\x07", b"R\0\0\0\x0c\0\0\0\x0aSCRA", b"N\0\0\0\4"
    )
