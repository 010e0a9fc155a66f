"""The agent and the director as systemd would run them, with a socket of the test's as NOTIFY_SOCKET."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests import blocks
from tests.places import own_address

pytestmark = pytest.mark.loopback

DEADLINE_SECONDS = 20.0
WATCHDOG_SECONDS = 0.4
SILENT_SECONDS = 3 * WATCHDOG_SECONDS


class Supervised:
    """One of our services, with a plugin that blocks its loop while the file `flag` is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.flag, self.blocked = folder / "flag", folder / "blocked"
        self.config = folder / "config.yaml"
        blocks.install(folder)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @contextlib.contextmanager
    def running(self, command: str) -> Iterator[subprocess.Popen[bytes]]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "NOTIFY_SOCKET": str(self.folder / "notify"),
            "WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1e6)),
        }
        arguments = [sys.executable, "-m", "feedback", command, "--config", str(self.config)]
        with (self.folder / "output").open("ab") as output:
            process = subprocess.Popen(arguments, env=environment, stdout=output, stderr=output)
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def hear(self) -> dict[str, str]:
        """Return the next message."""
        self._socket.settimeout(DEADLINE_SECONDS)
        try:
            data = self._socket.recv(4096)
        except TimeoutError:
            raise AssertionError(f"nothing was told; {(self.folder / 'output').read_text()}") from None
        return dict(line.split("=", 1) for line in data.decode().split("\n"))

    def hear_until(self, name: str) -> list[dict[str, str]]:
        """Return the messages up to the first that has something to say of `name`."""
        heard = [self.hear()]
        end = time.monotonic() + DEADLINE_SECONDS
        while name not in heard[-1]:
            assert time.monotonic() < end, heard
            heard.append(self.hear())
        return heard

    def block(self) -> None:
        """Hold the service's event loop up, and forget what it has said before."""
        self.flag.touch()
        end = time.monotonic() + DEADLINE_SECONDS
        while not self.blocked.exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        self._socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(4096)

    def assert_silent(self) -> None:
        """Find that for long enough nothing is told."""
        self._socket.settimeout(SILENT_SECONDS)
        with pytest.raises(TimeoutError):
            self._socket.recv(4096)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    with Supervised(tmp_path) as supervised:
        yield supervised


@pytest.fixture
def agent(supervised: Supervised) -> Supervised:
    """An agent whose one director is away."""
    supervised.config.write_text(
        f"agent: {{name: rs1, directors: ['ws://{own_address()}:8600/agent'], interval: 100ms, control: null}}\n"
        f"metrics: {{load: {{}}, blocking: {{flag: {supervised.flag}}}}}\n"
    )
    return supervised


@pytest.fixture
def director(supervised: Supervised) -> Supervised:
    address = own_address()
    supervised.config.write_text(
        f"director: {{name: lvs1, listen: '{address}:8600', table: memory}}\n"
        f"services: {{web: {{address: '{address}:80', protocol: tcp, destinations: {{rs1: '{address}:81'}},\n"
        f"  checks: [blocking: {{flag: {supervised.flag}, interval: 100ms}}]}}}}\n"
    )
    return supervised


def test_an_agent_is_ready_once_it_has_sampled_though_its_director_is_away(agent: Supervised) -> None:
    with agent.running("agent") as process:
        *_, ready = agent.hear_until("READY")
        assert ready["STATUS"] == "0 of 1 directors connected, 2 of 2 metrics measured, ready"
        assert agent.hear_until("WATCHDOG")
        process.terminate()
        agent.hear_until("STOPPING")
        assert process.wait(DEADLINE_SECONDS) == 0


def test_a_director_is_ready_once_the_table_is_read_and_says_how_it_goes_on(director: Supervised) -> None:
    with director.running("director") as process:
        first = director.hear()
        assert first == {"READY": "1", "STATUS": "1 service and 1 destination, 0 up"}
        told = director.hear_until("STATUS")[-1]
        assert told == {"STATUS": "1 service and 1 destination, 1 up"}
        director.hear_until("WATCHDOG")
        process.send_signal(signal.SIGHUP)
        director.hear_until("RELOADING")
        director.hear_until("READY")
        process.terminate()
        director.hear_until("STOPPING")
        assert process.wait(DEADLINE_SECONDS) == 0


def test_a_refused_reload_is_over_too(director: Supervised) -> None:
    with director.running("director") as process:
        director.hear_until("READY")
        director.config.write_text("director: 7\n")
        process.send_signal(signal.SIGHUP)
        director.hear_until("RELOADING")
        director.hear_until("READY")


@pytest.mark.parametrize("command", ["agent", "director"])
def test_a_loop_that_is_held_up_is_not_vouched_for_until_it_goes_on(
    command: str, supervised: Supervised, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(command)
    with supervised.running(command):
        supervised.hear_until("READY")
        supervised.hear_until("WATCHDOG")
        supervised.block()
        supervised.assert_silent()
        supervised.flag.unlink()
        supervised.hear_until("WATCHDOG")
