"""The `redis` check: PING, a login, the server's role, and how long ago a replica heard from its master."""

from collections.abc import Mapping
from typing import Annotated, Literal

from feedback.checks.codecs import resp
from feedback.checks.codecs.resp import Bulk, Refusal
from feedback.checks.credentials import Password
from feedback.checks.secured import TlsCheck
from feedback.errors import CheckFailed, Reason
from feedback.net import Net, Stream, Target
from feedback.options import Duration, show_duration

_ROLES = {"slave": "replica"}


class RedisCheck(TlsCheck, name="redis"):
    """Pass when Redis, or what speaks like it, answers PING, and is what the options say.

    A server that reads its data in (LOADING), or wants a password that is not given (NOAUTH), fails. Sentinel answers
    PING, too. The password goes over the network as it is: use `tls` where others can listen.

    `max_lag` passes a master. A replica must be connected to its master, and have heard from it so lately. A master
    with nothing to say sends a word every `repl-ping-replica-period`, which is 10 seconds unless it is configured: less
    than that would make idle replicas fail. The account needs the commands PING and INFO.

    Examples:

        - redis: {}
        - redis: {password: secret, role: master}
        - redis: {user: monitor, password: secret, tls: true, role: replica, max_lag: 15s}
    """

    tls: Annotated[bool, "speak TLS from the start"] = False
    user: Annotated[str | None, "user to log in as, by default the server's default user"] = None
    password: Annotated[Password | None, "that user's password"] = None
    role: Annotated[Literal["master", "replica"] | None, "what the server must be"] = None
    max_lag: Annotated[Duration | None, "how long ago a replica may have heard from its master"] = None

    def __post_init__(self) -> None:
        if self.user is not None and self.password is None:
            raise ValueError("user: goes with password, and there is none")
        super().__post_init__()

    def speaks_tls(self) -> bool:
        """Return whether TLS is asked for."""
        return self.tls

    async def probe(self, target: Target, net: Net) -> str:
        """Log in, ask for a sign of life, and for the role."""
        async with net.connect_tcp(target, brief=True) as stream:
            told = [await self.secure(stream, target)] if self.tls else []
            if self.password is not None:
                net.stage("AUTH")
                await _log_in(stream, *filter(None, (self.user, self.password.reveal())))
            net.stage("PING")
            pong = await _ask(stream, "PING")
            if pong != "PONG":
                raise CheckFailed(Reason.CONTENT, f'"{pong}", must be "PONG"')
            if self.role is not None or self.max_lag is not None:
                net.stage("INFO replication")
                told.append(self._judge(resp.read_info(await _ask(stream, "INFO", "replication"))))
            return ", ".join(filter(None, [pong, *told]))

    def _judge(self, info: Mapping[str, str]) -> str:
        """Return the server's role and lag in words. Raises CheckFailed when one of them is not as it must be."""
        said = info.get("role", "")
        role = _ROLES.get(said, said)
        if role not in {"master", "replica"}:
            raise CheckFailed(Reason.CONTENT, "the server does not say whether it is a master or a replica")
        if self.role not in {None, role}:
            raise CheckFailed(Reason.CONTENT, f"the server is a {role}, must be a {self.role}")
        if self.max_lag is None or role == "master":
            return role
        if info.get("master_link_status") != "up":
            raise CheckFailed(Reason.CONTENT, "the replica is not connected to its master")
        seconds = _seconds(info.get("master_last_io_seconds_ago", ""))
        if seconds > self.max_lag:
            limit = show_duration(self.max_lag)
            raise CheckFailed(Reason.CONTENT, f"heard from its master {seconds} s ago, must be {limit} at most")
        return f"replica, heard from its master {seconds} s ago"


async def _log_in(stream: Stream, *words: str) -> None:
    """Log in. Whatever the server has against it, older ones call an error like any other."""
    answer = await _hear(stream, resp.command("AUTH", *words))
    if answer != "OK":
        raise CheckFailed(Reason.AUTH, answer.words if isinstance(answer, Refusal) else f'"{answer}", must be "OK"')


async def _ask(stream: Stream, *words: str) -> str:
    """Return the answer to a command. Raises CheckFailed when that is an error."""
    answer = await _hear(stream, resp.command(*words))
    if isinstance(answer, Refusal):
        raise CheckFailed(Reason.AUTH if answer.is_of_login else Reason.STATUS, answer.words)
    return answer


async def _hear(stream: Stream, command: bytes) -> str | Refusal:
    await stream.write(command)
    answer = resp.read_line(await stream.read_until(b"\r\n", resp.LINE_LIMIT_BYTES))
    if isinstance(answer, Bulk):
        return resp.read_bulk(await stream.read_exactly(answer.count + 2))
    return answer


def _seconds(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise CheckFailed(Reason.PROTOCOL, f'master_last_io_seconds_ago must be a number, not "{text}"') from None
