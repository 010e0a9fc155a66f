"""A real FTP server for tests: vsftpd, for anonymous users, with one file to fetch and one directory to list."""

import contextlib
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from feedback.model import Endpoint
from tests.checks.servers import process
from tests.checks.tls_files import Pair

ALIVE = b"alive\n"

SETTINGS = {
    "background": "NO",
    "run_as_launching_user": "YES",  # no root, no chroot, and no users but anonymous
    "seccomp_sandbox": "NO",
    "isolate": "NO",
    "isolate_network": "NO",
    "ftp_username": pwd.getpwuid(os.geteuid()).pw_name,
    "anonymous_enable": "YES",
    "local_enable": "NO",
    "max_per_ip": "0",
    "delay_failed_login": "0",
    "xferlog_enable": "YES",
    "log_ftp_protocol": "YES",
}


class Vsftpd(msgspec.Struct, frozen=True):
    """Its process, where it listens, and its directory."""

    process: subprocess.Popen[bytes]
    endpoint: Endpoint
    directory: Path

    def log(self) -> str:
        """Return what it has logged since its start: every command, and every reply."""
        return (self.directory / "vsftpd.log").read_text()


def tls(pair: Pair) -> dict[str, str]:
    """Return the settings for TLS, which everything is in then. vsftpd wants its sessions to be resumed for data."""
    forced = ("ssl_enable", "allow_anon_ssl", "force_anon_logins_ssl", "force_anon_data_ssl", "debug_ssl")
    files = {"rsa_cert_file": str(pair.certificate), "rsa_private_key_file": str(pair.key)}
    return dict.fromkeys(forced, "YES") | {"require_ssl_reuse": "YES", "ssl_ciphers": "HIGH"} | files


@contextlib.contextmanager
def vsftpd(directory: Path, address: str = "127.0.0.1", settings: dict[str, str] | None = None) -> Iterator[Vsftpd]:
    """Run it within the block."""
    files = directory / "files"
    (files / "pub").mkdir(parents=True)
    (files / "alive.txt").write_bytes(ALIVE)
    (files / "pub" / "one").touch()
    (directory / "empty").mkdir()
    endpoint = Endpoint(address, process.free_port())
    over_ipv6 = ":" in address
    listening = {
        "listen": "NO" if over_ipv6 else "YES",
        "listen_ipv6": "YES" if over_ipv6 else "NO",
        "listen_address6" if over_ipv6 else "listen_address": address,
        "listen_port": str(endpoint.port),
    }
    own = {
        "anon_root": str(files),
        "secure_chroot_dir": str(directory / "empty"),
        "vsftpd_log_file": str(directory / "vsftpd.log"),
        "xferlog_file": str(directory / "xferlog"),
    }
    configuration = directory / "vsftpd.conf"
    everything = SETTINGS | listening | own | (settings or {})
    configuration.write_text("".join(f"{name}={value}\n" for name, value in everything.items()))
    command = [process.program("vsftpd", "vsftpd"), str(configuration)]
    with process.running(command, directory, process.accepts(endpoint)) as server:
        yield Vsftpd(server, endpoint, directory)
