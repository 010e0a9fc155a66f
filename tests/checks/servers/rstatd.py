"""A real rpc.rstatd for tests, as inetd would start it: with its socket as standard input, and so without rpcbind.

It ends when it has nothing to do, after a second already; and like inetd, this starts it again.
"""

import contextlib
import socket
import subprocess
from collections.abc import Iterator

from feedback.model import Endpoint
from tests.checks.servers.process import end, free_port, program


@contextlib.contextmanager
def rstatd() -> Iterator[tuple[Endpoint, subprocess.Popen[bytes]]]:
    """Run it within the block."""
    endpoint = Endpoint("127.0.0.1", free_port())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((endpoint.address, endpoint.port))
        again = ["sh", "-c", 'while "$0"; do sleep 0.05; done', program("rpc.rstatd", "rstatd")]
        server = subprocess.Popen(again, stdin=opened.fileno(), start_new_session=True)
    try:
        yield endpoint, server
    finally:
        end(server)
