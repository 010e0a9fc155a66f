"""The `ssh` check: key exchange and host key, and a login and a command where they are asked for."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import Annotated, ClassVar

import asyncssh

from feedback.checks.credentials import Password
from feedback.checks.matching import excerpt, printable, regex, regex_bytes
from feedback.checks.proxied import ProxiedCheck
from feedback.errors import CheckFailed, Reason
from feedback.net import Net, Target

KINDS = (
    *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("rsa-sha2-512", "rsa-sha2-256"),
)
"""The host keys to ask for, in the order that OpenSSH has, without what has gone out of use."""

OUTPUT_LIMIT_BYTES = 64 * 1024

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")

asyncssh.set_log_level("WARNING")  # on INFO it tells of every connection


class SshCheck(ProxiedCheck, name="ssh"):
    """Pass when an SSH server exchanges keys, and shows that it has its host key.

    With `host_key` that key must be one of these: a fingerprint as `ssh-keygen -l` prints it, or a line as it stands in
    `/etc/ssh/ssh_host_ed25519_key.pub`. A server has several keys, and shows one of the kind that it is asked for: with
    such lines the check asks for their kinds, with fingerprints `host_key_algorithms` says which.

    Without `user` the check goes when the keys are exchanged. With it, it logs in by `key_file` or `password`, and with
    `command` it runs that, whose exit status must be 0. A password is sent only to a server whose `host_key` is known.
    No configuration, key or agent of the director's own user is looked at.

    Examples:

        - ssh
        - ssh: {host_key: ["SHA256:8qxH7zuqXxCuYJIAFzTe4WbXfTtSlhjmyjOBzaKjyfo"]}
        - ssh: {host_key_algorithms: [rsa-sha2-512, rsa-sha2-256], expect_banner: OpenSSH}
    """

    host_key: Annotated[list[str], "keys of which the server must have one: SHA256: fingerprints, or public keys"] = (
        field(default_factory=list)
    )
    host_key_algorithms: Annotated[list[str], "kinds of host keys to ask for, in this order, like ssh-ed25519"] = field(
        default_factory=list
    )
    expect_banner: Annotated[str | None, "regular expression that must be found in the server's version"] = None
    user: Annotated[str | None, "user to log in as"] = None
    key_file: Annotated[str | None, "file of that user's private key, which has no passphrase"] = None
    password: Annotated[Password | None, "that user's password"] = None
    command: Annotated[str | None, "command to run, once logged in"] = None
    expect: Annotated[str | None, "regular expression that must be found in what the command prints"] = None

    uses_asyncio: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if (self.user is None) != (self.key_file is None and self.password is None):
            raise ValueError("must have both user and key_file or password, or none of them")
        if self.password is not None and not self.host_key:
            raise ValueError("password: would be sent to whoever answers: set host_key")
        if self.command is not None and self.user is None:
            raise ValueError("command: goes with user")
        if self.expect is not None and self.command is None:
            raise ValueError("expect: goes with command")
        self._banner = None if self.expect_banner is None else regex("expect_banner", self.expect_banner)
        self._expected = None if self.expect is None else regex_bytes("expect", self.expect)
        keys = [_public_key(text) for text in self.host_key if not _FINGERPRINT.fullmatch(text)]
        given = [text.rstrip("=") for text in self.host_key if _FINGERPRINT.fullmatch(text)]
        self._fingerprints = frozenset([*given, *(key.get_fingerprint() for key in keys)])
        kinds = [] if given else [kind.decode() for key in keys for kind in key.sig_algorithms]
        self._algorithms = list(self.host_key_algorithms or kinds or KINDS)
        self._options = self._client_options()

    async def probe(self, target: Target, net: Net) -> str:
        """Exchange keys, and go on from there."""
        async with net.connect_tcp(target) as stream:
            await self.introduce(stream, target)
            visitor = _Visitor(stream.detach(), self._fingerprints)
            try:
                return await self._visit(visitor, net)
            except CheckFailed:
                raise
            except Exception as error:  # noqa: BLE001 - asyncssh hands on whatever its parsers raise
                raise _failure(error, target) from None
            finally:
                await visitor.leave()

    async def _visit(self, visitor: "_Visitor", net: Net) -> str:
        """Go as far as the options say, and return what is worth telling."""
        net.stage("key exchange")
        options = asyncssh.SSHClientConnectionOptions(self._options, client_factory=lambda: visitor)
        if self.user is None:
            visitor.key = await asyncssh.get_server_host_key(
                sock=visitor.socket, server_host_key_algs=self._algorithms, config=None, options=options
            )
            connection = visitor.connection
        else:
            visitor.on_key = lambda: net.stage("login")
            connection = await visitor.admitted(asyncssh.connect(sock=visitor.socket, config=None, options=options))
        visitor.compare_key()
        net.stage("")
        told = [self._version(connection), visitor.key_words()]
        if self.user is not None:
            told.append(f"logged in as {self.user}")
        if self.command is not None and connection is not None:
            net.stage("command")
            told.append(await self._run(connection, self.command))
        return ", ".join(told)

    def _version(self, connection: asyncssh.SSHClientConnection | None) -> str:
        """Return what the server calls itself. Raises CheckFailed where that does not match."""
        version = str(connection.get_extra_info("server_version", "")) if connection else ""
        if self._banner is not None and not self._banner.search(version):
            raise CheckFailed(Reason.CONTENT, f"{excerpt(version.encode())}, must match {self._banner.pattern}")
        return printable(version.encode())

    async def _run(self, connection: asyncssh.SSHClientConnection, command: str) -> str:
        """Run a command, and return what it has printed."""
        process = await connection.create_process(command, encoding=None, stderr=asyncssh.DEVNULL)
        try:
            printed = await process.stdout.readexactly(OUTPUT_LIMIT_BYTES)
        except asyncio.IncompleteReadError as error:  # it has ended before, as it should
            printed = error.partial
        else:
            raise CheckFailed(Reason.LIMIT, f"it has printed {OUTPUT_LIMIT_BYTES} bytes or more")
        await process.wait_closed()
        if process.exit_status != 0:
            raise CheckFailed(Reason.EXIT, f"exit status {process.exit_status}, must be 0")
        if self._expected is not None and not self._expected.search(printed):
            raise CheckFailed(Reason.CONTENT, f"printed {excerpt(printed)}, must match {self.expect}")
        return f"printed {excerpt(printed)}"

    def _client_options(self) -> asyncssh.SSHClientConnectionOptions:
        """Return the options of connections: whatever asyncssh would take from this user's files is out."""
        keys = [] if self.key_file is None else [read_private_key(self.key_file)]
        try:
            return asyncssh.SSHClientConnectionOptions(
                config=None,
                known_hosts=([], [], []),  # and so each key is shown to the visitor
                server_host_key_algs=self._algorithms,
                username=self.user or "",
                password=None if self.password is None else self.password.reveal(),
                client_keys=keys,
                preferred_auth="publickey,password,keyboard-interactive",
                agent_path=None,
                gss_host=None,
                x509_trusted_certs=None,
                login_timeout=0,
            )
        except ValueError as error:
            option = "host_key_algorithms" if self.host_key_algorithms else "user"
            raise ValueError(f"{option}: {error}") from None


class _Visitor(asyncssh.SSHClient):
    """One connection: asyncssh tells it what happens there."""

    def __init__(self, plain: socket.socket, fingerprints: frozenset[str]) -> None:
        self.socket = plain
        self.connection: asyncssh.SSHClientConnection | None = None
        self.key: asyncssh.SSHKey | None = None
        self.on_key: Callable[[], None] = _nothing
        self._fingerprints = fingerprints

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Keep the connection, which has the socket from now on."""
        self.connection = conn

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Return whether a login may go on with a server that has this key."""
        del host, addr, port
        self.key = key
        self.on_key()
        return self._is_known(key)

    async def admitted(self, login: Awaitable[asyncssh.SSHClientConnection]) -> asyncssh.SSHClientConnection:
        """Return the connection that comes of a login. Raises CheckFailed when the host key was the reason why not."""
        try:
            return await login
        except asyncssh.HostKeyNotVerifiable:
            self.compare_key()
            raise

    def compare_key(self) -> None:
        """Raise CheckFailed when the server has another key than it must have."""
        if self.key is None or not self._is_known(self.key):
            known = " or ".join(sorted(self._fingerprints))
            raise CheckFailed(Reason.CONTENT, f"host key {self.key_words()}, must be {known}")

    def key_words(self) -> str:
        """Return the kind and the fingerprint of the server's key."""
        return "none" if self.key is None else f"{self.key.get_algorithm()} {self.key.get_fingerprint()}"

    async def leave(self) -> None:
        """Say goodbye, and return when the socket is given back."""
        if self.connection is None:
            self.socket.close()
        else:
            self.connection.close()
            await self.connection.wait_closed()

    def _is_known(self, key: asyncssh.SSHKey) -> bool:
        return not self._fingerprints or key.get_fingerprint() in self._fingerprints


def _nothing() -> None:
    """Do nothing."""


def _failure(error: Exception, target: Target) -> CheckFailed:
    """Return what to raise for what asyncssh has raised."""
    said = printable(str(error).encode() or type(error).__name__.encode(), 300)
    match error:
        case asyncssh.PermissionDenied():
            return CheckFailed(Reason.AUTH, f"refused: {said}")
        case asyncssh.ConnectionLost():
            return CheckFailed(Reason.CLOSED, f"{target.endpoint} closed the connection")
        case ConnectionError():
            return CheckFailed(Reason.RESET, f"connection reset by {target.endpoint}")
        case asyncssh.ChannelOpenError() | asyncssh.ServiceNotAvailable():
            return CheckFailed(Reason.STATUS, said)
        case OSError():
            return CheckFailed(Reason.UNREACHABLE, f"no way to {target.endpoint}: {said}")
    return CheckFailed(Reason.PROTOCOL, said)


def _public_key(text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(text)
    except (asyncssh.KeyImportError, ValueError):
        raise ValueError(
            "host_key: must be a fingerprint, like SHA256:..., or a public key, like ssh-rsa ..."
        ) from None


def read_private_key(path: str) -> asyncssh.SSHKey:
    """Return the key in a file. Raises ValueError, which names the option `key_file`."""
    try:
        return asyncssh.read_private_key(path)
    except OSError as error:
        raise ValueError(f"key_file: {path} can't be read: {error.strerror}") from None
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise ValueError(f"key_file: {path} can't be used: {error}") from None
