"""A real mail server for tests: Postfix with its own configuration and queue, from which no mail can leave."""

import contextlib
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from feedback.model import Endpoint
from tests.checks.servers import process
from tests.checks.tls_files import Pair

ADDRESSES = ("127.0.0.1", "::1")

MAIN = """
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {directory}/maillog
maillog_file_prefixes = {directory}

myhostname = mail.example.com
mydestination = example.com
mynetworks =
alias_maps =
inet_protocols = all
inet_interfaces = loopback-only
default_transport = error:no mail leaves here
local_transport = discard:
local_recipient_maps = inline:{{ postmaster=here, user=here, grey=here }}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions =
  check_recipient_access inline:{{ {{ grey@example.com = 450 4.2.0 Greylisted, come again in 5 minutes }} }}

smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth_port}
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
in_flow_delay = 0
"""

SERVICES = """
postlog  unix-dgram n - n - 1 postlogd
anvil    unix       - - n - 1 anvil
rewrite  unix       - - n - - trivial-rewrite
tlsmgr   unix       - - n - 1 tlsmgr
cleanup  unix       n - n - 0 cleanup
qmgr     unix       n - n - 1 qmgr
error    unix       - - n - - error
discard  unix       - - n - - discard
lmtp     unix       - - n - - lmtp
showq    unix       n - n - - showq
bounce   unix       - - n - 0 bounce
defer    unix       - - n - 0 bounce
"""

LISTENERS = {
    "smtp": "",
    "smtps": "-o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes",
    "submission": "-o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes",
    "other": "-o smtpd_tls_cert_file={other.certificate} -o smtpd_tls_key_file={other.key}",
    "without tls": "-o smtpd_tls_security_level=none",
    "old": "-o smtpd_command_filter=regexp:{directory}/old",
    "refusing": "-o smtpd_delay_reject=no -o smtpd_client_restrictions=reject",
    "closing": "-o smtpd_delay_reject=no -o {{ smtpd_client_restrictions = check_client_access static:"
    "{{ 421 4.3.2 Going down for maintenance }} }}",
}
"""How the ways in differ from one another."""


class Postfix(msgspec.Struct, frozen=True):
    """Its process, its ports by the listener's name, and where it keeps mail and log."""

    process: subprocess.Popen[bytes]
    ports: Mapping[str, int]
    directory: Path

    def endpoint(self, listener: str, address: str = "127.0.0.1") -> Endpoint:
        return Endpoint(address, self.ports[listener])

    def log(self) -> str:
        """Return what it has logged since its start."""
        return (self.directory / "maillog").read_text()

    def queued(self) -> list[Path]:
        """Return every file of mail in its queue."""
        queues = ("maildrop", "incoming", "active", "deferred")
        return [path for queue in queues for path in (self.directory / "queue" / queue).rglob("*") if path.is_file()]


@contextlib.contextmanager
def postfix(pair: Pair, other: Pair, smtp_port: int, auth_port: int, settings: str = "") -> Iterator[Postfix]:
    """Run it within the block. It must be started by root, and takes its own user for most of what it does.

    `other` is the certificate of the listener of that name. At `auth_port`, Dovecot knows the passwords. The settings
    are more lines of main.cf.
    """
    if os.geteuid() != 0:
        raise PermissionError("Postfix can be started by root alone")
    postconf = [process.program("postconf", "postfix"), "-dh", "daemon_directory"]
    daemons = Path(subprocess.run(postconf, check=True, capture_output=True, text=True).stdout.strip())
    ports = {name: process.free_port() for name in LISTENERS} | {"smtp": smtp_port}
    with tempfile.TemporaryDirectory(prefix="postfix") as name:
        directory = Path(name)
        directory.chmod(0o755)  # its own user goes in
        files = {"directory": directory, "certificate": pair.certificate, "key": pair.key, "auth_port": auth_port}
        listeners = [
            f"{_in_brackets(address)}:{port} inet n - n - - smtpd {LISTENERS[listener].format(other=other, **files)}\n"
            for listener, port in ports.items()
            for address in ADDRESSES
        ]
        (directory / "main.cf").write_text(MAIN.format(**files) + settings)
        (directory / "master.cf").write_text(SERVICES + "".join(listeners))
        (directory / "maillog").touch()  # it may be asked for before anything was logged
        (directory / "old").write_text("/^EHLO/ UNKNOWN\n")
        _make_queue(directory)
        ready = process.accepts(*(Endpoint(address, port) for port in ports.values() for address in ADDRESSES))
        command = [str(daemons / "master"), "-d", "-c", str(directory)]
        with process.running(command, directory, ready) as server:
            yield Postfix(server, ports, directory)


def _in_brackets(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _make_queue(directory: Path) -> None:
    """Make the directories that `postfix start` would make."""
    owner = pwd.getpwnam("postfix")
    queue = directory / "queue"
    own = ("active", "bounce", "defer", "deferred", "hold", "incoming", "maildrop", "private", "public", "trace")
    for path in (queue, queue / "pid", *(queue / name for name in own), directory / "data"):
        path.mkdir()
    for path in (*(queue / name for name in own), directory / "data"):
        os.chown(path, owner.pw_uid, owner.pw_gid)
