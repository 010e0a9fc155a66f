"""The `ssh` check against OpenSSH, and asyncssh's own server for passwords: what passes, what fails, what is left."""

import asyncio
import gc
import getpass
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import uvloop

from feedback.checks.runner import run_once
from feedback.checks.ssh import SshCheck
from feedback.model import Endpoint, Outcome
from feedback.net import Target
from feedback.secret import Secret
from tests.checks import peers
from tests.checks.peers import check_once
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.servers.sshd import Sshd, make_key, sshd

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.5
"""A deadline that is to come."""

OTHER = f"SHA256:{'A' * 43}"
USER = getpass.getuser()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """See that asyncssh logs nothing, and that asyncio has found nothing that was left."""
    yield
    gc.collect()
    records = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    assert [record for record in records if record.name.startswith(("asyncssh", "asyncio"))] == []


def login(server: Sshd, **options: Any) -> SshCheck:
    return SshCheck(user=USER, key_file=str(server.directory / "user_ed25519"), **options)


def words(server: Sshd, kind: str = "ed25519") -> str:
    """Return what the detail says of a key."""
    return f"ssh-{kind} {server.fingerprint(f'host_{kind}')}"


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_that_exchanges_keys_passes(server: Sshd, address: str) -> None:
    outcome, reason, detail = await check_once(SshCheck(), server.endpoint(address))
    assert (outcome, reason) == (Outcome.PASS, "")
    assert re.fullmatch(r"SSH-2\.0-OpenSSH_\S+.*, " + re.escape(words(server)), detail)


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_either_loop_will_do(server: Sshd, loop_factory: Any) -> None:
    async def check() -> Outcome:
        return (await run_once(login(server, command="echo hello"), Target(server.endpoint()), 30)).outcome

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(check()) is Outcome.PASS


async def test_the_key_that_is_known_passes_in_any_form(server: Sshd) -> None:
    for kind in ("ed25519", "rsa"):
        public = SshCheck(host_key=[server.public(f"host_{kind}")])
        outcome, _, detail = await check_once(public, server.endpoint())
        assert (outcome, detail.partition(", ")[2]) == (Outcome.PASS, words(server, kind))
    both = SshCheck(host_key=[OTHER, server.fingerprint("host_ed25519")], expect_banner="^SSH-2.0-OpenSSH")
    assert (await check_once(both, server.endpoint()))[0] is Outcome.PASS
    rsa = SshCheck(host_key=[server.fingerprint("host_rsa")], host_key_algorithms=["rsa-sha2-512"])
    assert (await check_once(rsa, server.endpoint()))[0] is Outcome.PASS


async def test_another_key_fails_with_both(server: Sshd) -> None:
    detail = f"key exchange: host key {words(server)}, must be {OTHER}"
    assert await check_once(SshCheck(host_key=[OTHER]), server.endpoint()) == (Outcome.FAIL, "content", detail)


async def test_another_key_ends_a_login_before_it_begins(server: Sshd) -> None:
    before = server.log()
    outcome, reason, detail = await check_once(login(server, host_key=[OTHER]), server.endpoint())
    assert (outcome, reason) == (Outcome.FAIL, "content")
    assert detail.endswith(f"host key {words(server)}, must be {OTHER}")
    await peers.until(lambda: "Host key is not trusted" in server.log().removeprefix(before))
    assert "Accepted" not in server.log().removeprefix(before)


async def test_another_version_fails(server: Sshd) -> None:
    outcome, reason, detail = await check_once(SshCheck(expect_banner="dropbear"), server.endpoint())
    assert (outcome, reason) == (Outcome.FAIL, "content")
    assert re.fullmatch(r'"SSH-2\.0-OpenSSH.*", must match dropbear', detail)


async def test_a_kind_of_key_that_the_server_does_not_have_fails(server: Sshd) -> None:
    outcome, reason, detail = await check_once(SshCheck(host_key_algorithms=["ssh-dss"]), server.endpoint())
    assert outcome is Outcome.FAIL
    assert reason in {"closed", "reset"}  # OpenSSH says why in its own log
    assert detail.startswith("key exchange: ")


async def test_a_server_of_old_ciphers_alone_fails(server: Sshd) -> None:
    keys = [str(server.directory / "host_ed25519")]
    async with asyncssh.listen("127.0.0.1", 0, server_host_keys=keys, encryption_algs=["3des-cbc"]) as listening:
        outcome, reason, detail = await check_once(SshCheck(), Endpoint("127.0.0.1", listening.get_port()))
    assert (outcome, reason) == (Outcome.FAIL, "protocol")
    assert detail.startswith("key exchange: No matching encryption algorithm found, sent ")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_login_passes_and_a_command_is_followed_by_a_goodbye(server: Sshd, address: str) -> None:
    check = login(server, host_key=[server.public("host_ed25519")])
    outcome, _, detail = await check_once(check, server.endpoint(address))
    assert outcome is Outcome.PASS
    assert detail.endswith(f", {words(server)}, logged in as {USER}")
    before = server.log()
    assert (await check_once(login(server, command="true"), server.endpoint(address)))[0] is Outcome.PASS
    await peers.until(lambda: "Disconnected by application" in server.log().removeprefix(before))


async def test_a_login_with_another_key_is_refused(server: Sshd) -> None:
    check = SshCheck(user=USER, key_file=str(server.directory / "host_ed25519"))
    outcome, reason, detail = await check_once(check, server.endpoint())
    assert (outcome, reason) == (Outcome.FAIL, "auth")
    assert detail.startswith(f"login: refused: Permission denied for user {USER}")


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ({"command": "echo hello; echo worse >&2", "expect": "^hell"}, ("pass", "", r'printed "hello\n"')),
        ({"command": "true"}, ("pass", "", 'printed ""')),
        ({"command": "exit 3"}, ("fail", "exit", "command: exit status 3, must be 0")),
        ({"command": "kill -9 $$"}, ("fail", "exit", "command: exit status -1, must be 0")),
        (
            {"command": "echo hello", "expect": "bye"},
            ("fail", "content", r'command: printed "hello\n", must match bye'),
        ),
        ({"command": "cat /dev/zero"}, ("fail", "limit", "command: it has printed 65536 bytes or more")),
    ],
)
async def test_a_command_is_run(server: Sshd, options: dict[str, str], result: tuple[str, str, str]) -> None:
    outcome, reason, detail = await check_once(login(server, **options), server.endpoint(), 30)
    assert (outcome, reason) == result[:2]
    assert detail.endswith(result[2])


async def test_a_command_that_hangs_fails_at_the_deadline(server: Sshd) -> None:
    endpoint = server.endpoint()
    result = await check_once(login(server, command="echo ready; cat"), endpoint, 2.0)
    assert result[:2] == (Outcome.FAIL, "timeout")
    assert result[2].endswith(f": no answer from {endpoint} within 2 s")  # of the command, if it got so far


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_nobody_listens(address: str) -> None:
    with peers.unheard(address) as bound:
        assert (await check_once(SshCheck(), peers.endpoint_of(bound)))[:2] == (Outcome.FAIL, "refused")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "timeout"),
        (b"SSH-1.5-old\r\n", "protocol"),
        (b"SSH-2.0-\xff\xfe\r\n", "protocol"),
        (b"SSH-2.0-new\r\n" + b"\xff" * 64, "protocol"),
        (b"SSH-2.0-new\r\n" + b"\0\0\0\x0c\x04\x14" + bytes(20), "protocol"),
        (b"a" * 100_000, "protocol"),
    ],
    ids=["http", "old", "no text", "no packet", "no key exchange", "no line"],
)
async def test_what_is_no_ssh_server_fails(said: bytes, reason: str) -> None:
    async def talk(connection: socket.socket) -> None:
        await peers.say(connection, said)
        await peers.silent(connection)

    async with peers.tcp_peer(talk) as endpoint:
        outcome, seen, detail = await check_once(SshCheck(), endpoint, 1.0 if reason == "timeout" else 10.0)
        assert (outcome, seen) == (Outcome.FAIL, reason)
        assert detail.startswith("key exchange: ")


async def test_a_server_with_too_many_connections_fails() -> None:
    async with peers.tcp_peer(peers.answering(b"Exceeded MaxStartups\r\n")) as endpoint:
        result = await check_once(SshCheck(), endpoint)
        assert result == (Outcome.FAIL, "closed", f"key exchange: {endpoint} closed the connection")


async def test_a_server_that_is_stopped_fails_at_the_deadline(server: Sshd) -> None:
    endpoint = server.endpoint()
    with stopped(server.process):
        result = await check_once(SshCheck(), endpoint, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"key exchange: no answer from {endpoint} within 0.5 s")
    assert (await check_once(SshCheck(), endpoint))[0] is Outcome.PASS


async def test_whatever_breaks_on_the_way_is_a_failure_and_leaves_nothing_open(server: Sshd) -> None:
    before, tasks = peers.descriptors(), asyncio.all_tasks()
    await fails_at_every_step(SshCheck(), server.endpoint(), 3)
    await fails_at_every_step(login(server), server.endpoint(), 3)
    await peers.until(lambda: peers.descriptors().keys() == before.keys() and asyncio.all_tasks() == tasks)


# Passwords


class _Passwords(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        del username
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("monitor", "secret")


@pytest.fixture
async def passwords(server: Sshd) -> AsyncIterator[Endpoint]:
    keys = [str(server.directory / "host_ed25519")]
    async with asyncssh.listen("127.0.0.1", 0, server_factory=_Passwords, server_host_keys=keys) as listening:
        yield Endpoint("127.0.0.1", listening.get_port())


async def test_a_password_passes_where_the_host_is_known(server: Sshd, passwords: Endpoint) -> None:
    check = SshCheck(user="monitor", password=Secret("secret"), host_key=[server.public("host_ed25519")])
    outcome, _, detail = await check_once(check, passwords)
    assert outcome is Outcome.PASS
    assert detail.endswith(", logged in as monitor")


async def test_another_password_is_refused(server: Sshd, passwords: Endpoint) -> None:
    check = SshCheck(user="monitor", password=Secret("guess"), host_key=[server.fingerprint("host_ed25519")])
    outcome, reason, detail = await check_once(check, passwords)
    assert (outcome, reason) == (Outcome.FAIL, "auth")
    assert "guess" not in detail


async def test_a_command_that_the_server_does_not_run_fails(server: Sshd, passwords: Endpoint) -> None:
    known: dict[str, Any] = {"host_key": [server.public("host_ed25519")], "password": Secret("secret")}
    outcome, reason, _ = await check_once(SshCheck(user="monitor", command="id", **known), passwords)
    assert (outcome, reason) == (Outcome.FAIL, "status")


# Options


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"user": "a"}, "must have both user and key_file or password, or none of them"),
        ({"key_file": "a"}, "must have both user and key_file or password, or none of them"),
        ({"user": "a", "password": Secret("b")}, "password: would be sent to whoever answers: set host_key"),
        ({"command": "id"}, "command: goes with user"),
        ({"expect": "a"}, "expect: goes with command"),
        ({"expect_banner": "("}, "expect_banner: must be a regular expression: "),
        ({"host_key": ["MD5:12:34"]}, "host_key: must be a fingerprint, like SHA256:..., or a public key"),
        ({"host_key_algorithms": ["rot13"]}, "host_key_algorithms: rot13 is not a valid host key algorithm"),
        ({"user": "a", "key_file": "/nowhere"}, "key_file: /nowhere can't be read: No such file or directory"),
        ({"user": "a", "key_file": __file__}, f"key_file: {__file__} can't be used: "),
    ],
)
async def test_options_that_mean_nothing_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}"):
        SshCheck(**options)


async def test_a_key_with_a_passphrase_is_refused(tmp_path: Path) -> None:
    locked = make_key(tmp_path, "locked", "ed25519", "open sesame")
    with pytest.raises(ValueError, match=r"^key_file: .*/locked can't be used: "):
        SshCheck(user="a", key_file=str(locked))
