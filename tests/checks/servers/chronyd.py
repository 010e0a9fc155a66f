"""A real time server for tests: chronyd, which gives away this machine's time and never touches its clock."""

import contextlib
import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers import process

CONFIG = """
bindaddress 127.0.0.1
bindaddress ::1
port {port}
cmdport 0
bindcmdaddress /
pidfile {directory}/chronyd.pid
allow 127.0.0.1
allow ::1
{more}
"""

NO_CLOCK = ("-x", "-U")
"""No control of the clock, and so nobody needs to be root."""


@contextlib.contextmanager
def chronyd(directory: Path, more: str = "local stratum 8") -> Iterator[tuple[Endpoint, subprocess.Popen[bytes]]]:
    """Serve the time within the block; without `local`, as a server that is not synchronized."""
    directory.mkdir(parents=True, exist_ok=True)
    port = process.free_port()
    (directory / "chrony.conf").write_text(CONFIG.format(port=port, directory=directory, more=more))
    user = pwd.getpwuid(os.getuid()).pw_name
    command = [
        process.copied("chronyd", "chrony", directory),
        "-d",
        *NO_CLOCK,
        "-u",
        user,
        "-f",
        str(directory / "chrony.conf"),
    ]
    with process.running(command, directory, lambda: _answers(port)) as server:
        yield Endpoint("127.0.0.1", port), server


def _answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1.0)
        try:
            client.connect(("127.0.0.1", port))
            client.send(b"\x23" + bytes(47))
            return len(client.recv(1024)) >= 48
        except OSError:
            return False
