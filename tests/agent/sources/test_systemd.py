"""The bus is a real one. systemd does not run here: its part, which has two answers, is played."""

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from feedback.agent import dbus
from feedback.agent.source import SourceError
from feedback.agent.sources.systemd import SystemdSource, ratio_of
from tests.agent.servers import saying, served
from tests.checks.servers.dbus_daemon import dbus_daemon


@pytest.mark.parametrize("state", ["active", "reloading", "refreshing"])
def test_a_unit_that_is_active_or_reloads_works(state: str) -> None:
    assert ratio_of(state) == 0


@pytest.mark.parametrize("state", ["inactive", "failed", "activating", "deactivating", "maintenance", "new one"])
def test_in_any_other_state_it_does_not(state: str) -> None:
    assert ratio_of(state) == 1


@pytest.mark.parametrize("unit", ["", "a b", "../x", "a/b", "u" * 256])
def test_what_names_no_unit_is_refused(unit: str) -> None:
    with pytest.raises(ValueError, match=r"^unit: must name a unit, like nginx\.service$"):
        SystemdSource(unit=unit)


def request_name(bus: tuple[str, str, str], name: str) -> bytes:
    """Return a call with a text and a number, which the agent itself never sends."""
    call = dbus.pack_call(2, *bus, "RequestName", name)
    (length,) = struct.unpack_from("<I", call, 12)
    fields = call[16 : 16 + length].replace(b"g\0\1s\0", b"g\0\2su\0")
    body = struct.pack("<I", len(name)) + name.encode() + b"\0"
    body += bytes(-len(body) % 4) + struct.pack("<I", 0)
    head = b"l\1\0\1" + struct.pack("<III", len(body), 2, len(fields))
    return head + fields + bytes(-len(fields) % 8) + body


class Systemd:
    """Owns systemd's name on a bus, and tells of its units: `states` is unit -> ActiveState; of others, not found."""

    def __init__(self) -> None:
        self.states = {"nginx.service": "active"}
        self.asked: list[str] = []

    @contextlib.asynccontextmanager
    async def on(self, path: str) -> AsyncIterator[None]:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"\0AUTH EXTERNAL %b\r\n" % str(os.getuid()).encode().hex().encode())
        await reader.readuntil(b"\r\n")
        bus = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
        writer.write(b"BEGIN\r\n" + dbus.pack_call(1, *bus, "Hello") + request_name(bus, "org.freedesktop.systemd1"))
        answering = asyncio.create_task(self._answer(reader, writer))
        yield
        answering.cancel()
        writer.transport.abort()
        await asyncio.gather(answering, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                data = await reader.readexactly(16)
                data += await reader.readexactly(dbus.length_after(data))
                if data[1] == dbus.METHOD_CALL:
                    writer.write(self._reply(data))

    def _reply(self, call: bytes) -> bytes:
        _, serial = struct.unpack_from("<II", call, 4)
        sender = b":1." + call.split(b":1.")[1].split(b"\0")[0]
        name = "ActiveState" if b"ActiveState" in call else "LoadState"
        self.asked.append(name)
        state = next((state for unit, state in self.states.items() if dbus.object_name(unit).encode() in call), None)
        text = (state or "inactive") if name == "ActiveState" else ("loaded" if state else "not-found")
        fields = struct.pack("<BB2sI", 5, 1, b"u\0", serial)
        fields += struct.pack("<BB2sI", 6, 1, b"s\0", len(sender)) + sender + b"\0"
        fields += bytes(-len(fields) % 8) + b"\x08\1g\0\1v\0"
        body = b"\1s\0\0" + struct.pack("<I", len(text)) + text.encode() + b"\0"
        head = b"l\2\1\1" + struct.pack("<III", len(body), serial, len(fields))
        return head + fields + bytes(-len(fields) % 8) + body


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[str]:
    with dbus_daemon(tmp_path) as path:
        yield path


async def sampled(source: SystemdSource) -> float:
    return (await source.sample()).ratio


@pytest.mark.loopback
async def test_a_units_state_is_asked_for_over_one_connection(bus: str) -> None:
    systemd = Systemd()
    source = SystemdSource(unit="nginx", bus=bus)
    async with systemd.on(bus):
        assert await sampled(source) == 0
        connection = source._connection
        for state, ratio in {"reloading": 0, "failed": 1, "inactive": 1, "active": 0}.items():
            systemd.states["nginx.service"] = state
            assert await sampled(source) == ratio
        assert source._connection is connection
        assert systemd.asked.count("LoadState") == 1


@pytest.mark.loopback
async def test_a_unit_that_is_not_there_is_named(bus: str) -> None:
    async with Systemd().on(bus):
        with pytest.raises(SourceError, match=r"^systemd knows no unit apache2\.service$"):
            await sampled(SystemdSource(unit="apache2.service", bus=bus))


@pytest.mark.loopback
async def test_a_bus_without_systemd_and_one_that_ends_are_told_in_words_and_asked_again(tmp_path: Path) -> None:
    source = SystemdSource(unit="nginx", bus=str(tmp_path / "bus"))
    with dbus_daemon(tmp_path) as bus:
        with pytest.raises(
            SourceError, match=r"^systemd does not tell of nginx\.service: The name .* was not provided"
        ):
            await sampled(source)
        async with Systemd().on(bus):
            assert await sampled(source) == 0
    with pytest.raises(SourceError, match=r"/bus: (Connection lost|the connection was closed)"):
        await sampled(source)
    (tmp_path / "bus").unlink(missing_ok=True)
    with pytest.raises(SourceError, match=r"^can't connect to .*/bus: No such file or directory$"):
        await sampled(source)
    with dbus_daemon(tmp_path) as bus:
        async with Systemd().on(bus):
            assert await sampled(source) == 0


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"REJECTED EXTERNAL\r\n", r"b'REJECTED EXTERNAL\r\n' where a bus should let the agent in"),
        (b"220 ready\r\n", r"b'220 ready\r\n' where a bus should let the agent in"),
        (b"", "the connection was closed before the answer was over"),
    ],
)
async def test_what_is_no_bus_is_told_in_words(said: bytes, why: str, tmp_path: Path) -> None:
    async with served(saying(said), path=tmp_path / "bus") as place:
        with pytest.raises(SourceError) as caught:
            await sampled(SystemdSource(unit="nginx", bus=place.path))
    assert why in str(caught.value)
