"""A real Redis for tests."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers import process


@contextlib.contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run it within the block, on both loopback addresses; the port, and its process."""
    port = process.free_port()
    settings: Sequence[str] = ["--port", str(port), "--bind", "127.0.0.1", "::1", "--save", "", "--daemonize", "no"]
    command = [process.program("redis-server", "redis-server"), *settings, *options]
    ready = process.accepts(Endpoint("127.0.0.1", port), Endpoint("::1", port))
    with process.running(command, directory, ready) as server:
        yield port, server
