"""Programs of the `exec` check, really run: their ends, their children, their output, and what they inherit."""

import asyncio
import os
import signal
import tracemalloc
from pathlib import Path

import pytest

from feedback.checks.exec import ExecCheck
from feedback.checks.runner import Runner
from feedback.engine import Engine
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Net, Target
from tests.checks import peers
from tests.checks.peers import check_once, until

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.4
"""A deadline that is to come."""

HERE = Endpoint("127.0.0.1", 80)


def shell(script: str) -> ExecCheck:
    return ExecCheck(command=["/bin/sh", "-c", script])


async def pid_in(path: Path) -> int:
    """Return the process id that a script writes into a file, by renaming one."""
    await until(path.exists)
    return peers.pid_in(path)


def telling(path: Path, what: str = "$!") -> str:
    """Return the words of a script that write a process id into a file."""
    return f"echo {what} > {path}.new; mv {path}.new {path}"


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("echo 'OK - fine | a=1'; echo more", (Outcome.PASS, "", "OK - fine")),
        ("echo slow; exit 1", (Outcome.PASS, "", "warning: slow")),
        ("echo gone >&2; exit 2", (Outcome.FAIL, "exit", "gone")),
        ("echo eh; exit 3", (Outcome.UNKNOWN, "local", "/bin/sh exited with status 3: eh")),
        ("kill -SEGV $$", (Outcome.UNKNOWN, "local", "/bin/sh was killed by SIGSEGV")),
        ("echo $FEEDBACK_ADDRESS $FEEDBACK_PORT $FEEDBACK_SERVICE", (Outcome.PASS, "", "127.0.0.1 80 web")),
        ("read line || echo nothing to read", (Outcome.PASS, "", "nothing to read")),
    ],
)
async def test_the_end_of_a_program_is_the_outcome(script: str, wanted: tuple[Outcome, str, str]) -> None:
    assert await check_once(shell(script), HERE) == wanted


async def test_a_program_is_told_what_it_checks_in_its_arguments() -> None:
    check = ExecCheck(command=["echo", "{address}", "{port}", "{destination}"])
    assert await check_once(check, HERE) == (Outcome.PASS, "", "127.0.0.1 80 rs1")


async def test_a_program_that_is_not_there_says_nothing_of_the_service(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    result = await check_once(ExecCheck(command=[missing]), HERE)
    assert result == (Outcome.UNKNOWN, "local", f"{missing} can't be started: No such file or directory")


@pytest.mark.parametrize(
    ("mode", "text", "words"),
    [(0o644, "#!/bin/sh\n", "Permission denied"), (0o755, "echo hello\n", "Exec format error")],
)
async def test_a_file_that_is_no_program_says_nothing_of_the_service(
    tmp_path: Path, mode: int, text: str, words: str
) -> None:
    file = tmp_path / "check_it"
    file.write_text(text)
    file.chmod(mode)
    result = await check_once(ExecCheck(command=[str(file)]), HERE)
    assert result == (Outcome.UNKNOWN, "local", f"{file} can't be started: {words}")


async def test_a_program_that_hangs_is_killed_with_its_children_and_reaped(tmp_path: Path) -> None:
    children = f"trap '' TERM; sleep 1000 & {telling(tmp_path / 'child')}; {telling(tmp_path / 'shell', '$$')}; wait"
    before = peers.descriptors()
    result = await check_once(shell(children), HERE, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", "no end of /bin/sh within 0.4 s")
    assert not peers.is_listed(await pid_in(tmp_path / "shell"))  # not even as a zombie
    child = await pid_in(tmp_path / "child")
    await until(lambda: not peers.is_running(child))
    assert peers.descriptors() == before


async def test_what_a_program_leaves_behind_in_its_group_is_killed_at_its_end(tmp_path: Path) -> None:
    result = await check_once(shell(f"sleep 1000 & {telling(tmp_path / 'child')}; echo done"), HERE)
    assert result == (Outcome.PASS, "", "done")
    child = await pid_in(tmp_path / "child")
    await until(lambda: not peers.is_running(child))


async def test_a_daemon_that_holds_the_output_open_does_not_hold_the_check(tmp_path: Path) -> None:
    daemon = f"setsid sh -c '{telling(tmp_path / 'daemon', '$$')}; exec sleep 1000' & "
    waiting = f"while [ ! -e {tmp_path / 'daemon'} ]; do sleep 0.01; done; echo started"
    before = peers.descriptors()
    assert await check_once(shell(daemon + waiting), HERE) == (Outcome.PASS, "", "started")
    pid = await pid_in(tmp_path / "daemon")
    assert peers.is_running(pid)
    os.kill(pid, signal.SIGKILL)
    assert peers.descriptors() == before


async def test_a_program_that_closes_its_output_and_hangs_is_killed() -> None:
    result = await check_once(shell("exec >&- 2>&-; exec sleep 1000"), HERE, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", "no end of /bin/sh within 0.4 s")


@pytest.mark.parametrize(
    "script", ["exec yes", "exec yes >&2", "yes & exec yes >&2", "trap '' TERM; while :; do yes; done"]
)
async def test_output_without_end_is_cut_off_and_little_is_held(script: str) -> None:
    tracemalloc.start()
    try:
        outcome, reason, detail = await check_once(shell(script), HERE)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (outcome, reason) == (Outcome.UNKNOWN, "local")  # the program's fault, not the service's
    assert detail.startswith("/bin/sh was stopped: it printed more than ")
    assert peak_bytes < 4 * 1024 * 1024


async def test_a_program_that_prints_more_than_is_kept_is_not_held_up() -> None:
    result = await check_once(shell("echo OK; head -c 500000 /dev/zero; head -c 500000 /dev/zero >&2"), HERE)
    assert result == (Outcome.PASS, "", "OK")


async def test_a_line_without_end_is_shortened() -> None:
    outcome, _, detail = await check_once(shell("head -c 1000000 /dev/zero | tr '\\0' a"), HERE)
    assert outcome is Outcome.PASS
    assert len(detail) <= 300
    assert detail.startswith("aaa")


async def test_a_program_inherits_no_socket_of_another_check() -> None:
    async def probe(target: Target, net: Net) -> str:
        async with net.connect_tcp(target):
            listing = await net.run(["/bin/ls", "-l", "/proc/self/fd"], {}, 10_000)
            return str(listing.stdout.count(b"socket:"))

    with peers.listener() as listening:
        result = await check_once(peers.MadeCheck(function=probe), peers.endpoint_of(listening))
        assert result == (Outcome.PASS, "", "0")


async def test_many_programs_at_once_end_each_with_its_own_status() -> None:
    checks = [shell(f"sleep 0.0{number % 7}; echo {number}; exit {number % 3}") for number in range(60)]
    results = await asyncio.gather(*(check_once(check, HERE, 30.0) for check in checks))
    for number, (outcome, _, detail) in enumerate(results):
        assert outcome is (Outcome.FAIL if number % 3 == 2 else Outcome.PASS)
        assert detail.endswith(str(number))


async def test_cancelling_kills_the_program_and_its_end_is_reaped_by_the_engine(tmp_path: Path) -> None:
    before = peers.descriptors()
    engine = Engine(asyncio.get_running_loop())
    results: list[CheckResult] = []
    check = shell(f"{telling(tmp_path / 'shell', '$$')}; exec sleep 1000")
    handle = Runner(engine).start(check, Target(HERE), 30.0, results.append)
    pid = await pid_in(tmp_path / "shell")
    handle.cancel()
    await until(lambda: not peers.is_listed(pid))
    engine.close()
    assert results == []
    assert peers.descriptors() == before
