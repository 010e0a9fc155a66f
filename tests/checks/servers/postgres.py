"""A real PostgreSQL for tests. It does not run as root: where root runs the tests, it belongs to its own user."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers import process

OWNER = "postgres"
ADMIN = "admin"

SETTINGS = """
listen_addresses = '127.0.0.1,::1'
unix_socket_directories = ''
fsync = off
wal_keep_size = 64MB
max_wal_senders = 4
log_destination = stderr
"""


def program(name: str) -> str:
    """Return the path of a program of the newest version that is here: none of them is on PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parents[1].name))
    if not found:
        raise FileNotFoundError(f"there is no {name} here: apt-get install postgresql")
    return str(found[-1])


class Cluster:
    """A directory with a database that nobody uses yet."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self._as_owner: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam(OWNER)
            os.chown(directory, user.pw_uid, user.pw_gid)
            self._as_owner = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]

    def make(self) -> None:
        """Make the tables that every server has."""
        settings = [f"--username={ADMIN}", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        command = [*self._as_owner, program("initdb"), "-D", str(self.data), *settings]
        self._run(command)

    def execute(self, statements: Sequence[str]) -> None:
        """Run statements while no server runs."""
        single = [*self._as_owner, program("postgres"), "--single", "-D", str(self.data), "postgres"]
        self._run(single, "".join(f"{statement}\n" for statement in statements))

    def _run(self, command: Sequence[str], said: str = "") -> None:
        subprocess.run(command, cwd=self.data.parent, input=said.encode(), check=True, capture_output=True, timeout=60)

    def put(self, name: str, text: str, *, append: bool = False) -> None:
        """Write one of its files."""
        path = self.data / name
        with path.open("a" if append else "w") as file:
            file.write(text)
        path.chmod(0o600)
        owner = self.data.stat()
        os.chown(path, owner.st_uid, owner.st_gid)

    def copied_to(self, directory: Path) -> "Cluster":
        """Return a copy with the same identity, as a standby must have it."""
        copy = Cluster(directory)
        subprocess.run(["cp", "-a", self.data, copy.data], check=True, timeout=60)
        return copy

    @contextlib.contextmanager
    def running(self, options: Sequence[str] = ()) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        """Run it within the block, from when it answers; the port, and its process."""
        port = process.free_port()
        command = [*self._as_owner, program("postgres"), "-D", str(self.data), "-p", str(port), *options]
        endpoints = [Endpoint(address, port) for address in ("127.0.0.1", "::1")]
        with process.running(command, self.data.parent, lambda: all(map(_answers, endpoints))) as server:
            try:
                yield port, server
            finally:
                server.send_signal(signal.SIGINT)  # and not SIGTERM, by which it would wait for its clients


@contextlib.contextmanager
def made_cluster(statements: Sequence[str], access: str, settings: str) -> Iterator[Cluster]:
    """Make a cluster in a directory of its own, where its user may go; away with it at the end."""
    with owned_directory() as directory:
        cluster = Cluster(directory)
        cluster.make()
        cluster.put("pg_hba.conf", access)
        cluster.put("postgresql.conf", SETTINGS + settings, append=True)
        cluster.execute(statements)
        yield cluster


@contextlib.contextmanager
def owned_directory() -> Iterator[Path]:
    """Make a directory that root's pytest would not let another user into."""
    directory = Path(tempfile.mkdtemp(prefix="feedback-postgres-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _answers(endpoint: Endpoint) -> bool:
    """Return whether it serves, or says why it does not: it accepts connections before."""
    try:
        with socket.create_connection((endpoint.address, endpoint.port), 5.0) as connection:
            connection.sendall(bytes.fromhex("0000000804d2162f"))
            return connection.recv(1) in {b"S", b"N"}
    except OSError:
        return False
