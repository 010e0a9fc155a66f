"""The agent as a process, against a director on loopback."""

import asyncio
import contextlib
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from feedback.report import Goodbye, Hello, Wish, decode_agent_frame
from tests.agent.director_server import DirectorServer, until
from tests.places import own_address

pytestmark = pytest.mark.loopback


class AgentFiles:
    """An agent's configuration, control socket and token in a directory of their own."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "agent.yaml"
        self.control = directory / "agent.sock"
        self.wish = directory / "agent.sock.drain"
        self.token = directory / "token"

    def write(self, *directors: str, metrics: str = "load: {}", token: str = "") -> None:
        lines = ["agent:", "  name: rs1", f"  directors: [{', '.join(directors)}]", "  interval: 100ms"]
        lines.append(f"  control: {self.control}")
        if token:
            self.token.write_text(token)
            self.token.chmod(0o600)
            lines.append(f"  token_file: {self.token}")
        self.config.write_text("\n".join([*lines, f"metrics: {{{metrics}}}", ""]))

    def command(self, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "feedback", "agent", "--config", str(self.config), *arguments)


@pytest.fixture
def files(tmp_path: Path) -> AgentFiles:
    return AgentFiles(tmp_path)


@contextlib.asynccontextmanager
async def running(files: AgentFiles) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running agent; killed at the end unless it has ended."""
    process = await asyncio.create_subprocess_exec(*files.command(), stderr=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.communicate()


async def command(files: AgentFiles, *arguments: str) -> tuple[int, str, str]:
    """Run a command to its end; return its exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *files.command(*arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stdout.decode(), stderr.decode()


def read_process(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/task/{pid}/{name}").read_text()


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Wait until the agent has ended by itself; return its exit status and log."""
    async with asyncio.timeout(20):
        _, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stderr.decode()


async def test_an_agent_says_hello_and_then_reports_at_its_interval(files: AgentFiles) -> None:
    async with DirectorServer() as director:
        files.write(director.url, metrics="load: {}, cpu: {}, memory: {}")
        async with running(files):
            await until(lambda: len(director.reports) >= 3, "three reports")
        assert director.frames[0] == Hello("rs1", interval_seconds=0.1)
        assert director.paths == ["/agent"]
        assert director.hosts == [f"127.0.0.1:{director.port}"]
        assert [report.sequence for report in director.reports[:3]] == [1, 2, 3]
        assert sorted(director.reports[0].metrics) == ["cpu", "load", "memory"]


async def test_an_agent_that_runs_has_nothing_of_what_reads_its_configuration(files: AgentFiles) -> None:
    async with DirectorServer() as director:
        files.write(director.url)
        async with running(files) as process:
            await until(lambda: len(director.reports) >= 1, "a report")
            libraries, children = read_process(process.pid, "maps"), read_process(process.pid, "children")
        assert "msgspec" in libraries
        assert "yaml" not in libraries
        assert not children, "the one that has read it is gone"


async def test_a_configuration_that_is_wrong_is_said_once_and_nothing_runs(files: AgentFiles) -> None:
    files.write("ws://127.0.0.1:9/agent", metrics="cpu: {interval: 0}")
    status, _, stderr = await command(files)
    assert status == 2
    assert stderr.count("metrics.cpu.interval") == 1


async def test_every_director_gets_every_report(files: AgentFiles) -> None:
    async with DirectorServer() as one, DirectorServer() as two:
        files.write(one.url, two.url)
        async with running(files):
            await until(lambda: min(len(one.reports), len(two.reports)) >= 3, "three reports each")
    last = [{report.sequence: report for report in director.reports} for director in (one, two)]
    both = last[0].keys() & last[1].keys()
    assert both
    assert all(last[0][sequence] == last[1][sequence] for sequence in both)


async def test_an_agent_comes_back_to_a_director_that_was_restarted(files: AgentFiles) -> None:
    director = DirectorServer()
    async with director:
        files.write(director.url)
        agents = running(files)
        process = await agents.__aenter__()
        await until(lambda: bool(director.reports), "a report")
    try:
        async with director:
            await until(lambda: len(director.hellos) == 2, "a second hello")
            before = len(director.reports)
            await until(lambda: len(director.reports) > before, "a report after it")
        assert process.returncode is None
    finally:
        await agents.__aexit__(None, None, None)


async def test_one_director_that_is_away_does_not_keep_reports_from_another(files: AgentFiles) -> None:
    async with DirectorServer() as away:
        pass
    async with DirectorServer() as director:
        files.write(away.url, director.url)
        async with running(files):
            await until(lambda: len(director.reports) >= 3, "three reports")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_agent_that_is_told_to_end_says_goodbye_and_exits_with_0(
    files: AgentFiles, number: signal.Signals
) -> None:
    async with DirectorServer() as one, DirectorServer() as two:
        files.write(one.url, two.url)
        async with running(files) as process:
            await until(lambda: bool(one.reports and two.reports), "reports")
            process.send_signal(number)
            status, _ = await ended(process)
        assert status == 0
        for director in (one, two):
            assert director.frames[-1] == Goodbye("the agent was told to end")
        assert not files.control.exists()


async def test_an_agent_ends_in_time_though_a_director_does_not_read(files: AgentFiles) -> None:
    async with DirectorServer(reads=False) as deaf, DirectorServer() as director:
        files.write(deaf.url, director.url)
        async with running(files) as process:
            await until(lambda: bool(deaf.attempts and director.reports), "both connected")
            process.terminate()
            status, _ = await ended(process)
        assert status == 0
        assert director.goodbyes == [Goodbye("the agent was told to end")]


async def test_an_agent_listens_nowhere_unless_it_is_asked_to(files: AgentFiles) -> None:
    async with DirectorServer() as director:
        files.write(director.url, metrics="load: {}, sockets: {port: 1}, systemd: {unit: nginx}")
        async with running(files) as process:
            await until(lambda: len(director.reports) >= 2, "reports")
            assert ports_open_to_others(process.pid) == set()
        address = own_address()
        with files.config.open("a") as config:
            config.write(f"agent_check: {{listen: '{address}:5000'}}\nprometheus: {{listen: '{address}:9101'}}\n")
        async with running(files) as process:
            await until(lambda: len(director.hellos) == 2, "a second hello")
            assert ports_open_to_others(process.pid) == {5000, 9101}


async def test_the_host_can_ask_for_its_own_drain_and_take_it_back(files: AgentFiles) -> None:
    async with DirectorServer() as one, DirectorServer() as two:
        files.write(one.url, two.url)
        async with running(files):
            await until(lambda: bool(one.reports and two.reports), "reports")
            assert stat.S_IMODE(files.control.stat().st_mode) == 0o600
            assert await command(files, "--drain") == (0, "rs1: drain accepted by 2 of 2 directors\n", "")
            assert await command(files, "--ready") == (0, "rs1: ready accepted by 2 of 2 directors\n", "")
        for director in (one, two):
            assert [frame.wish for frame in director.wishes] == [Wish.DRAIN, Wish.READY]


async def test_a_drain_outlives_the_agent(files: AgentFiles) -> None:
    async with DirectorServer() as director:
        files.write(director.url)
        async with running(files) as process:
            await until(lambda: bool(director.reports), "a report")
            await command(files, "--drain")
            process.terminate()
            await ended(process)
        assert files.wish.exists()
        async with running(files):
            await until(lambda: len(director.hellos) == 2, "a second hello")
            await command(files, "--ready")
        assert [hello.wish for hello in director.hellos] == [Wish.READY, Wish.DRAIN]
        assert not files.wish.exists()


async def test_a_director_that_is_away_hears_of_the_drain_when_it_is_back(files: AgentFiles) -> None:
    away = DirectorServer()
    async with away:
        pass
    async with DirectorServer() as director:
        files.write(director.url, away.url)
        async with running(files):
            await until(lambda: bool(director.reports), "a report")
            status, printed, _ = await command(files, "--drain")
            assert status == 0
            assert printed == f"rs1: drain accepted by 1 of 2 directors; {away.url}: not connected\n"
            async with away:
                await until(lambda: bool(away.hellos), "a hello")
                assert away.hellos[0].wish is Wish.DRAIN


async def test_a_drain_that_no_director_has_heard_is_a_failure(files: AgentFiles) -> None:
    async with DirectorServer() as away:
        pass
    files.write(away.url)
    async with running(files):
        await until(files.control.exists, "the control socket")
        status, printed, error = await command(files, "--drain")
    assert (status, printed) == (1, "")
    assert error == (
        f"feedback agent: rs1: drain accepted by 0 of 1 directors; {away.url}: not connected; "
        "the agent keeps the wish, and says it whenever it connects\n"
    )


async def test_drain_without_a_running_agent_is_a_sentence(files: AgentFiles) -> None:
    files.write("ws://127.0.0.1:9/agent")
    status, printed, error = await command(files, "--drain")
    assert (status, printed) == (1, "")
    assert error == f"feedback agent: no agent is running here: nothing answers at {files.control}\n"


async def test_a_second_agent_on_the_same_socket_is_refused(files: AgentFiles) -> None:
    async with DirectorServer() as director:
        files.write(director.url)
        async with running(files):
            await until(files.control.exists, "the control socket")
            status, _, error = await command(files)
            assert status == 1
            assert f"another agent is running: it answers at {files.control}" in error
            assert await command(files, "--ready") == (0, "rs1: ready accepted by 1 of 1 directors\n", "")


async def test_a_socket_left_by_an_agent_that_was_killed_is_taken_over(files: AgentFiles) -> None:
    async with DirectorServer() as director:
        files.write(director.url)
        async with running(files) as process:
            await until(files.control.exists, "the control socket")
            process.kill()
            await ended(process)
    assert files.control.exists()
    async with DirectorServer() as director:  # which has not heard of the first one
        files.write(director.url)
        async with running(files):
            await until(lambda: bool(director.hellos), "a hello")
            assert (await command(files, "--ready"))[0] == 0


async def test_the_token_is_sent_and_never_logged(files: AgentFiles) -> None:
    async with DirectorServer(token="s3cret-of-the-test") as director:
        files.write(director.url, token="s3cret-of-the-test")
        async with running(files) as process:
            await until(lambda: bool(director.reports), "a report")
            process.terminate()
            status, log = await ended(process)
    assert status == 0
    assert "s3cret" not in log


async def test_a_refused_token_is_logged_with_the_directors_words_and_asked_again_late(files: AgentFiles) -> None:
    async with DirectorServer(token="right") as strict, DirectorServer() as director:
        files.write(strict.url, director.url, token="wrong-token-of-the-test")
        async with running(files) as process:
            await until(lambda: strict.attempts == 1 and len(director.reports) >= 10, "ten reports elsewhere")
            process.terminate()
            status, log = await ended(process)
    assert status == 0
    assert strict.attempts == 1
    assert "the director refused with HTTP status 401: the token is wrong" in log
    assert "wrong-token" not in log
    assert "Traceback" not in log


@pytest.mark.parametrize("garbage", [b"\xff\xfe garbage", b"\x81\xa4type\xa6hello!", b"x" * 100_000])
async def test_garbage_from_a_director_ends_that_connection_and_nothing_else(files: AgentFiles, garbage: bytes) -> None:
    async with DirectorServer(greet=garbage) as broken, DirectorServer() as director:
        files.write(broken.url, director.url)
        async with running(files) as process:
            await until(lambda: len(broken.hellos) >= 2, "another attempt")
            await until(lambda: len(director.reports) >= 3, "three reports elsewhere")
            assert process.returncode is None
    assert len(director.hellos) == 1


async def test_a_director_sees_at_once_that_an_agent_was_killed(files: AgentFiles) -> None:
    async with DirectorServer() as director:
        files.write(director.url)
        async with running(files) as process:
            await until(lambda: bool(director.reports), "a report")
            process.kill()
            await until(lambda: director.ended == 1, "the end of the connection")


async def test_a_hanging_source_is_killed_and_reported_and_delays_nothing(files: AgentFiles, tmp_path: Path) -> None:
    marks = tmp_path / "pids"
    script = f"echo $$ >> {marks}; sleep 600 & echo $! >> {marks}; wait"
    metrics = f"load: {{}}, jobs: {{source: exec, command: [sh, -c, '{script}'], timeout: 300ms}}"
    async with DirectorServer() as director:
        files.write(director.url, metrics=metrics)
        async with running(files):
            failure = "no answer within 0.3 s"
            await until(lambda: any(r.failures.get("jobs") == failure for r in director.reports), "the failure")
            await until(lambda: len(director.reports) >= 10, "ten reports")
        assert all("load" in report.metrics for report in director.reports)
        pids = [int(line) for line in marks.read_text().split()]
        await until(lambda: len(alive(pids)) <= 2, "at most the last run's processes")


async def test_once_prints_one_report_as_json(files: AgentFiles) -> None:
    files.write("ws://127.0.0.1:9/agent", metrics="load: {}, cpu: {}, jobs: {source: exec, command: ['false']}")
    status, printed, _ = await command(files, "--once")
    assert status == 0
    report = decode_agent_frame(msgspec.msgpack.encode(msgspec.json.decode(printed)))
    assert sorted(report.metrics) == ["cpu", "load"]  # type: ignore[union-attr]
    assert report.failures == {"jobs": "the program ended with status 1: silent"}  # type: ignore[union-attr]


def ports_open_to_others(pid: int) -> set[int]:
    """Return the ports on which a process can be spoken to first: TCP that listens, and all UDP."""
    descriptors = {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}
    listening, rows = "0A", [("tcp", row) for name in ("tcp", "tcp6") for row in table(name)]
    rows += [("udp", row) for name in ("udp", "udp6") for row in table(name)]
    return {
        int(row[1].rpartition(":")[2], 16)
        for protocol, row in rows
        if f"socket:[{row[9]}]" in descriptors and (protocol == "udp" or row[3] == listening)
    }


def table(name: str) -> list[list[str]]:
    """Return the rows of a table of sockets in proc(5): the local address in 1, the state in 3, the inode in 9."""
    return [line.split() for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]
