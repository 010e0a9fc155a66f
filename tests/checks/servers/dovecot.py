"""A real mailbox server for tests: Dovecot with IMAP and POP3, in clear, with STARTTLS, and in TLS from the start."""

import contextlib
import getpass
import grp
import os
import pwd
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from feedback.model import Endpoint
from tests.checks.servers import process
from tests.checks.tls_files import Pair

PASSWORD = 'se"cr\\et'
"""Of every user. It has what IMAP has to quote."""

MESSAGES = 2

ADDRESSES = ("127.0.0.1", "::1", "127.0.0.2")
DISTANT = "127.0.0.2"
"""Clients come from 127.0.0.1: only to another address are they strangers, who must not send passwords in clear."""

CONFIG = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = /dev/stderr
protocols = imap pop3
listen = {addresses}

default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 1

ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = yes
auth_failure_delay = 0
auth_username_chars =
haproxy_trusted_networks = 127.0.0.0/8 ::1

mail_location = maildir:{mail}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={mail}
}}

service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  inet_listener proxied {{
    port = {proxied}
    ssl = yes
    haproxy = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


class Dovecot(msgspec.Struct, frozen=True):
    """Its process, and the ports on which it listens."""

    process: subprocess.Popen[bytes]
    imap: int
    imaps: int
    proxied: int  # imaps, once a PROXY protocol header has come
    pop3: int
    pop3s: int


@contextlib.contextmanager
def dovecot(directory: Path, pair: Pair) -> Iterator[Dovecot]:
    """Run it within the block, as root with users of its own, or else all as the user who runs the tests."""
    program = process.program("dovecot", "dovecot-imapd dovecot-pop3d")
    ports = _free_ports("imap", "imaps", "proxied", "pop3", "pop3s")
    as_root = os.geteuid() == 0
    me = getpass.getuser()
    internal, login, mail_user = ("dovecot", "dovenull", "mail") if as_root else (me, me, me)
    owner = pwd.getpwnam(mail_user)
    with tempfile.TemporaryDirectory() as mail:  # where users other than root may go, too
        for number in range(MESSAGES):
            _deliver(Path(mail) / "cur" / f"{number}:2,S", owner)
        settings = CONFIG.format(
            directory=directory,
            addresses=", ".join(ADDRESSES),
            internal=internal,
            group=grp.getgrgid(pwd.getpwnam(internal).pw_gid).gr_name,
            login=login,
            certificate=pair.certificate,
            key=pair.key,
            password=PASSWORD,
            mail=mail,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            **ports,
        )
        directory.mkdir(exist_ok=True)
        (directory / "dovecot.conf").write_text(settings)
        endpoints = [Endpoint(address, ports[name]) for address in ADDRESSES for name in ("imap", "pop3")]
        command = [program, "-F", "-c", "dovecot.conf"]
        with process.running(command, directory, lambda: all(map(_greets, endpoints))) as server:
            try:
                yield Dovecot(process=server, **ports)
            finally:
                os.killpg(server.pid, signal.SIGKILL)  # it would take seconds to see that its children have ended


def _free_ports(*names: str) -> dict[str, int]:
    ports: set[int] = set()
    while len(ports) < len(names):
        ports.add(process.free_port())
    return dict(zip(names, ports, strict=True))


def _deliver(path: Path, owner: pwd.struct_passwd) -> None:
    """Put a message into a mailbox."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("From: feedback@example.com\nSubject: a message\n\nfor a check\n")
    for made in (path.parent.parent, path.parent, path):
        os.chown(made, owner.pw_uid, owner.pw_gid)


def _greets(endpoint: Endpoint) -> bool:
    """Return whether it serves: it accepts connections long before."""
    try:
        with socket.create_connection((endpoint.address, endpoint.port), 5.0) as connection:
            return bool(connection.recv(512))
    except OSError:
        return False
