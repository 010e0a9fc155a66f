"""A real PHP-FPM for tests: one pool with one worker on a port, its status on another, and a Unix socket's pool."""

import contextlib
import getpass
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from feedback.agent.place import Place
from feedback.model import Endpoint
from tests.checks.servers import process

CONFIG = """
[global]
error_log = {directory}/error.log
daemonize = no
[www]
listen = 127.0.0.1:{port}
listen.backlog = 16
pm = static
pm.max_children = 1
pm.status_path = /status
pm.status_listen = 127.0.0.1:{status_port}
[local]
listen = {directory}/local.sock
pm = static
pm.max_children = 1
pm.status_path = /status
"""


class PhpFpm(msgspec.Struct, frozen=True):
    """Its process, and where its pools and the first one's status are."""

    process: subprocess.Popen[bytes]
    pool: Place
    status: Place
    local: Place
    directory: Path


def program() -> str:
    """Return the path of the newest version that is here."""
    found = sorted(Path("/usr/sbin").glob("php-fpm*"))
    if not found:
        raise FileNotFoundError("there is no php-fpm here: apt-get install php-fpm")
    return str(found[-1])


@contextlib.contextmanager
def php_fpm(directory: Path) -> Iterator[PhpFpm]:
    """Run it within the block."""
    port, status_port = process.free_port(), process.free_port()
    directory.mkdir(parents=True, exist_ok=True)
    settings = CONFIG.format(directory=directory, port=port, status_port=status_port)
    (directory / "php-fpm.conf").write_text(settings)
    as_root = ["--allow-to-run-as-root"] if getpass.getuser() == "root" else []
    command = [program(), "--no-php-ini", "--fpm-config", str(directory / "php-fpm.conf"), *as_root]
    ready = process.accepts(*(Endpoint("127.0.0.1", number) for number in (port, status_port)))
    with process.running(command, directory, ready) as server:
        pool, status = (Place("127.0.0.1", number) for number in (port, status_port))
        yield PhpFpm(server, pool, status, Place(path=f"{directory}/local.sock"), directory)
