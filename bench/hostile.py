"""What an agent that means harm costs the director: `python bench/hostile.py [--seconds 5] [--runs 3]`."""

import argparse
import asyncio
import contextlib
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp
import msgspec
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from measure import cpu_seconds, in_role, line_of, median_and_range, resident_mb, table
from reports import METRICS, Nothing

from feedback.director.agents import Agents
from feedback.director.api import make_app
from feedback.director.config import TlsConfig
from feedback.director.counts import Counts
from feedback.director.link import CutOffError, Refusal
from feedback.director.listen import Listener, serving
from feedback.director.receive import Receiver
from feedback.director.secure import Tls
from feedback.model import Endpoint
from feedback.pki.store import Store
from feedback.report import Hello, Report, encode

CONNECTIONS = 1000
WARM_UP_SECONDS = 4.0
PAUSE_SECONDS = 0.002

METHOD = """\
One host on loopback does one thing as fast as it can, in a process of its own, to a director with the receiver, the
API and TLS with certificates, on uvloop. CPU time (user and system, /proc/PID/stat) of the director's process for each
second, over {seconds:g} s after {warm_up:g} s of warming up, in which the bursts that are allowed pass. {runs} runs,
each with new processes: median, and in brackets the lowest and the highest. Memory: what the director's resident
memory has grown by. `one good agent` sends a report of {metrics} metrics each second."""


class Result(msgspec.Struct, frozen=True):
    """One run: CPU milliseconds a second, and megabytes of memory."""

    milliseconds: float
    grown_mb: float


class Ends(msgspec.Struct, frozen=True):
    """Where the director is, and by what it knows the host."""

    port: int
    context: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


Deed = Callable[[Ends], Awaitable[None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one run (default: 5)")
    parser.add_argument("--runs", type=int, default=3, help="runs (default: 3)")
    parser.add_argument("--role", choices=("director", *DEEDS), help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "director":
        uvloop.run(direct(arguments.directory))
    elif arguments.role:
        uvloop.run(do(DEEDS[arguments.role], Ends(arguments.port, context_of(arguments.directory))))
    else:
        report(arguments.seconds, arguments.runs)


def report(seconds: float, runs: int) -> None:
    print(METHOD.format(seconds=seconds, warm_up=WARM_UP_SECONDS, runs=runs, metrics=len(METRICS)), end="\n\n")
    rows = []
    for role in DEEDS:
        results = [measure(role, seconds) for _ in range(runs)]
        rows.append(
            (
                role,
                median_and_range([result.milliseconds for result in results], 2),
                median_and_range([result.grown_mb for result in results], 1),
            )
        )
    print(table(("one host", "CPU ms per second", "MB"), rows))


def measure(role: str, seconds: float) -> Result:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        prepare(directory)
        director = stack.enter_context(in_role(__file__, "--role", "director", "--directory", str(directory)))
        port = line_of(director)
        before_mb = resident_mb(director.pid)
        host = stack.enter_context(in_role(__file__, "--role", role, "--directory", str(directory), "--port", port))
        line_of(host)
        time.sleep(WARM_UP_SECONDS)
        cpu, since = cpu_seconds(director.pid), time.monotonic()
        time.sleep(seconds)
        cpu, elapsed = cpu_seconds(director.pid) - cpu, time.monotonic() - since
        return Result(cpu / elapsed * 1000, resident_mb(director.pid) - before_mb)


def prepare(directory: Path) -> None:
    """Make an authority, and a certificate for the agent rs1."""
    store = Store(directory / "pki")
    store.create(["127.0.0.1"], 86400.0)
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    made, _ = store.enrol(store.invite(["rs1"], 60.0).secret, asked.public_bytes(serialization.Encoding.PEM).decode())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "rs1.pem").write_bytes(made.pem + pem)


def context_of(directory: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(directory / "pki" / "ca.pem"))
    context.load_cert_chain(directory / "rs1.pem")
    return context


async def direct(directory: Path) -> None:
    control = Nothing()
    agents = Agents(["rs1"], control.events.record)
    tls = Tls(TlsConfig(directory=str(directory / "pki")))
    app = make_app(control, Receiver(agents, lambda: None, time.monotonic, None, tls), Counts(), None, tls)

    def refused(address: str, why: str) -> None:
        agents.refuse(f"a connection from {address}", CutOffError(Refusal.TLS, why), time.monotonic())

    listener = Listener(Endpoint("127.0.0.1", 0), tls.context)
    async with serving(app, listener, refused=refused) as where:
        print(where.port, flush=True)
        await asyncio.Event().wait()


async def do(deed: Deed, ends: Ends) -> None:
    print("begins", flush=True)
    await deed(ends)


async def one_good_agent(ends: Ends) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{ends.url}/agent", ssl=ends.context) as socket:
        await socket.send_bytes(encode(Hello("rs1")))
        sequence = 0
        while True:
            sequence += 1
            await socket.send_bytes(encode(Report(dict.fromkeys(METRICS, 0.5), sequence=sequence)))
            await asyncio.sleep(1)


async def over_and_over(ends: Ends, talk: Callable[[aiohttp.ClientWebSocketResponse], Awaitable[None]]) -> None:
    """Connect and talk until the director has enough of it, over and over."""
    async with aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                async with session.ws_connect(f"{ends.url}/agent", ssl=ends.context) as socket:
                    await talk(socket)
            await asyncio.sleep(PAUSE_SECONDS)


async def garbage(ends: Ends) -> None:
    async def talk(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_bytes(b"\xc1" * 100_000)
        await socket.receive()

    await over_and_over(ends, talk)


async def hellos_in_another_s_name(ends: Ends) -> None:
    async def talk(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_bytes(encode(Hello("rs2")))
        await socket.receive()

    await over_and_over(ends, talk)


async def reports_without_end(ends: Ends) -> None:
    async def talk(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_bytes(encode(Hello("rs1")))
        for sequence in range(1, 1_000_000):
            await socket.send_bytes(encode(Report(dict.fromkeys(METRICS, 0.5), sequence=sequence)))

    await over_and_over(ends, talk)


async def many(work: Callable[[], Awaitable[None]]) -> None:
    async def again() -> None:
        while True:
            with contextlib.suppress(OSError, ConnectionError, asyncio.IncompleteReadError, TimeoutError):
                await work()
            await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(again() for _ in range(CONNECTIONS)))


async def connections_without_a_word(ends: Ends) -> None:
    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", ends.port)
        try:
            await reader.read()
        finally:
            writer.transport.abort()

    await many(work)


async def bytes_one_by_one(ends: Ends) -> None:
    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", ends.port, ssl=ends.context)
        try:
            for byte in b"GET /agent HTTP/1.1\r\nHost: " + b"x" * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(1)
                if reader.at_eof():
                    return
        finally:
            writer.transport.abort()

    await many(work)


DEEDS: Mapping[str, Deed] = {
    "one good agent": one_good_agent,
    "garbage, over and over": garbage,
    "another's name, over and over": hellos_in_another_s_name,
    "reports without end": reports_without_end,
    "1,000 connections without a word": connections_without_a_word,
    "1,000 connections, a byte a second": bytes_one_by_one,
}


if __name__ == "__main__":
    main()
