"""The feed `ssh` against OpenSSH's server."""

import contextlib
import getpass
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from feedback.director.feeds.ssh import SshFeed
from feedback.model import AgentState
from tests.checks.servers.process import accepts, program, running
from tests.checks.servers.sshd import Sshd, make_key, sshd
from tests.director.feeds.fed import feeding

pytestmark = pytest.mark.loopback


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as started:
        yield started


def known_hosts(server: Sshd, directory: Path, key: str = "host_ed25519") -> Path:
    path = directory / "known_hosts"
    path.write_text(f"[127.0.0.1]:{server.port} {server.public(key)}")
    return path


def feed(server: Sshd, hosts: Path, **options: Any) -> SshFeed:
    given: dict[str, Any] = {"key_file": str(server.directory / "user_ed25519")} | options
    return SshFeed(user=getpass.getuser(), known_hosts=str(hosts), port=server.port, **given)


@contextlib.contextmanager
def forced(server: Sshd, command: str) -> Iterator[None]:
    """Let authorized_keys force a command within the block."""
    path = server.directory / "user_ed25519.pub"
    line = path.read_text()
    path.write_text(f'restrict,command="{command}" {line}')
    try:
        yield
    finally:
        path.write_text(line)


def family(pid: int) -> list[int]:
    """Return a process and its descendants, which are in sessions of their own."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def hanging(server: Sshd) -> Iterator[None]:
    """Stop the server with its sessions within the block, as a hanging host would."""
    pids = family(server.process.pid)
    signal_all(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(pids, signal.SIGCONT)


async def test_a_host_is_read_over_one_connection(server: Sshd, tmp_path: Path) -> None:
    logins = server.log().count("Accepted publickey")
    wanted = feed(server, known_hosts(server, tmp_path), metrics=("cpu", "memory", "load"))
    async with feeding(wanted, server.endpoint()) as fed:
        view = await fed.until_connected("cpu", "memory", "load")
        assert 0 < view.metrics["memory"] < 1
        assert 0 <= view.metrics["cpu"] <= 1
        assert view.metrics["load"] < 100 * (os.cpu_count() or 1)
        assert server.log().count("Accepted publickey") == logins + 1


async def test_authorized_keys_may_force_the_command(server: Sshd, tmp_path: Path) -> None:
    with forced(server, "echo 42"):
        wanted = feed(server, known_hosts(server, tmp_path), limit=100.0)
        async with feeding(wanted, server.endpoint()) as fed:
            assert (await fed.until_connected("command")).metrics == {"command": 0.42}


async def test_a_host_key_that_changed_is_refused(server: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path, "other", "ed25519").with_suffix(".pub").read_text()
    hosts = tmp_path / "known_hosts"
    hosts.write_text(f"[127.0.0.1]:{server.port} {other}")
    async with feeding(feed(server, hosts), server.endpoint()) as fed:
        await fed.until_told(f"the host key of {server.endpoint()} is not in {hosts}: ")
        assert fed.view.state is AgentState.ABSENT
        known_hosts(server, tmp_path)
        await fed.until_connected("memory")  # the file is read anew for each connection


async def test_a_key_that_is_not_authorized_is_refused(server: Sshd, tmp_path: Path) -> None:
    key = make_key(tmp_path, "stranger", "ed25519")
    async with feeding(feed(server, known_hosts(server, tmp_path), key_file=str(key)), server.endpoint()) as fed:
        await fed.until_told("agent rs1 can't be asked: auth: login: refused: ")


async def test_a_server_that_hangs_is_gone_and_a_new_connection_is_made(server: Sshd, tmp_path: Path) -> None:
    logins = server.log().count("Accepted publickey")
    wanted = feed(server, known_hosts(server, tmp_path))
    async with feeding(wanted, server.endpoint(), timeout_seconds=1.5) as fed:
        await fed.until_connected("memory")
        with hanging(server):
            await fed.until(lambda view: view.state is AgentState.ABSENT, "to be gone")
            await fed.until_told("is gone: timeout: ")
        await fed.until_connected("memory")
        assert server.log().count("Accepted publickey") > logins + 1


async def test_a_server_that_restarts_is_connected_to_again(tmp_path: Path) -> None:
    directory = tmp_path / "sshd"
    directory.mkdir()
    with sshd(directory) as server:
        async with feeding(feed(server, known_hosts(server, tmp_path)), server.endpoint()) as fed:
            await fed.until_connected("memory")
            again = [program("sshd", "openssh-server"), "-D", "-e", "-f", str(server.directory / "sshd_config")]
            signal_all(family(server.process.pid), signal.SIGKILL)
            await fed.until(lambda view: view.state is AgentState.ABSENT, "to be gone")
            await fed.until_told("is gone: refused: login: ")
            with running(again, tmp_path / "again", accepts(server.endpoint())):
                await fed.until_connected("memory")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("true", "content: command: the command printed nothing, but "),
        ("echo all is well", "content: command: the program printed 'all is well' where a number should be"),
        ("cat /dev/zero", "limit: command: the command has printed 131072 bytes or more"),
    ],
)
async def test_what_is_no_load_is_no_answer(server: Sshd, tmp_path: Path, command: str, why: str) -> None:
    wanted = feed(server, known_hosts(server, tmp_path), command=command)
    async with feeding(wanted, server.endpoint()) as fed:
        await fed.until_told(f"agent rs1 can't be asked: {why}")


def test_files_that_can_not_be_read_are_named(server: Sshd, tmp_path: Path) -> None:
    hosts = known_hosts(server, tmp_path)
    with pytest.raises(ValueError, match="known_hosts: /nowhere can't be read: No such file or directory"):
        feed(server, Path("/nowhere"))
    with pytest.raises(ValueError, match="key_file: /nowhere can't be read: No such file or directory"):
        feed(server, hosts, key_file="/nowhere")
