"""`openssl s_server` for tests: a TLS server of any kind, old ones too."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers.process import accepts, free_port, program, running
from tests.checks.tls_files import Pair


@contextlib.contextmanager
def s_server(directory: Path, pair: Pair, *options: str) -> Iterator[Endpoint]:
    """Run a server within the block, on IPv4 and IPv6."""
    port = free_port()
    command = [program("openssl", "openssl"), "s_server", "-accept", f"*:{port}", "-quiet", "-www", *options]
    endpoint = Endpoint("127.0.0.1", port)
    files = ["-cert", str(pair.certificate), "-key", str(pair.key)]
    with running([*command, *files], directory, accepts(endpoint)):
        yield endpoint
