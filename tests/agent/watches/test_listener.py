"""A port's last listener is missed at once, by the kernel's word."""

import asyncio
import socket
import subprocess
import sys

import pytest

from feedback.agent.acting import Sighting
from feedback.agent.watches.attend import RECHECK_SECONDS, attend
from feedback.agent.watches.listener import ListenerWatch, destroyed_listeners

pytestmark = pytest.mark.loopback

LISTEN = "import socket, time; s = socket.create_server(('', 0)); print(s.getsockname()[1], flush=True); time.sleep(60)"


def listen(family: socket.AddressFamily = socket.AF_INET, port: int = 0) -> socket.socket:
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
    listener.listen()
    return listener


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


class Seen:
    """What a watch has told, and a wait for it."""

    def __init__(self) -> None:
        self.all: list[Sighting | str] = []
        self._more = asyncio.Event()

    def notice(self, seen: Sighting | str) -> None:
        self.all.append(seen)
        self._more.set()

    async def until(self, *, wrong: bool) -> None:
        async with asyncio.timeout(20):
            while not (self.all and isinstance(self.all[-1], Sighting) and self.all[-1].wrong is wrong):
                self._more.clear()
                await self._more.wait()


def test_a_server_that_is_killed_is_missed_and_found_again() -> None:
    async def story() -> None:
        seen = Seen()
        watching = asyncio.create_task(attend(ListenerWatch(port), seen.notice))
        await seen.until(wrong=False)
        server.kill()
        await seen.until(wrong=True)
        assert seen.all[-1] == Sighting(wrong=True, why=f"nobody listens on TCP port {port}")
        with listen(port=port):
            await seen.until(wrong=False)
        watching.cancel()
        await asyncio.wait([watching])

    with subprocess.Popen([sys.executable, "-c", LISTEN], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        asyncio.run(story())


def test_the_kernel_tells_of_the_listener_and_neither_of_its_connections_nor_of_other_ports() -> None:
    with listen() as listener, listen() as other:
        port = port_of(listener)
        with destroyed_listeners(port) as events:
            with socket.create_connection(("127.0.0.1", port)) as client:
                listener.accept()[0].close()
                client.recv(1)
            other.close()
            listener.close()
            events.settimeout(20)
            message = events.recv(4096)
            assert int.from_bytes(message[20:22]) == port
            assert int.from_bytes(message[22:24]) == 0, "the connections came before, and were let pass"


def test_the_change_ends_when_a_listener_is_gone_and_not_before() -> None:
    async def story() -> None:
        listener = listen()
        watch = ListenerWatch(port_of(listener))
        assert not watch.look().wrong
        change = asyncio.ensure_future(watch.change())
        done, _ = await asyncio.wait([change], timeout=0.1)
        assert not done
        listener.close()
        await asyncio.wait_for(change, 20)
        assert watch.look().wrong
        watch.close()

    asyncio.run(story())


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_while_another_listens_on_the_port_all_is_well(family: socket.AddressFamily) -> None:
    with listen(family) as first, listen(family, port_of(first)):
        watch = ListenerWatch(port_of(first))
        assert not watch.look().wrong
        first.close()
        assert not watch.look().wrong
        watch.close()


def test_what_is_closed_can_be_begun_anew() -> None:
    with listen() as listener:
        watch = ListenerWatch(port_of(listener))
        watch.look()
        watch.close()
        watch.close()
        assert not watch.look().wrong
        watch.close()


def test_events_that_were_lost_are_made_up_for() -> None:
    """Without the kernel's word a look every while finds it, too."""

    async def story() -> None:
        listener = listen()
        port = port_of(listener)
        watch = ListenerWatch(port)
        watch.look()
        with destroyed_listeners(1) as deaf:
            watch._events, real = deaf, watch._events  # it hears of another port
            assert real is not None
            real.close()
            seen = Seen()
            watching = asyncio.create_task(attend(watch, seen.notice))
            await seen.until(wrong=False)
            listener.close()
            async with asyncio.timeout(10 * RECHECK_SECONDS):
                await seen.until(wrong=True)
            watching.cancel()
            await asyncio.wait([watching])

    asyncio.run(story())
