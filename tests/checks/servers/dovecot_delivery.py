"""A real server for mail's first and last steps: Dovecot with submission and LMTP, and with logins for Postfix."""

import contextlib
import getpass
import grp
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from feedback.model import Endpoint
from tests.checks.servers import process
from tests.checks.tls_files import Pair

USER = "user@example.com"
PASSWORD = "correct horse"

ADDRESSES = ("127.0.0.1", "::1")

CONFIG = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = /dev/stderr
protocols = lmtp submission
listen = 127.0.0.1, ::1
hostname = delivery.example.com

default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}

ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = yes
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 1
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}

mail_location = maildir:{mail}/box
passdb {{
  driver = passwd-file
  args = {mail}/users
}}
userdb {{
  driver = passwd-file
  args = {mail}/users
}}

service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {auth_port}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {submission}
  }}
  inet_listener submissions {{
    port = 0
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


class Delivery(msgspec.Struct, frozen=True):
    """Its process, where it listens, and its user's mailbox."""

    process: subprocess.Popen[bytes]
    lmtp: int
    submission: int
    mailbox: Path

    def messages(self) -> list[Path]:
        """Return the messages in the mailbox that nobody has read."""
        return list(self.mailbox.glob("new/*"))


@contextlib.contextmanager
def dovecot_delivery(directory: Path, pair: Pair, auth_port: int, relay_port: int) -> Iterator[Delivery]:
    """Run it within the block, as root with users of its own, or else all as the user who runs the tests.

    It answers Postfix at `auth_port`, and hands what is submitted to a mail server at `relay_port`.
    """
    program = process.program("dovecot", "dovecot-lmtpd dovecot-submissiond")
    lmtp, submission = process.free_port(), process.free_port()
    me = getpass.getuser()
    internal, login, mail_user = ("dovecot", "dovenull", "mail") if os.geteuid() == 0 else (me, me, me)
    owner = pwd.getpwnam(mail_user)
    with tempfile.TemporaryDirectory(prefix="mail") as name:
        mail = Path(name)
        mail.chmod(0o755)  # users other than root go in
        os.chown(mail, owner.pw_uid, owner.pw_gid)
        (mail / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}:{owner.pw_uid}:{owner.pw_gid}::{mail}\n")
        directory.mkdir(exist_ok=True)
        (directory / "dovecot.conf").write_text(
            CONFIG.format(
                directory=directory,
                internal=internal,
                group=grp.getgrgid(pwd.getpwnam(internal).pw_gid).gr_name,
                login=login,
                certificate=pair.certificate,
                key=pair.key,
                mail=mail,
                lmtp=lmtp,
                submission=submission,
                auth_port=auth_port,
                relay_port=relay_port,
            )
        )
        ready = process.accepts(*(Endpoint(address, port) for address in ADDRESSES for port in (lmtp, submission)))
        with process.running([program, "-F", "-c", "dovecot.conf"], directory, ready) as server:
            yield Delivery(server, lmtp, submission, mail / "box")
