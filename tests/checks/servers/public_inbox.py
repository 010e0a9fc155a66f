"""A real news server for tests: public-inbox-nntpd, in clear, with STARTTLS, and in TLS from the start."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from feedback.model import Endpoint
from tests.checks import peers
from tests.checks.servers import process
from tests.checks.tls_files import Pair

GROUP = "example.announce"
PACKAGE = "public-inbox"


class NewsServer(msgspec.Struct, frozen=True):
    """Its process, and the ports on which it listens."""

    process: subprocess.Popen[bytes]
    nntp: int
    nntps: int


@contextlib.contextmanager
def public_inbox(directory: Path, pair: Pair) -> Iterator[NewsServer]:
    """Run it within the block, with one empty newsgroup."""
    settings = {"HOME": str(directory), "PI_CONFIG": str(directory / "config")}
    box = str(directory / "box.git")
    _run(["public-inbox-init", "-V1", "--ng", GROUP, GROUP, box, "http://127.0.0.1/", "box@example.com"], settings)
    _run(["public-inbox-index", box], settings)
    nntp = process.free_port()
    nntps = process.free_port()
    endpoints = {
        name: [Endpoint(address, port) for address in peers.ADDRESSES]
        for name, port in (("nntp", nntp), ("nntps", nntps))
    }
    listen = [f"--listen={name}://{endpoint}" for name, listening in endpoints.items() for endpoint in listening]
    command = [process.program("public-inbox-nntpd", PACKAGE), "--worker-processes=0", *listen]
    command += [f"--cert={pair.certificate}", f"--key={pair.key}"]
    ready = process.accepts(*endpoints["nntp"], *endpoints["nntps"])
    with process.running(command, directory, ready, settings) as server:
        yield NewsServer(process=server, nntp=nntp, nntps=nntps)


def _run(command: Sequence[str], settings: Mapping[str, str]) -> None:
    path = process.program(command[0], PACKAGE)
    environment = {**os.environ, **settings}
    subprocess.run([path, *command[1:]], env=environment, check=True, capture_output=True, timeout=60)
