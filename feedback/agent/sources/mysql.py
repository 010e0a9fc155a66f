"""Connections of MySQL or MariaDB."""

from typing import Annotated

from feedback.agent.limit import Limit
from feedback.agent.password_file import PasswordFile
from feedback.agent.place import Place, PlaceOption
from feedback.agent.sessions import FullError, share_of_sessions
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.stream import Stream
from feedback.checks.codecs import mysql_login, mysql_packet
from feedback.checks.codecs.mysql_packet import Columns, Done, Handshake, More, Refusal, Switch

LOGIN_STEPS = 5
"""How often a server may answer within a login: more than any does."""

ANSWER_LIMIT_BYTES = 64 * 1024
FULL = 1040
CONNECTED = "SHOW GLOBAL STATUS LIKE 'Threads_connected'"
MOST = "SHOW GLOBAL VARIABLES LIKE 'max_connections'"
BY_SOCKET = frozenset({"unix_socket", "auth_socket"})
"""Plugins that ask the kernel who is at the other end of a Unix socket."""


class MysqlSource(Source, name="mysql"):
    """Connections that MySQL or MariaDB has, as a share of max_connections.

    When it takes no more, that is 1. Each sample is a new connection: an interval of 5s is often enough. At its Unix
    socket, the agent's user needs no password where the account is IDENTIFIED VIA unix_socket (in MySQL: WITH
    auth_socket). Elsewhere the password is proved by mysql_native_password or caching_sha2_password.

    Example:

        sessions: {source: mysql, user: feedback, address: /run/mysqld/mysqld.sock, interval: 5s}
    """

    user: Annotated[str, "user to log in as, who needs no rights"]
    password_file: Annotated[PasswordFile | None, "file with the password in its first line"] = None
    address: Annotated[PlaceOption, "where it listens, like /run/mysqld/mysqld.sock"] = Place("127.0.0.1", 3306)
    limit: Annotated[Limit | None, "how many are full, by default max_connections"] = None

    def __post_init__(self) -> None:
        if not self.user or "\0" in self.user:
            raise ValueError("user: must be text without NUL, and not empty")

    async def sample(self) -> Sample:
        """Log in, and ask."""
        return await share_of_sessions(self.address, self._ask, self.limit)

    async def _ask(self, stream: Stream) -> tuple[int, int]:
        talk = Talk(stream)
        handshake = mysql_packet.read_handshake(await talk.hear())
        if isinstance(handshake, Refusal):
            raise refused(handshake)
        await self._log_in(talk, handshake)
        found = await talk.number(CONNECTED), await talk.number(MOST)
        await talk.begin(mysql_packet.QUIT)
        return found

    async def _log_in(self, talk: "Talk", handshake: Handshake) -> None:
        """Prove the password by the plugin that the server names, or names next."""
        plugin = handshake.plugin if handshake.plugin in mysql_login.SCRAMBLES else mysql_login.NATIVE
        proof = self._proof(plugin, handshake.nonce)
        await talk.say(mysql_packet.login(handshake, self.user, proof, plugin, None, tls=False))
        for _ in range(LOGIN_STEPS):
            answer = mysql_packet.read_login(await talk.hear())
            if isinstance(answer, Done):
                return
            if isinstance(answer, Refusal):
                raise refused(answer)
            if isinstance(answer, Switch):
                plugin = answer.plugin
                await talk.say(self._proof(plugin, answer.nonce))
            elif answer.data != mysql_login.FAST_PASSED:
                await talk.say(self._in_full(plugin, answer))
        raise SourceError(f"the login goes on and on, by {plugin}")

    def _proof(self, plugin: str, nonce: bytes) -> bytes:
        if plugin in mysql_login.SCRAMBLES:
            return mysql_login.SCRAMBLES[plugin](self._password(), nonce)
        if plugin in mysql_login.CLEAR:
            return self._clear_password(plugin)
        if plugin in BY_SOCKET:
            return b""
        known = ", ".join([*mysql_login.SCRAMBLES, *sorted(mysql_login.CLEAR | BY_SOCKET)])
        raise SourceError(f"{self.user} has to log in by {plugin}, and the source knows {known}")

    def _in_full(self, plugin: str, answer: More) -> bytes:
        """Return what a plugin wants that does not remember the password."""
        if plugin != "caching_sha2_password" or answer.data != mysql_login.IN_FULL:
            raise SourceError(f"not a step of {plugin}: {answer.data[:20]!r}")
        return self._clear_password(plugin)

    def _clear_password(self, plugin: str) -> bytes:
        if not self.address.path:
            raise SourceError(f"{plugin} wants the password itself, which is sent to a Unix socket only: set address")
        return mysql_login.in_clear(self._password())

    def _password(self) -> bytes:
        return b"" if self.password_file is None else self.password_file.reveal().encode()


def refused(refusal: Refusal) -> SourceError:
    """Return what a refusal is."""
    return (FullError if refusal.code == FULL else SourceError)(str(refusal))


class Talk:
    """A dialogue under way: packets with numbers, and no more of them than one answer may have."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._sequence = 0
        self._heard_bytes = 0

    async def say(self, payload: bytes) -> None:
        """Send the next packet of an exchange."""
        self._heard_bytes = 0
        await self._stream.write(mysql_packet.packet(self._sequence, payload))
        self._sequence += 1

    async def begin(self, command: bytes) -> None:
        """Send a command, whose packet is the first of its exchange."""
        self._sequence = 0
        await self.say(command)

    async def hear(self) -> bytes:
        """Return what the server's next packet has."""
        header = await self._stream.read_exactly(mysql_packet.HEADER_BYTES)
        count = mysql_packet.payload_bytes(header, self._sequence)
        self._sequence += 1
        self._heard_bytes += len(header) + count
        if self._heard_bytes > ANSWER_LIMIT_BYTES:
            raise SourceError(f"an answer of more than {ANSWER_LIMIT_BYTES} bytes")
        return await self._stream.read_exactly(count)

    async def number(self, statement: str) -> int:
        """Return the number in a row of a name and a value."""
        await self.begin(mysql_packet.query(statement))
        answer = mysql_packet.read_answer(await self.hear())
        if isinstance(answer, Refusal):
            raise refused(answer)
        columns = await self._until_end() if isinstance(answer, Columns) else []
        rows = await self._until_end() if isinstance(answer, Columns) else []
        values = mysql_packet.read_row(rows[0], len(columns)) if len(rows) == 1 else ()
        text = values[-1] if values else None
        if text is None or not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise SourceError(f"{values!r:.60} in answer to {statement}, must be a name and a number")
        return int(text)

    async def _until_end(self) -> list[bytes]:
        """Return the packets before the one that ends them."""
        payloads: list[bytes] = []
        while not mysql_packet.is_end(payload := await self.hear()):
            if refusal := mysql_packet.refusal_in(payload):
                raise refused(refusal)
            payloads.append(payload)
        return payloads
