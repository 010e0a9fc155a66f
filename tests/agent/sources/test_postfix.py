"""The queue of a real Postfix, as root sees it and as one who may only ask showq, or not even that."""

import grp
import json
import os
import pwd
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback.agent.sources import postfix as source_module
from feedback.agent.sources.postfix import PostfixSource
from feedback.agent.stream import DeniedError
from tests.agent.failing import GARBAGE, failure
from tests.agent.servers import saying, served
from tests.checks.servers.postfix import Postfix, postfix
from tests.checks.servers.process import free_port
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

MESSAGES = 3
SAMPLING = """
import asyncio, json, os, sys
from feedback.agent.sources.postfix import PostfixSource
from feedback.checks.codecs import postfix_queue
os.setgroups([int(group) for group in sys.argv[2:]])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
try:
    print(json.dumps(asyncio.run(PostfixSource(directory=sys.argv[1], limit=6).sample()).ratio))
except Exception as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postfix]:
    """Run a Postfix in whose queue mail waits: whom it is to be handed to is not there."""
    pair = Authority(tmp_path_factory.mktemp("authority")).issue("mail", "DNS:mail.example.com")
    with postfix(pair, pair, free_port(), free_port(), "local_transport = lmtp:unix:nobody\n") as running:
        public = running.directory / "queue" / "public"
        os.chown(public, pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid)
        public.chmod(0o2710)
        for name in ("incoming", "active", "deferred", "hold", "maildrop"):
            (running.directory / "queue" / name).chmod(0o700)
        for _ in range(MESSAGES):
            with smtplib.SMTP("127.0.0.1", running.ports["smtp"]) as client:
                client.sendmail("sender@example.org", ["user@example.com", "postmaster@example.com"], b"a letter")
        yield running


def sampled(directory: Path, *groups: str) -> object:
    """Return what the source says in a process of nobody's with these groups."""
    ids = [str(grp.getgrnam(name).gr_gid) for name in groups]
    command = [sys.executable, "-c", SAMPLING, str(directory), *ids]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=30).stdout)


def denied(*_: object) -> int:
    raise DeniedError("can't read it")


async def test_mail_is_counted_in_the_directories(server: Postfix) -> None:
    source = PostfixSource(directory=f"{server.directory}/queue", limit=6)
    assert (await source.sample()).ratio == MESSAGES / 6


async def test_who_may_not_read_them_asks_showq(server: Postfix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "count_files", denied)
    source = PostfixSource(directory=f"{server.directory}/queue", limit=6)
    assert (await source.sample()).ratio == MESSAGES / 6
    held = PostfixSource(directory=f"{server.directory}/queue", limit=6, queues=("hold",))
    assert (await held.sample()).ratio == 0


def test_the_group_postdrop_is_enough_and_without_it_one_is_told(server: Postfix) -> None:
    queue = server.directory / "queue"
    assert sampled(queue, "postdrop") == MESSAGES / 6
    assert sampled(queue) == (
        f"can't see the queue in {queue}: Permission denied: add the agent's user to the group postdrop"
    )


async def test_garbage_in_place_of_showq_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "count_files", denied)
    source = PostfixSource(directory=str(tmp_path), limit=6)
    assert (await failure(source)).startswith(f"can't connect to {tmp_path}/public/showq: No such file")
    (tmp_path / "public").mkdir()
    for said in (*GARBAGE, b"\0more\0"):
        if said == b"\0":
            continue  # an empty queue
        async with served(saying(said, first=True), tmp_path / "public" / "showq") as place:
            assert (await failure(source)).startswith(f"{place}: ")
        (tmp_path / "public" / "showq").unlink(missing_ok=True)
