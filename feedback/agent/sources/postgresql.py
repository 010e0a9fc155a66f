"""Connections of PostgreSQL."""

import secrets
from typing import Annotated

from feedback.agent.limit import Limit
from feedback.agent.password_file import PasswordFile
from feedback.agent.place import Place, PlaceOption
from feedback.agent.sessions import FullError, share_of_sessions
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.stream import Stream
from feedback.checks.codecs import postgresql_message, scram

STATEMENT = (
    "SELECT (SELECT sum(numbackends) FROM pg_stat_database),"
    " current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    " - coalesce(current_setting('reserved_connections', true), '0')::int"
)
"""Connections there are, this one among them, and how many there may be of users with no privileges."""

FULL = "53300"
ANSWER_LIMIT_BYTES = 64 * 1024


class PostgresqlSource(Source, name="postgresql"):
    """Connections that PostgreSQL has, as a share of what it has for users with no privileges.

    When it takes no more, that is 1. Each sample is a new connection: an interval of 5s is often enough. At its Unix
    socket, the agent's user needs no password where pg_hba.conf says `peer`.

    Example:

        sessions: {source: postgresql, user: feedback, address: /run/postgresql/.s.PGSQL.5432, interval: 5s}
    """

    user: Annotated[str, "user to log in as, who needs no rights"]
    password_file: Annotated[PasswordFile | None, "file with the password in its first line"] = None
    address: Annotated[PlaceOption, "where it listens, like /run/postgresql/.s.PGSQL.5432"] = Place("127.0.0.1", 5432)
    database: Annotated[str, "database to log in to"] = "postgres"
    limit: Annotated[Limit | None, "how many are full, by default PostgreSQL's own limit"] = None

    def __post_init__(self) -> None:
        for option, text in (("user", self.user), ("database", self.database)):
            if not text or "\0" in text:
                raise ValueError(f"{option}: must be text without NUL, and not empty")

    async def sample(self) -> Sample:
        """Log in, and ask."""
        return await share_of_sessions(self.address, self._ask, self.limit)

    async def _ask(self, stream: Stream) -> tuple[int, int]:
        talk = Talk(stream)
        await talk.say(postgresql_message.startup(self.user, self.database))
        await self._log_in(talk)
        await talk.rows()  # the server's parameters, until it is ready
        await talk.say(postgresql_message.query(STATEMENT))
        found = counts(await talk.rows())
        await talk.say(postgresql_message.TERMINATE)
        return found

    async def _log_in(self, talk: "Talk") -> None:
        """Prove the password in the way that the server wants."""
        password = "" if self.password_file is None else self.password_file.reveal()
        wanted = await talk.login()
        if wanted.method == postgresql_message.SASL and scram.MECHANISM in wanted.mechanisms:
            opening = scram.opening(secrets.token_bytes(scram.NONCE_BYTES))
            await talk.say(postgresql_message.sasl_begin(scram.MECHANISM, opening.message))
            proof = scram.proof(opening, password, (await talk.login(postgresql_message.SASL_CONTINUE)).data)
            await talk.say(postgresql_message.sasl_continue(proof.message))
            scram.verify(proof, (await talk.login(postgresql_message.SASL_FINAL)).data)
            wanted = await talk.login()
        elif wanted.method == postgresql_message.MD5:
            await talk.say(postgresql_message.password(postgresql_message.md5(self.user, password, wanted.data)))
            wanted = await talk.login()
        elif wanted.method == postgresql_message.CLEAR and self.address.path:
            await talk.say(postgresql_message.password(password.encode()))
            wanted = await talk.login()
        if wanted.method != postgresql_message.OK:
            raise SourceError(f"the server wants a login by {wanted}, must be SCRAM-SHA-256, MD5 or none")


class Talk:
    """A dialogue under way: messages, and no more of them than one answer may have."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._heard_bytes = 0

    async def say(self, message: bytes) -> None:
        """Send a message."""
        self._heard_bytes = 0
        await self._stream.write(message)

    async def login(self, method: int | None = None) -> postgresql_message.Authentication:
        """Return what the server wants or says about the login, which may have to be one thing."""
        kind, body = await self._hear()
        if kind != "R":
            raise SourceError(f"a message {kind} in the middle of a login")
        answer = postgresql_message.read_authentication(body)
        if method not in {None, answer.method}:
            raise SourceError(f"the login goes on with {answer.method}, must be {method}")
        return answer

    async def rows(self) -> list[tuple[str | None, ...]]:
        """Return the rows that come before the server is ready for the next statement."""
        rows: list[tuple[str | None, ...]] = []
        while True:
            kind, body = await self._hear()
            if kind == "Z":
                return rows
            if kind == "D":
                rows.append(postgresql_message.read_row(body))

    async def _hear(self) -> tuple[str, bytes]:
        """Return the next message that is no notice. Raises SourceError for an error in its place."""
        while True:
            header = await self._stream.read_exactly(postgresql_message.HEADER_BYTES)
            kind, count = postgresql_message.read_header(header)
            self._heard_bytes += len(header) + count
            if self._heard_bytes > ANSWER_LIMIT_BYTES:
                raise SourceError(f"an answer of more than {ANSWER_LIMIT_BYTES} bytes")
            body = await self._stream.read_exactly(count)
            if kind == "E":
                refusal = postgresql_message.read_refusal(body)
                raise (FullError if refusal.state == FULL else SourceError)(str(refusal))
            if kind not in {"N", "v"}:
                return kind, body


def counts(rows: list[tuple[str | None, ...]]) -> tuple[int, int]:
    """Return what the statement's row says: how many connections there are, and may be."""
    values = rows[0] if len(rows) == 1 else ()
    if len(values) != 2 or not all(text and text.isascii() and text.isdigit() and len(text) <= 18 for text in values):
        raise SourceError(f"{rows!r:.60} in answer to a question for two numbers")
    return int(values[0] or 0), int(values[1] or 0)
