"""A real SSH server for tests: OpenSSH with its own configuration and keys. Whoever runs it can log in by a key."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from feedback.model import Endpoint
from tests.checks.servers.process import accepts, free_port, program, running

ADDRESSES = ("127.0.0.1", "::1")

CONFIG = """
HostKey {directory}/host_ed25519
HostKey {directory}/host_rsa
AuthorizedKeysFile {directory}/user_ed25519.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
MaxStartups 1000
"""


class Sshd(msgspec.Struct, frozen=True):
    """Its process, its port, and where its keys and its log are."""

    process: subprocess.Popen[bytes]
    port: int
    directory: Path

    def endpoint(self, address: str = "127.0.0.1") -> Endpoint:
        return Endpoint(address, self.port)

    def public(self, name: str) -> str:
        """Return a public key, as it stands in its file."""
        return (self.directory / f"{name}.pub").read_text()

    def fingerprint(self, name: str) -> str:
        command = ["ssh-keygen", "-l", "-f", str(self.directory / f"{name}.pub")]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.split()[1]

    def log(self) -> str:
        return (self.directory / "log").read_text()


def make_key(directory: Path, name: str, kind: str, passphrase: str = "") -> Path:
    path = directory / name
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return path


@contextlib.contextmanager
def sshd(directory: Path) -> Iterator[Sshd]:
    """Run it within the block, on both loopback addresses."""
    for name in ("host_ed25519", "host_rsa", "user_ed25519"):
        make_key(directory, name, name.partition("_")[2])
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # root's sshd goes there, and has no option for it
    port = free_port()
    config = directory / "sshd_config"
    listen = "".join(f"ListenAddress [{address}]:{port}\n" for address in ADDRESSES)
    config.write_text(listen + CONFIG.format(directory=directory))
    ready = accepts(*(Endpoint(address, port) for address in ADDRESSES))
    with running([program("sshd", "openssh-server"), "-D", "-e", "-f", str(config)], directory, ready) as server:
        yield Sshd(server, port, directory)
