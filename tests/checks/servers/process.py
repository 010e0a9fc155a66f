"""Real servers for tests: started in the foreground with their own files, ended with their whole process group."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from feedback.model import Endpoint

START_SECONDS = 60.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02

Ready = Callable[[], bool]


class ServerError(Exception):
    """A server did not start; the message has the end of what it logged."""


def program(name: str, package: str) -> str:
    """Return the path of a server's program, also where PATH has no sbin."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        raise FileNotFoundError(f"there is no {name} here: apt-get install {package}")
    return found


def copied(name: str, package: str, directory: Path) -> str:
    """Return the path of a copy of a server's program in a directory.

    AppArmor's profiles go by the path: where Debian's are loaded, the program itself may read its package's files only.
    """
    return str(shutil.copy(program(name, package), directory))


def free_port() -> int:
    """Return a port that is free on both loopback addresses, for TCP and UDP, and that no client is given by chance."""
    while True:
        port = random.randrange(10_000, 32_000)  # below the kernel's range for outgoing connections
        if all(_is_free(port, address, kind) for address in ("127.0.0.1", "::1") for kind in _KINDS):
            return port


_KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM)


def _is_free(port: int, address: str, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def accepts(*endpoints: Endpoint) -> Ready:
    """Return what says whether connections to all of these are accepted."""

    def ready() -> bool:
        for endpoint in endpoints:
            try:
                socket.create_connection((endpoint.address, endpoint.port), 1.0).close()
            except OSError:
                return False
        return True

    return ready


@contextlib.contextmanager
def running(
    command: Sequence[str],
    directory: Path,
    ready: Ready,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server within the block, from when it is ready. What it prints goes to the file `log` of the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "log"
    with log.open("ab") as output:
        server = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    try:
        _wait(server, ready, log)
        yield server
    finally:
        end(server)


def _wait(server: subprocess.Popen[bytes], ready: Ready, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if server.poll() is not None:
            raise ServerError(f"{server.args!r} ended with {server.returncode}: {_last_words(log)}")
        if time.monotonic() > deadline:
            raise ServerError(f"{server.args!r} is not ready after {START_SECONDS} s: {_last_words(log)}")
        time.sleep(POLL_SECONDS)


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def end(server: subprocess.Popen[bytes]) -> None:
    """End a server and everything in its process group, also when it is stopped."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGCONT)
        server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


@contextlib.contextmanager
def stopped(server: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a server and all its processes within the block, as a hanging host would: the kernel still accepts."""
    os.killpg(server.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, server.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # its threads stop one after the other
    try:
        yield
    finally:
        os.killpg(server.pid, signal.SIGCONT)
