"""A second real FTP server for tests: pyftpdlib, with a user who has a password, in clear and by AUTH TLS."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers import process
from tests.checks.servers.vsftpd import ALIVE
from tests.checks.tls_files import Pair

USER, PASSWORD = "joe", "pass word"
GREETING = "A server whose house rules are so long that it puts them into a reply of two lines."

PYTHON = "/usr/bin/python3"  # the system's own, which has Debian's packages

PROGRAM = """
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.servers import FTPServer

address, port, root, certificate, key, user, password, greeting = sys.argv[1:]

class Handler(TLS_FTPHandler):
    authorizer = DummyAuthorizer()
    banner = greeting
    certfile, keyfile = certificate, key
    auth_failed_timeout = 0
    max_login_attempts = 1

Handler.authorizer.add_user(user, password, root)
FTPServer((address, int(port)), Handler).serve_forever()
"""


@contextlib.contextmanager
def pyftpdlib(
    directory: Path, pair: Pair, address: str = "127.0.0.1"
) -> Iterator[tuple[Endpoint, subprocess.Popen[bytes]]]:
    """Run it within the block; where it listens, and its process."""
    root = directory / "root"
    root.mkdir()
    (root / "alive.txt").write_bytes(ALIVE)
    endpoint = Endpoint(address, process.free_port())
    words = [address, str(endpoint.port), str(root), str(pair.certificate), str(pair.key), USER, PASSWORD, GREETING]
    command = [PYTHON, "-I", "-c", PROGRAM, *words]
    with process.running(command, directory, process.accepts(endpoint)) as server:
        yield endpoint, server
