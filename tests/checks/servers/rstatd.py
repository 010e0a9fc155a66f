"""A real rpc.rstatd for tests, as inetd would start it: with its socket as standard input, and so without rpcbind."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator

from feedback.model import Endpoint
from tests.checks.servers.process import end, free_port, program


@contextlib.contextmanager
def rstatd(port: int = 0) -> Iterator[tuple[Endpoint, subprocess.Popen[bytes]]]:
    """Run it within the block, at this port or any that is free."""
    endpoint = Endpoint("127.0.0.1", port or free_port())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((endpoint.address, endpoint.port))
        server = subprocess.Popen([program("rpc.rstatd", "rstatd")], stdin=opened.fileno(), start_new_session=True)
    try:
        yield endpoint, server
    finally:
        end(server)
