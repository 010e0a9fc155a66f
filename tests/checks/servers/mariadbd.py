"""A real MariaDB for tests."""

import contextlib
import getpass
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers import process

SCHEMA = Path("/usr/share/mysql")
TABLES = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
SMALL = ("--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0")


@contextlib.contextmanager
def mariadbd(
    directory: Path, statements: Sequence[str], options: Sequence[str] = ()
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run it within the block, on both loopback addresses, with what the statements make; the port, and its process."""
    command = [
        process.program("mariadbd", "mariadb-server-core"),
        "--no-defaults",
        f"--user={getpass.getuser()}",
        f"--datadir={directory / 'data'}",
        *SMALL,
    ]
    _make_tables(command, directory)
    first = directory / "first.sql"
    first.write_text("".join(f"{statement};\n" for statement in statements))
    port = process.free_port()
    command += [f"--port={port}", "--bind-address=127.0.0.1,::1", f"--init-file={first}"]
    command += [f"--socket={directory / 'socket'}", f"--pid-file={directory / 'pid'}", *options]
    ready = process.accepts(Endpoint("127.0.0.1", port), Endpoint("::1", port))
    names_take = {"RES_OPTIONS": "timeout:1 attempts:1"}  # where there is no name server, it would wait for long
    with process.running(command, directory, ready, names_take) as server:
        try:
            yield port, server
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # it would write everything down first


def _make_tables(command: Sequence[str], directory: Path) -> None:
    """Make the tables that every server has, as mariadb-install-db does."""
    (directory / "data").mkdir(parents=True)
    schema = "create database mysql;\nuse mysql;\nset @auth_root_socket = NULL;\n"
    schema += "".join((SCHEMA / name).read_text() for name in TABLES)
    with (directory / "log").open("wb") as log:
        subprocess.run([*command, "--bootstrap"], input=schema.encode(), stdout=log, stderr=log, check=True, timeout=60)
