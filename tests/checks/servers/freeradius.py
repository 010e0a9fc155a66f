"""A real RADIUS server for tests: FreeRADIUS with some users, and a secret of its own."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers import process

SECRET = "testing123"
USER = "monitor"
PASSWORD = "a password of more than sixteen bytes"
SIGNED, CHALLENGED = "signed", "challenged"
"""Users with the same password: one is answered with a Message-Authenticator, one is asked for more."""

CONFIG = """
name = freeradius
prefix = /usr
libdir = /usr/lib/freeradius
logdir = {directory}
run_dir = {directory}
confdir = {directory}
raddbdir = {directory}
max_requests = 100000
cleanup_delay = 0

log {{
  destination = stdout
  auth = yes
}}
security {{
  reject_delay = 0
  status_server = {status_server}
  allow_core_dumps = no
}}
thread pool {{
  start_servers = 1
  max_servers = 4
  min_spare_servers = 1
  max_spare_servers = 2
}}
modules {{
  always ok {{
    rcode = ok
  }}
  pap {{
  }}
  files {{
    filename = {directory}/users
  }}
}}

client ipv4 {{
  ipaddr = 127.0.0.1
  secret = {secret}
}}
client ipv6 {{
  ipv6addr = ::1
  secret = {secret}
}}

server default {{
  {listeners}
  authorize {{
    files
    pap
  }}
  authenticate {{
    pap
  }}
  preacct {{
  }}
  accounting {{
    ok
  }}
}}
"""

LISTENER = """
  listen {{
    type = {kind}
    {family} = {address}
    port = {port}
  }}
"""

USERS = f"""
{USER} Cleartext-Password := "{PASSWORD}"
  Reply-Message = "Hello"

{SIGNED} Cleartext-Password := "{PASSWORD}"
  Message-Authenticator = 0x00

{CHALLENGED} Auth-Type := Accept, Response-Packet-Type := Access-Challenge
  Reply-Message = "And the second factor?"
"""


@contextlib.contextmanager
def freeradius(
    directory: Path, secret: str = SECRET, *, status_server: bool = True
) -> Iterator[tuple[Endpoint, Endpoint, subprocess.Popen[bytes]]]:
    """Run it within the block, on both loopback addresses: where it authenticates, where it accounts, its process."""
    directory.mkdir(parents=True, exist_ok=True)
    port, accounting_port = process.free_port(), process.free_port()
    listeners = "".join(
        LISTENER.format(kind=kind, family=family, address=address, port=number)
        for kind, number in (("auth", port), ("acct", accounting_port))
        for family, address in (("ipaddr", "127.0.0.1"), ("ipv6addr", "::1"))
    )
    answers = "yes" if status_server else "no"
    text = CONFIG.format(directory=directory, secret=secret, listeners=listeners, status_server=answers)
    (directory / "radiusd.conf").write_text(text)
    (directory / "users").write_text(USERS)
    command = [process.program("freeradius", "freeradius"), "-f", "-l", "stdout", "-d", str(directory)]
    command += ["-D", "/usr/share/freeradius"]
    with process.running(command, directory, lambda: "Ready to process requests" in _log(directory)) as server:
        yield Endpoint("127.0.0.1", port), Endpoint("127.0.0.1", accounting_port), server


def _log(directory: Path) -> str:
    return (directory / "log").read_text(errors="replace")
