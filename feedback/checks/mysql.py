"""The `mysql` check: the handshake of MySQL or MariaDB, a login, a query, and how far a replica is behind."""

import contextlib
from typing import Annotated

import msgspec

from feedback.checks.codecs import mysql_login, mysql_packet
from feedback.checks.codecs.mysql_packet import Columns, Done, Handshake, More, Refusal, Switch
from feedback.checks.sql import ANSWER_LIMIT_BYTES, NOBODY, Row, SqlCheck
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Net, Stream, Target
from feedback.options import Duration, show_duration

LOGIN_STEPS = 5
"""How often a server may answer within a login: more than any does."""

_SYNTAX_ERROR = 1064
_LAG_COLUMNS = ("Seconds_Behind_Source", "Seconds_Behind_Master")


class MysqlCheck(SqlCheck, name="mysql"):
    """Pass when MySQL or MariaDB shakes hands, takes a login, and answers what the options ask.

    Without `user`, the check asks to be let in as `feedback` with no password. An account of that name should not
    exist: that the server refuses the login shows that it works. Nothing less would do, because a server counts the
    connections that end before the login, and after `max_connect_errors` of them (100) it blocks the director's
    address, the checks included. A refused login does not count, though the server may log it. What does count is a
    handshake that fails in TLS.

    A server that is full lets one more client in, and sends it away after the login: so only a `user` shows that in
    time. It needs no rights at all: `CREATE USER monitor@'10.2.0.%' IDENTIFIED BY '…'`.

    The password is proved by mysql_native_password or caching_sha2_password. After a restart of the server, or a new
    password, the latter wants the password itself once, and so do some other plugins always: that goes through TLS
    only, so set `tls` then; with `verify: false` where the server has made its certificate itself. Accounts with
    ed25519, PAM or Kerberos can't be used.

    `expect` compares the value as the server writes it: a writable server says 0 to `SELECT @@global.read_only`. With
    `max_lag`, the server must be a replica, its replication must run, and of several sources the slowest counts; the
    account needs the right REPLICATION CLIENT, in newer MariaDB REPLICA MONITOR.

    Examples:

        - mysql: {}
        - mysql: {tls: true, verify: false, user: monitor, password: secret, max_lag: 30s}
        - mysql: {user: monitor, password: secret, query: "SELECT @@global.read_only", expect: "0"}
    """

    max_lag: Annotated[Duration | None, "how far a replica may be behind its source"] = None

    def __post_init__(self) -> None:
        self._must_go_with("user", "max_lag")
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
        talk.enter("handshake")
        handshake = mysql_packet.read_handshake(await talk.hear())
        if isinstance(handshake, Refusal):
            raise CheckFailed(Reason.STATUS, str(handshake))
        told = [handshake.version]
        if self.tls:
            told.append(await self._go_on_in_tls(talk, handshake, stream, target))
        talk.enter("login")
        told.append(await self._log_in(talk, handshake))
        if self.query is not None:
            talk.enter("query")
            told.append(self.judge((await talk.ask_for_rows(self.query)).rows))
        if self.max_lag is not None:
            talk.enter("replication")
            told.append(_judge_lag(await _replication(talk), self.max_lag))
        return told

    async def _go_on_in_tls(self, talk: "_Talk", handshake: Handshake, stream: Stream, target: Target) -> str:
        talk.enter("TLS")
        if not handshake.offers_tls:
            raise CheckFailed(Reason.TLS, f"{handshake.version} does not offer TLS")
        await talk.say(mysql_packet.tls_request(handshake))
        return await self.secure(stream, target)

    async def _log_in(self, talk: "_Talk", handshake: Handshake) -> str:
        """Prove the password by the plugin that the server names, or names next."""
        plugin = handshake.plugin if handshake.plugin in mysql_login.SCRAMBLES else mysql_login.NATIVE
        proof = self._proof(plugin, handshake.nonce)
        user = self.user or NOBODY
        await talk.say(mysql_packet.login(handshake, user, proof, plugin, self.database, tls=self.tls))
        for _ in range(LOGIN_STEPS):
            answer = mysql_packet.read_login(await talk.hear())
            if isinstance(answer, Done):
                talk.goes_on = True
                return f"logged in as {user}"
            if isinstance(answer, Refusal):
                return self._refused(answer)
            if isinstance(answer, Switch):
                plugin = answer.plugin
                await talk.say(self._proof(plugin, answer.nonce))
            elif answer.data != mysql_login.FAST_PASSED:
                await talk.say(self._in_full(plugin, answer))
        raise CheckFailed(Reason.PROTOCOL, f"the login goes on and on, by {plugin}")

    def _proof(self, plugin: str, nonce: bytes) -> bytes:
        """Return what a plugin wants to see first. Nobody has nothing to prove, whatever the plugin."""
        if self.user is None:
            return b""
        if plugin in mysql_login.SCRAMBLES:
            return mysql_login.SCRAMBLES[plugin](self._password(), nonce)
        if plugin not in mysql_login.CLEAR:
            known = ", ".join([*mysql_login.SCRAMBLES, *sorted(mysql_login.CLEAR)])
            raise CheckFailed(Reason.AUTH, f"{self.user} has to log in by {plugin}, and the check knows {known}")
        return self._clear_password(plugin)

    def _in_full(self, plugin: str, answer: More) -> bytes:
        """Return what a plugin wants to see when it is not content with a proof."""
        if plugin != "caching_sha2_password" or answer.data != mysql_login.IN_FULL:
            raise CheckFailed(Reason.PROTOCOL, f"not a step of {plugin}: {answer.data[:20]!r}")
        return self._clear_password(plugin)

    def _clear_password(self, plugin: str) -> bytes:
        if not self.tls:
            raise CheckFailed(Reason.AUTH, f"{plugin} wants the password itself, which goes through TLS only: set tls")
        return mysql_login.in_clear(self._password())

    def _password(self) -> bytes:
        return b"" if self.password is None else self.password.reveal().encode()

    def _refused(self, refusal: Refusal) -> str:
        """Return what a refused login is worth telling, where nobody is to be let in."""
        if self.user is None and refusal.is_of_login:
            return "asks for a login"
        raise CheckFailed(Reason.AUTH if refusal.is_of_login else Reason.STATUS, str(refusal))


class _Table(msgspec.Struct, frozen=True):
    """What a query gave."""

    columns: list[str]
    rows: list[Row]


class _RefusedError(CheckFailed):
    """The server has refused a query."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(Reason.STATUS, str(refusal))
        self.refusal = refusal


async def _replication(talk: "_Talk") -> _Table:
    """Return how replication goes; older servers know it by the older word."""
    try:
        return await talk.ask_for_rows("SHOW REPLICA STATUS")
    except _RefusedError as error:
        if error.refusal.code != _SYNTAX_ERROR:
            raise
    return await talk.ask_for_rows("SHOW SLAVE STATUS")


def _judge_lag(table: _Table, max_lag: float) -> str:
    """Return the lag in words. Raises CheckFailed when it is too large, or there is none to be had."""
    column = next((table.columns.index(name) for name in _LAG_COLUMNS if name in table.columns), None)
    if column is None or not table.rows:
        raise CheckFailed(Reason.CONTENT, "the server is no replica")
    lags = [row[column] for row in table.rows]
    if None in lags:
        raise CheckFailed(Reason.CONTENT, "replication does not run")
    try:
        lag = max(int(lag or "") for lag in lags)
    except ValueError:
        raise CheckFailed(Reason.PROTOCOL, f"{_LAG_COLUMNS[0]} must be a number, not {lags[0]}") from None
    if lag > max_lag:
        raise CheckFailed(Reason.CONTENT, f"{lag} s behind, must be {show_duration(max_lag)} at most")
    return f"{lag} s behind"


class _Talk:
    """A dialogue under way: packets with numbers, and no more of them than one answer may have."""

    def __init__(self, net: Net, stream: Stream) -> None:
        self.goes_on = False
        """Whether the server waits for a command."""
        self._net = net
        self._stream = stream
        self._sequence = 0
        self._heard_bytes = 0

    def enter(self, stage: str) -> None:
        """Begin something that the server has to answer."""
        self._net.stage(stage)

    async def say(self, payload: bytes) -> None:
        """Send the next packet of an exchange."""
        self._heard_bytes = 0
        await self._stream.write(mysql_packet.packet(self._sequence, payload))
        self._sequence += 1

    async def hear(self) -> bytes:
        """Return what the server's next packet has."""
        header = await self._stream.read_exactly(mysql_packet.HEADER_BYTES)
        count = mysql_packet.payload_bytes(header, self._sequence)
        self._sequence += 1
        self._heard_bytes += len(header) + count
        if self._heard_bytes > ANSWER_LIMIT_BYTES:
            raise CheckFailed(Reason.LIMIT, f"an answer of more than {ANSWER_LIMIT_BYTES} bytes")
        return await self._stream.read_exactly(count)

    async def ask_for_rows(self, statement: str) -> _Table:
        """Return what a statement gives; no rows where it has none to give."""
        self.goes_on = False
        self._sequence = 0
        await self.say(mysql_packet.query(statement))
        answer = mysql_packet.read_answer(await self.hear())
        table = _Table([], [])
        if isinstance(answer, Columns):
            columns = [mysql_packet.column_name(payload) for payload in await self._until_end()]
            if len(columns) != answer.count:
                raise CheckFailed(Reason.PROTOCOL, f"{len(columns)} columns, announced were {answer.count}")
            table = _Table(columns, [mysql_packet.read_row(row, len(columns)) for row in await self._until_end()])
        self.goes_on = True
        if isinstance(answer, Refusal):
            raise _RefusedError(answer)
        return table

    async def _until_end(self) -> list[bytes]:
        """Return the packets before the one that ends them. Raises CheckFailed for an error in its place."""
        payloads: list[bytes] = []
        while not mysql_packet.is_end(payload := await self.hear()):
            if refusal := mysql_packet.refusal_in(payload):
                raise _RefusedError(refusal)
            payloads.append(payload)
        return payloads

    async def quit(self) -> None:
        """Say goodbye to a server that listens. What came before is what counts."""
        if self.goes_on:
            self._sequence = 0
            with contextlib.suppress(CheckFailed, LocalFault):
                await self.say(mysql_packet.QUIT)
