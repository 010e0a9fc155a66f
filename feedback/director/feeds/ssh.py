"""The feed `ssh`: hosts where nothing can be installed, over one connection of OpenSSH's protocol that is kept."""

import asyncio
from typing import Annotated, ClassVar

import asyncssh
import msgspec

from feedback.checks.matching import excerpt, printable
from feedback.checks.ssh import read_private_key
from feedback.director.feeds.feed import Feed
from feedback.director.feeds.host_text import COMMAND, Metric, Reading, read
from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint
from feedback.net import Net
from feedback.options import Port
from feedback.report import Report

OUTPUT_LIMIT_BYTES = 128 * 1024
"""A host of a thousand CPUs prints about 100 kB."""


class SshFeed(Feed, name="ssh"):
    """What a command prints on a host, over SSH: by default lines of /proc, and of these the `metrics`.

    The connection is kept, and each question is one run of the command on it. The host's key must stand in
    `known_hosts`, which is read anew for each connection; no configuration, key or agent of the director's own user is
    looked at. Where authorized_keys has `command=` for this key, that is what is run, whatever is asked for.

    Another command may print what `feedback agent --once` does, or a number, or a Nagios plugin's performance data.
    """

    uses_asyncio: ClassVar[bool] = True
    longest_wait_seconds: ClassVar[float] = 30.0  # a login costs either side more than a question

    port: Annotated[Port, "port of the SSH server"] = 22
    user: Annotated[str, "user to log in as"]
    key_file: Annotated[str, "file of that user's private key, which has no passphrase"]
    known_hosts: Annotated[str, "file of the keys that hosts must have, as OpenSSH's known_hosts"]
    command: Annotated[str, "command to run"] = COMMAND
    metrics: Annotated[tuple[Metric, ...], "what of the lines of /proc to report: cpu, memory, load, pressure"] = (
        "cpu",
        "memory",
    )
    limit: Annotated[float | None, msgspec.Meta(gt=0), "value that means full, where the command prints a number"] = (
        None
    )

    def __post_init__(self) -> None:
        self._key = read_private_key(self.key_file)
        try:
            asyncssh.read_known_hosts(self.known_hosts)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise ValueError(f"known_hosts: {self.known_hosts} can't be read: {why}") from None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._before = Reading()

    async def ask(self, endpoint: Endpoint, net: Net) -> Report:
        """Run the command, on a new connection where there is none."""
        try:
            if self._connection is None or self._connection.is_closed():
                net.stage("login")
                self._connection = await self._connect(endpoint)
            net.stage("command")
            printed = await _run(self._connection, self.command)
        except CheckFailed:
            self._abort()
            raise
        except BaseException as error:
            self._abort()
            if not isinstance(error, Exception):  # the deadline has passed, and nothing may be waited for
                raise
            raise _failure(error, endpoint, self.known_hosts) from None
        report, self._before = read(printed, self._before, net.now(), self.limit, self.metrics)
        return report

    def forget(self) -> None:
        """Close the connection, and measure anew."""
        self._abort()
        self._before = Reading()

    def _abort(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    async def _connect(self, endpoint: Endpoint) -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            endpoint.address,
            endpoint.port,
            username=self.user,
            client_keys=[self._key],
            known_hosts=self.known_hosts,
            preferred_auth="publickey",
            config=None,
            agent_path=None,
            gss_host=None,
            x509_trusted_certs=None,
            login_timeout=0,  # the feeder's deadline goes for all of it
        )


async def _run(connection: asyncssh.SSHClientConnection, command: str) -> bytes:
    """Run a command, and return what it has printed. Its exit status says nothing: grep's is 1 on older kernels."""
    async with connection.create_process(command, encoding=None) as process:
        try:
            await process.stdout.readexactly(OUTPUT_LIMIT_BYTES)
        except asyncio.IncompleteReadError as error:  # it has ended before, as it should
            if not error.partial.strip():
                complaint = await process.stderr.read(200)
                raise CheckFailed(Reason.CONTENT, f"the command printed nothing, but {excerpt(complaint)}") from None
            return error.partial
    raise CheckFailed(Reason.LIMIT, f"the command has printed {OUTPUT_LIMIT_BYTES} bytes or more")


def _failure(error: Exception, endpoint: Endpoint, known_hosts: str) -> CheckFailed:
    """Return what to raise for what asyncssh has raised, which hands on whatever its parsers raise."""
    said = printable(str(error).encode() or type(error).__name__.encode(), 300)
    for kind, reason, words in (
        (asyncssh.HostKeyNotVerifiable, Reason.AUTH, f"the host key of {endpoint} is not in {known_hosts}: {said}"),
        (asyncssh.PermissionDenied, Reason.AUTH, f"refused: {said}"),
        (asyncssh.ConnectionLost, Reason.CLOSED, f"{endpoint} closed the connection"),
        (asyncssh.ChannelOpenError, Reason.CLOSED, f"{endpoint} opens no session: {said}"),
        (ConnectionRefusedError, Reason.REFUSED, f"{endpoint} refused the connection"),
        (ConnectionError, Reason.RESET, f"connection reset by {endpoint}"),
        (OSError, Reason.UNREACHABLE, f"no way to {endpoint}: {said}"),
    ):
        if isinstance(error, kind):
            return CheckFailed(reason, words)
    return CheckFailed(Reason.PROTOCOL, said)
