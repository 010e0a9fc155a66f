"""Directors and agents as an operator runs them: processes with their files, and what they say and do.

with Director(tmp_path, {"web": service(checks=[ALIVE])}) as director:
    wait_until(lambda: director.weights("web") == {"rs1": 100, "rs2": 100, "rs3": 100})
    director.destroy()  # as by SIGKILL
"""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from feedback.director.table.kernel import KernelTable
from feedback.errors import TableError
from feedback.model import Counters, Endpoint, Forwarding, ServiceKey, TableState
from tests.lab.cluster import ADDRESSES, CLIENT, REALSERVERS, VIP, inside, wait_until

API = Endpoint("127.0.0.1", 8600)
INSIDE = Endpoint("10.2.0.1", 8600)
"""Where a director listens for agents too."""

REPORT_SECONDS = 1
TOKEN = "the-lab-s-own-token"
RISE = 2
FALL = 3
CHECK = {"interval": "500ms", "timeout": "500ms", "rise": RISE, "fall": FALL}
DETECTION_SECONDS = FALL * 0.5 + 0.5
"""In this time, fall times interval and timeout, a failure must have come to the table."""

ALIVE = {"http": {"path": "/alive", "status": 200}}
PORT = 8080
END_SECONDS = 20.0


def service(port: int = 80, **changes: Any) -> dict[str, Any]:
    """Return a service at the VIP, with the realservers' port 8080 behind it, as director.yaml has it."""
    plain: dict[str, Any] = {
        "address": f"{VIP}:{port}",
        "scheduler": "wrr",
        "checks": [ALIVE],
        "destinations": {name: f"{ADDRESSES[name][0]}:{PORT}" for name in REALSERVERS},
    }
    return plain | changes


def feedback(*arguments: str, namespace: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end."""
    return subprocess.run(
        [*_command(namespace), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    """Return the environment of our commands: aiohttp reads all the system's certificates before anyone wants one."""
    return {**os.environ, "SSL_CERT_FILE": "/dev/null"}


def _command(namespace: str = "") -> list[str]:
    prefix = ["ip", "netns", "exec", namespace] if namespace else []
    return [*prefix, sys.executable, "-m", "feedback"]


class Process:
    """One of our commands that goes on running. What it logs is in `log`, through all its lives."""

    def __init__(self, *arguments: str, log: Path, namespace: str = "") -> None:
        self._arguments = [*_command(namespace), *arguments]
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it; nothing is waited for."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(self._arguments, stdout=log, stderr=log, text=True, env=_environment())

    @property
    def log(self) -> str:
        """All that it has printed."""
        return self._log.read_text()

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end, and return its exit status."""
        assert self._process is not None
        return self._process.wait(END_SECONDS)

    def terminate(self) -> int:
        """Ask it to end, and return its exit status."""
        self.send(signal.SIGTERM)
        return self.wait()

    def destroy(self) -> None:
        """Let it die without a word."""
        if self.running:
            self.send(signal.SIGKILL)
            self.wait()


SERVER = """
import socket, sys
listener = socket.create_server(("", int(sys.argv[1])))
while True:
    with listener.accept()[0] as connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
"""


class KilledServer:
    """An HTTP server on a realserver in a process of its own, to be killed."""

    def __init__(self, host: str, port: int = PORT) -> None:
        self._command = ["ip", "netns", "exec", host, sys.executable, "-ISc", SERVER, str(port)]
        self._at = Endpoint(ADDRESSES[host][0], port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        self._process = subprocess.Popen(self._command)
        wait_until(self._listens)

    def kill(self) -> float:
        """Send it SIGKILL, and return when that was, in monotonic seconds."""
        at = time.monotonic()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        return at

    def _listens(self) -> bool:
        try:
            socket.create_connection((self._at.address, self._at.port), 1.0).close()
        except OSError:
            return False
        return True


class Director(Process):
    """A director with `services`, whose files are in `directory`. A context manager: started, and at its end dead.

    `arguments` are further ones of the command, `settings` of the section `director`.
    """

    def __init__(self, directory: Path, services: Mapping[str, Any], *arguments: str, **settings: str) -> None:
        self.config_path = directory / "director.yaml"
        self.state_path = directory / "state"
        plain = {"name": "lvs1", "listen": str(API), "state_file": str(self.state_path)}
        self._settings: dict[str, str] = plain | settings
        self.services: dict[str, Any] = {}
        self.write(services)
        super().__init__("director", "--config", str(self.config_path), *arguments, log=directory / "director.log")

    def write(self, services: Mapping[str, Any]) -> None:
        """Write a configuration with these services, for the next start or reload."""
        self.services = dict(services)
        config = {"director": self._settings, "defaults": {"check": CHECK}, "services": self.services}
        self.config_path.write_text(yaml.safe_dump(config, sort_keys=False))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()
        sys.stdout.write(self.log)  # pytest shows it with a failure

    def start(self) -> None:
        """Start, and wait until it is at its work."""
        super().start()
        try:
            wait_until(lambda: self.healthy() or not self.running)
            assert self.running, f"the director has ended\n{self.log}"
        except AssertionError:
            self.destroy()
            raise

    def healthy(self) -> bool:
        """Say whether it answers that all is well."""
        try:
            return self.request("GET", "/healthz")[0] == http.client.OK
        except OSError:
            return False

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask its API; return the status and the answer."""
        listen = Endpoint.parse(self._settings["listen"])
        connection = http.client.HTTPConnection(listen.address, listen.port, timeout=10)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def view(self, name: str, destination: str) -> dict[str, Any]:
        """Return a destination of a service as the API shows it."""
        status, answer = self.request("GET", f"/api/v1/services/{name}")
        assert status == http.client.OK, answer
        found: dict[str, Any] = next(view for view in answer["destinations"] if view["name"] == destination)
        return found

    def set_admin(self, name: str, destination: str, state: str) -> None:
        """Set an admin state, as an operator does."""
        path = f"/api/v1/services/{name}/destinations/{destination}/admin"
        status, answer = self.request("PUT", path, {"state": state})
        assert status == http.client.OK, answer

    def events(self) -> list[str]:
        """Return what it has told since its start, oldest first."""
        return [event["message"] for event in self.request("GET", "/api/v1/events")[1]["events"]]

    def weights(self, name: str) -> dict[str, int]:
        """Return what is in the kernel's table of a service: names, or addresses where the service names none."""
        return weights(read_table(), self.services[name])


def key_of(config: Mapping[str, Any]) -> ServiceKey:
    """Return the key of a service written as in director.yaml."""
    if "fwmark" in config:
        return ServiceKey.marked(config["fwmark"], config.get("family", "ipv4"))
    return ServiceKey.at(config.get("protocol", "tcp"), Endpoint.parse(config["address"]))


def weights(table: TableState, config: Mapping[str, Any]) -> dict[str, int]:
    """Return the weights of a service by name, or by address of what has none; nothing without the service."""
    state = table.get(key_of(config))
    if state is None:
        return {}
    names = names_of(config)
    return {names.get(str(key), str(key)): one.weight for key, one in state.destinations.items()}


def names_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of a service's destinations by their addresses."""
    return {one if isinstance(one, str) else one["address"]: name for name, one in config["destinations"].items()}


def counters(config: Mapping[str, Any]) -> dict[str, Counters]:
    """Return what the kernel has counted for each destination of a service, by name."""
    names = names_of(config)
    return {names[str(key)]: one for key, one in read_table()[key_of(config)].counters.items()}


def read_table() -> TableState:
    """Return the kernel's table as it is."""
    return asyncio.run(KernelTable().read())


class Watch:
    """Looks at a service in the kernel's table without a pause. `seen`: what was there, each time it had changed."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.seen: list[dict[str, int]] = []
        self.looks = 0
        self._config = config
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(0.01):
            try:
                found = weights(read_table(), self._config)
            except TableError:
                found = {}
            if not self.seen or self.seen[-1] != found:
                self.seen.append(found)
            self.looks += 1


class Transfer:
    """A client's request that is still being sent when others end. A context manager; `finish` brings the answer.

    `destination` is the realserver that it is at: its connection is the only one that is established.
    """

    def __init__(self, config: Mapping[str, Any], path: str = "/stream/20") -> None:
        with inside(CLIENT):
            self._connection = socket.create_connection(tuple(config["address"].rsplit(":", 1)), 5)
        self._rest = b" HTTP/1.0\r\n\r\n"
        self._connection.settimeout(20)
        self._connection.sendall(f"GET {path}".encode())
        wait_until(lambda: self._places(config) != [])
        (self.destination,) = self._places(config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @staticmethod
    def _places(config: Mapping[str, Any]) -> list[str]:
        return [name for name, counted in counters(config).items() if counted.active_connections]

    def finish(self) -> bytes:
        """Send the rest, and return the body of the answer. Raises OSError when the connection has broken."""
        self._connection.sendall(self._rest)
        answer = b""
        while data := self._connection.recv(65536):
            answer += data
        return answer.partition(b"\r\n\r\n")[2]


def agent(directory: Path, host: str, **sections: Any) -> Process:
    """Return the agent of a realserver, not started yet. Its load is the number in `directory/HOST.load`.

    `sections` are further ones of its configuration, or others in place of the usual ones.
    """
    config: dict[str, Any] = {
        "agent": {
            "name": host,
            "directors": [f"ws://{INSIDE}/agent"],
            "interval": f"{REPORT_SECONDS}s",
            "control": str(directory / f"{host}.sock"),
            "token_file": token_file(directory),
        },
        "metrics": {"load": {"source": "exec", "command": ["cat", str(directory / f"{host}.load")]}},
    }
    path = directory / f"{host}.yaml"
    path.write_text(yaml.safe_dump(config | sections))
    return Process("agent", "--config", str(path), log=directory / f"{host}.log", namespace=host)


def token_file(directory: Path) -> str:
    """Return the path of the file with the token that directors and agents share."""
    path = directory / "token"
    path.touch(mode=0o600)
    path.write_text(TOKEN)
    return str(path)


def forwarded(forwarding: Forwarding) -> dict[str, Any]:
    """Return what a service at port 80 must have to be forwarded in this way: only masquerading changes ports."""
    port = PORT if forwarding is Forwarding.MASQUERADE else 80
    return {
        "forwarding": str(forwarding),
        "destinations": {name: f"{ADDRESSES[name][0]}:{port}" for name in REALSERVERS},
    }
