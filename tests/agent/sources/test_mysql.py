import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from feedback.agent.place import Place
from feedback.agent.source import Source
from feedback.agent.sources.mysql import MysqlSource
from feedback.secret import Secret
from tests.agent.failing import PASSWORD, failure, names_what_hangs, refuses_garbage, says_who_is_away, settles
from tests.agent.servers import Talk, served
from tests.checks.servers.mariadbd import mariadbd

MOST = 10
USERS = [
    "create user monitor@'%' identified by 's3cret'",
    "create user root identified via unix_socket",
    f"set global max_connections = {MOST}",
]
HANDSHAKE = bytes.fromhex("0a") + b"8.0.36\0" + bytes(4) + b"12345678\0" + b"\xff\xf7\xff\2\0\xff\xdf\x15" + bytes(10)
HANDSHAKE += b"123456789012\0"


def test_a_user_is_text() -> None:
    with pytest.raises(ValueError, match=r"^user: must be text without NUL, and not empty$"):
        MysqlSource(user="")


def at(place: Place) -> Source:
    return MysqlSource(user="monitor", address=place, password_file=PASSWORD)


Server = tuple[Place, Place, "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run MariaDB on a port and a Unix socket: yield both places, and its process."""
    directory = tmp_path_factory.mktemp("my")
    with mariadbd(directory, USERS, ["--plugin-load-add=auth_socket"]) as (port, process):
        yield Place("127.0.0.1", port), Place(path=f"{directory}/socket"), process


@contextlib.asynccontextmanager
async def occupied(place: Place, count: int) -> AsyncIterator[None]:
    """Have so many connections within the block, of which each waits to log in."""
    writers: list[asyncio.StreamWriter] = []
    while len(writers) < count:
        reader, writer = await asyncio.open_connection(place.host, place.port)
        writers.append(writer)
        if (await reader.readexactly(5))[4] == 0xFF:
            writers.pop().transport.abort()
    yield
    for writer in writers:
        writer.transport.abort()


@pytest.mark.loopback
async def test_connections_are_a_share_of_those_that_there_may_be(server: Server) -> None:
    await settles(at(server[0]), 1 / MOST)  # its own
    await settles(MysqlSource(user="monitor", address=server[0], password_file=PASSWORD, limit=4), 0.25)
    async with occupied(server[0], 4):
        await settles(at(server[0]), 5 / MOST)


@pytest.mark.loopback
async def test_the_unix_socket_knows_who_asks(server: Server) -> None:
    await settles(MysqlSource(user="root", address=server[1]), 1 / MOST)


@pytest.mark.loopback
async def test_a_server_that_takes_no_more_is_full(server: Server) -> None:
    async with occupied(server[0], MOST):
        await settles(at(server[0]), 1)
    await settles(at(server[0]), 1 / MOST)


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"user": "monitor", "password_file": Secret("wrong")}, "1045 Access denied for user 'monitor'@"),
        ({"user": "nobody"}, "1045 Access denied for user 'nobody'@"),
    ],
)
async def test_a_login_that_is_refused_is_told(server: Server, options: dict[str, Any], why: str) -> None:
    assert (await failure(MysqlSource(address=server[0], **options))).startswith(f"{server[0]}: {why}")


@pytest.mark.loopback
async def test_a_server_that_hangs_is_told_and_one_that_is_back_is_sampled(server: Server) -> None:
    await settles(at(server[0]), 1 / MOST)
    await names_what_hangs(at(server[0]), server[2])


def packets(*payloads: bytes) -> Talk:
    """Return a talk of a server: a handshake, and one packet in answer to each that is heard."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, payload in enumerate((HANDSHAKE, *payloads)):
            writer.write(len(payload).to_bytes(3, "little") + bytes([2 * number]) + payload)
            if not await reader.read(4096):
                return

    return talk


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("payloads", "why"),
    [
        ([b"\xfeed25519\0" + bytes(20)], "monitor has to log in by ed25519, and the source knows "),
        ([b"\xfemysql_clear_password\0"], "mysql_clear_password wants the password itself, which is sent to a Unix "),
        ([b"\xfecaching_sha2_password\0" + b"1" * 20, b"\1\4"], "caching_sha2_password wants the password itself, "),
        ([b"\xfecaching_sha2_password\0" + b"1" * 20, b"\1\5"], "not a step of caching_sha2_password: b'\\x05'"),
        ([b"\xfemysql_native_password\0" + b"1" * 20] * 5, "the login goes on and on, by mysql_native_password"),
        ([b"\xff\x15\x04#28000no"], "1045 no"),
    ],
)
async def test_a_login_that_can_not_be_is_told(payloads: list[bytes], why: str) -> None:
    async with served(packets(*payloads)) as place:
        assert (await failure(at(place))).startswith(f"{place}: {why}")


@pytest.mark.loopback
async def test_what_is_no_mysql_is_told() -> None:
    await says_who_is_away(at)
    await refuses_garbage(at, b"\1\0\0\0\x0a", b"\3\0\0\0\xff\1\2", first=True)
