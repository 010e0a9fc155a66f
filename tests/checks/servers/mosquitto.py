"""A real MQTT broker for tests: Mosquitto, for everybody, for those with a password, and in TLS."""

import contextlib
import getpass
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from feedback.model import Endpoint
from tests.checks.servers import process
from tests.checks.tls_files import Pair

CONFIG = """
user {user}
per_listener_settings true
sys_interval 1
persistence false

listener {open} 127.0.0.1
allow_anonymous true
listener {open} ::1
allow_anonymous true

listener {closed} 127.0.0.1
password_file passwords
acl_file rights

listener {tls} 127.0.0.1
certfile {certificate}
keyfile {key}
password_file passwords
listener {tls} ::1
certfile {certificate}
keyfile {key}
allow_anonymous true
"""

USER, PASSWORD = "monitor", "s3cret"

RIGHTS = f"""
user {USER}
topic read allowed/#
"""


class Mosquitto(msgspec.Struct, frozen=True):
    """Its process, and its ports: for everybody, for a user with a password, in TLS."""

    process: subprocess.Popen[bytes]
    directory: Path
    open: int
    closed: int
    tls: int

    def log(self) -> str:
        """Return what it has logged."""
        return (self.directory / "log").read_text()


@contextlib.contextmanager
def mosquitto(directory: Path, pair: Pair) -> Iterator[Mosquitto]:
    """Run it within the block; only on 127.0.0.1 is the password asked for in TLS."""
    directory.mkdir(parents=True, exist_ok=True)
    ports = {name: process.free_port() for name in ("open", "closed", "tls")}
    (directory / "rights").write_text(RIGHTS)
    (directory / "passwords").touch()
    passwords = [process.program("mosquitto_passwd", "mosquitto"), "-b", "passwords", USER, PASSWORD]
    subprocess.run(passwords, cwd=directory, check=True, capture_output=True, timeout=60)
    settings = {"user": getpass.getuser(), "certificate": pair.certificate, "key": pair.key, **ports}
    (directory / "mosquitto.conf").write_text(CONFIG.format_map(settings))
    command = [process.program("mosquitto", "mosquitto"), "-c", "mosquitto.conf"]
    addresses = {"open": ("127.0.0.1", "::1"), "closed": ("127.0.0.1",), "tls": ("127.0.0.1", "::1")}
    there = [Endpoint(address, ports[name]) for name in ports for address in addresses[name]]
    with process.running(command, directory, process.accepts(*there)) as server:
        yield Mosquitto(server, directory, **ports)
