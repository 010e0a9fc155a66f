"""Prometheus' node exporter."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers.process import accepts, free_port, program, running


@contextlib.contextmanager
def node_exporter(directory: Path) -> Iterator[Endpoint]:
    """Run it within the block; yield where it answers."""
    endpoint = Endpoint("127.0.0.1", free_port())
    exporter = program("prometheus-node-exporter", "prometheus-node-exporter")
    with running([exporter, f"--web.listen-address={endpoint}"], directory, accepts(endpoint)):
        yield endpoint
