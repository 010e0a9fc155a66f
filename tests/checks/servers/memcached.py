"""A real memcached for tests."""

import contextlib
import getpass
import subprocess
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers import process


@contextlib.contextmanager
def memcached(directory: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run it within the block, on both loopback addresses; the port, and its process."""
    port = process.free_port()
    program = process.program("memcached", "memcached")
    command = [program, "-u", getpass.getuser(), "-l", "127.0.0.1,::1", "-p", str(port), "-U", "0"]
    ready = process.accepts(Endpoint("127.0.0.1", port), Endpoint("::1", port))
    with process.running(command, directory, ready) as server:
        yield port, server
