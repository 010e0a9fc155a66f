"""The `postgresql` check: whether a server takes sessions, a login, a query, its role, and how a standby keeps up."""

import contextlib
import secrets
from typing import Annotated, Literal

from feedback.checks.codecs import postgresql_message, scram
from feedback.checks.codecs.postgresql_message import Authentication
from feedback.checks.sql import ANSWER_LIMIT_BYTES, NOBODY, Row, SqlCheck
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Net, Stream, Target
from feedback.options import Duration, show_duration

new_nonce = secrets.token_bytes

STATE = (
    "SELECT pg_is_in_recovery(),"
    " EXISTS (SELECT FROM pg_stat_wal_receiver) AND pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(),"
    " extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())"
)
"""Whether the server is a standby; whether it follows and has replayed all it got; and the age of what it has replayed.

Only a standby that is connected may say that it has all there is: one that has lost its source has that, too.
"""


class PostgresqlCheck(SqlCheck, name="postgresql"):
    """Pass when PostgreSQL takes a session, a login, and answers what the options ask.

    Without `user`, the check does what pg_isready does: it asks for a session as `feedback`, and whatever the server
    says to that shows that it works, also that it lets nobody of that name in. It must not say that it starts, stops,
    is in recovery, has too many clients, or has a fault of its own (SQLSTATE classes 53, 57, 58 and XX). Where
    pg_hba.conf has no line for it, the server logs each of these sessions: then a `user` is better, who needs no
    rights. A server that keeps its last connections for superusers is full for everybody else: only a login shows that.
    Without `database`, the server takes the one that is called like the user.

    The password is proved by SCRAM-SHA-256, and so does the server prove that it knows it; or by MD5. One that the
    server wants in clear is sent through TLS only, unless `login_without_tls` allows the other.

    `expect` compares the value as the server writes it: `t` and `f` are true and false. `max_lag` passes a primary; a
    standby is behind by the age of the last transaction that it has replayed, and not at all when it is connected to
    its source and has replayed all that came. That tells of a dead network only after `wal_receiver_timeout`.

    Examples:

        - postgresql: {}
        - postgresql: {tls: true, user: monitor, password: secret, database: postgres, role: primary}
        - postgresql: {user: monitor, password: secret, database: postgres, role: standby, max_lag: 30s}
        - postgresql: {user: monitor, password: secret, database: shop, query: "SELECT open FROM shop", expect: t}
    """

    login_without_tls: Annotated[bool, "send a password in clear also without TLS, for everyone on the way to read"] = (
        False
    )
    role: Annotated[Literal["primary", "standby"] | None, "what the server must be"] = None
    max_lag: Annotated[Duration | None, "how far a standby may be behind"] = None

    def __post_init__(self) -> None:
        for option in ("role", "max_lag"):
            self._must_go_with("user", option)
        super().__post_init__()

    async def probe(self, target: Target, net: Net) -> str:
        """Go as far as the options say, and say goodbye."""
        async with net.connect_tcp(target) as stream:
            talk = _Talk(net, stream)
            try:
                return ", ".join(filter(None, await self._go_through(talk, stream, target)))
            finally:
                await talk.quit()

    async def _go_through(self, talk: "_Talk", stream: Stream, target: Target) -> list[str]:
        """Take every step, and return what is worth telling of them."""
        told = []
        if self.tls:
            talk.enter("TLS")
            await _ask_for_tls(stream)
            told.append(await self.secure(stream, target))
        talk.enter("session")
        await talk.say(postgresql_message.startup(self.user or NOBODY, self.database))
        if self.user is None:
            return [await _see_whether_it_serves(talk), *told]
        talk.enter("login")
        await self._log_in(talk, self.user)
        told.append(f"logged in as {self.user}")
        version = await talk.until_ready()
        if self.query is not None:
            talk.enter("query")
            told.append(self.judge(await talk.ask_for_rows(self.query)))
        if self.role is not None or self.max_lag is not None:
            talk.enter("role")
            told.append(self._judge_state(await talk.ask_for_rows(STATE)))
        return [version, *told]

    async def _log_in(self, talk: "_Talk", user: str) -> None:
        """Prove the password in the way that the server wants."""
        wanted = await talk.hear_of_login()
        password = "" if self.password is None else self.password.reveal()
        if wanted.method == postgresql_message.SASL and scram.MECHANISM in wanted.mechanisms:
            await _log_in_by_scram(talk, password)
            wanted = await talk.hear_of_login()
        elif wanted.method == postgresql_message.MD5:
            await talk.say(postgresql_message.password(postgresql_message.md5(user, password, wanted.data)))
            wanted = await talk.hear_of_login()
        elif wanted.method == postgresql_message.CLEAR:
            if not (self.tls or self.login_without_tls):
                raise CheckFailed(
                    Reason.AUTH, "the server wants the password in clear: set tls, or else login_without_tls"
                )
            await talk.say(postgresql_message.password(password.encode()))
            wanted = await talk.hear_of_login()
        if wanted.method != postgresql_message.OK:
            raise CheckFailed(Reason.AUTH, f"the server wants a login by {wanted}, which the check does not know")

    def _judge_state(self, rows: list[Row]) -> str:
        """Return the server's role and lag in words. Raises CheckFailed when one of them is not as it must be."""
        if len(rows) != 1 or len(rows[0]) != 3:
            raise CheckFailed(Reason.PROTOCOL, f"{len(rows)} rows, must be one of three values")
        in_recovery, has_all, age = rows[0]
        role = "standby" if in_recovery == "t" else "primary"
        if self.role not in {None, role}:
            raise CheckFailed(Reason.CONTENT, f"the server is a {role}, must be a {self.role}")
        if self.max_lag is None or role == "primary":
            return role
        lag = 0.0 if has_all == "t" else _seconds(age)
        if lag > self.max_lag:
            raise CheckFailed(Reason.CONTENT, f"{lag:.1f} s behind, must be {show_duration(self.max_lag)} at most")
        return f"{role}, {lag:.1f} s behind"


async def _ask_for_tls(stream: Stream) -> None:
    """Ask for TLS. What comes with the answer, and was not protected by it, is refused by `start_tls`."""
    await stream.write(postgresql_message.tls_request())
    answer = await stream.read_exactly(1)
    if answer == b"N":
        raise CheckFailed(Reason.TLS, "the server does not offer TLS")
    if answer != b"S":
        raise CheckFailed(Reason.PROTOCOL, f"{answer!r} in answer to a request for TLS, must be S or N")


async def _see_whether_it_serves(talk: "_Talk") -> str:
    """Return what the server says to nobody, in words."""
    kind, body = await talk.hear()
    if kind == "R":
        wanted = postgresql_message.read_authentication(body)
        return f"lets {NOBODY} in" if wanted.method == postgresql_message.OK else f"asks for a login by {wanted}"
    if kind != "E":
        raise _unexpected(kind)
    refusal = postgresql_message.read_refusal(body)
    if refusal.is_of_server:
        raise CheckFailed(Reason.STATUS, str(refusal))
    return f"asks for a login: {refusal}"


async def _log_in_by_scram(talk: "_Talk", password: str) -> None:
    """Prove the password, and see that the server knows it, too."""
    opening = scram.opening(new_nonce(scram.NONCE_BYTES))
    await talk.say(postgresql_message.sasl_begin(scram.MECHANISM, opening.message))
    challenge = await talk.hear_of_login(postgresql_message.SASL_CONTINUE)
    proof = scram.proof(opening, password, challenge.data)
    await talk.say(postgresql_message.sasl_continue(proof.message))
    scram.verify(proof, (await talk.hear_of_login(postgresql_message.SASL_FINAL)).data)


def _seconds(age: str | None) -> float:
    """Return an age; the clocks of two hosts may make it less than none."""
    if age is None:
        raise CheckFailed(Reason.CONTENT, "the standby has not replayed any transaction yet")
    try:
        return max(0.0, float(age))
    except ValueError:
        raise CheckFailed(Reason.PROTOCOL, f"an age must be a number, not {age}") from None


def _unexpected(kind: str) -> CheckFailed:
    return CheckFailed(Reason.PROTOCOL, f"a message {kind} that nobody has asked for")


class _Talk:
    """A dialogue under way: messages, and no more of them than one answer may have."""

    def __init__(self, net: Net, stream: Stream) -> None:
        self.goes_on = False
        """Whether a session is there that one can say goodbye to."""
        self._net = net
        self._stream = stream
        self._heard_bytes = 0

    def enter(self, stage: str) -> None:
        """Begin something that the server has to answer."""
        self._net.stage(stage)

    async def say(self, message: bytes) -> None:
        """Send a message."""
        self._heard_bytes = 0
        await self._stream.write(message)

    async def hear(self) -> tuple[str, bytes]:
        """Return the next message that is no notice: its kind, and what it has."""
        while True:
            kind, count = postgresql_message.read_header(
                await self._stream.read_exactly(postgresql_message.HEADER_BYTES)
            )
            self._heard_bytes += postgresql_message.HEADER_BYTES + count
            if self._heard_bytes > ANSWER_LIMIT_BYTES:
                raise CheckFailed(Reason.LIMIT, f"an answer of more than {ANSWER_LIMIT_BYTES} bytes")
            body = await self._stream.read_exactly(count)
            if kind not in {"N", "v"}:
                return kind, body

    async def hear_of_login(self, method: int | None = None) -> Authentication:
        """Return what the server wants or says about the login, which may have to be one thing."""
        kind, body = await self.hear()
        self._raise_refusal(kind, body)
        if kind != "R":
            raise _unexpected(kind)
        answer = postgresql_message.read_authentication(body)
        if method not in {None, answer.method}:
            raise CheckFailed(Reason.PROTOCOL, f"the login goes on with {answer.method}, must be {method}")
        return answer

    async def until_ready(self) -> str:
        """Return the version of a server that has let us in, when it is ready."""
        version = ""
        while True:
            kind, body = await self.hear()
            self._raise_refusal(kind, body)
            if kind == "Z":
                self.goes_on = True
                return version
            if kind == "S":
                name, value = postgresql_message.read_parameter(body)
                version = f"PostgreSQL {value}" if name == "server_version" else version

    async def ask_for_rows(self, statement: str) -> list[Row]:
        """Return the rows of a statement."""
        await self.say(postgresql_message.query(statement))
        rows: list[Row] = []
        while True:
            kind, body = await self.hear()
            self._raise_refusal(kind, body)
            if kind == "Z":
                return rows
            if kind == "D":
                rows.append(postgresql_message.read_row(body))

    @staticmethod
    def _raise_refusal(kind: str, body: bytes) -> None:
        if kind == "E":
            refusal = postgresql_message.read_refusal(body)
            raise CheckFailed(Reason.AUTH if refusal.is_of_login else Reason.STATUS, str(refusal))

    async def quit(self) -> None:
        """Say goodbye. What came before is what counts."""
        if self.goes_on:
            with contextlib.suppress(CheckFailed, LocalFault):
                await self._stream.write(postgresql_message.TERMINATE)
