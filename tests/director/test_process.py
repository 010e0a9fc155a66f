"""The director as a process on loopback: how it starts, what it takes, and how it ends."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.places import own_address

pytestmark = pytest.mark.loopback

DEADLINE_SECONDS = 20.0

CONFIG = """
director:
  name: lvs1
  table: memory
  listen: {listen}
  state_file: {state}
defaults:
  check: {{interval: 200ms, timeout: 500ms, rise: 1, fall: 2}}
services:
  web:
    address: {vip}
    scheduler: wrr
    forwarding: masquerade
    checks: [http]
    destinations:
      rs1: 127.0.0.1:{server}
"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    """Serve a page; the value is the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as page:
        thread = threading.Thread(target=page.serve_forever)
        thread.start()
        yield page.server_address[1]
        page.shutdown()
        thread.join()


class Director:
    """A `feedback director` process and its files."""

    def __init__(self, folder: Path, server: int) -> None:
        address = own_address()
        self.listen, self.vip = f"{address}:8600", f"{address}:8080"
        self.path = folder / "director.yaml"
        self.state = folder / "director.state"
        self.config = CONFIG.format(listen=self.listen, vip=self.vip, server=server, state=self.state)
        self.path.write_text(self.config)
        self._output = folder / "output"

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        with self._output.open("ab") as output:
            process = self._popen(*arguments, output=output)
            try:
                until(lambda: self.get("/healthz") == {"status": "ok"}, self.output)
                yield process
            finally:
                process.kill()
                process.wait()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "feedback", "director", "--config", str(self.path), *arguments],
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def client(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "feedback", *arguments, "--director", f"http://{self.listen}"],
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://{self.listen}{path}", timeout=5) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def weights(self) -> dict[str, int] | None:
        services = self.get("/api/v1/services")
        if services is None:
            return None
        return {one["name"]: one["weight"] for one in services["services"][0]["destinations"] if one["in_table"]}

    def messages(self) -> list[str]:
        return [event["message"] for event in (self.get("/api/v1/events") or {"events": []})["events"]]

    def output(self) -> str:
        return self._output.read_text()

    def _popen(self, *arguments: str, output: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "feedback", "director", "--config", str(self.path), *arguments]
        return subprocess.Popen(command, stdout=output, stderr=output)


def until(condition: Callable[[], bool], said: Callable[[], str]) -> None:
    """Wait for a condition; past the deadline fail with what was said."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    waited = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, said()
        waited.wait(0.02)


@pytest.fixture
def director(tmp_path: Path, server: int) -> Director:
    return Director(tmp_path, server)


def fetch(place: str) -> bytes:
    with urllib.request.urlopen(f"http://{place}/", timeout=5) as answer:
        body: bytes = answer.read()
        return body


def test_it_checks_forwards_and_ends_on_sigterm(director: Director) -> None:
    with director.running() as process:
        until(lambda: director.weights() == {"rs1": 100}, director.output)
        assert fetch(director.vip) == b"hello"
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0
    assert "ending; the table stays as it is" in director.output()
    assert "Traceback" not in director.output()


def test_ctrl_c_ends_it_without_a_traceback(director: Director) -> None:
    with director.running() as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 0
    assert "Traceback" not in director.output()


def test_a_second_one_on_the_same_port_says_so_and_leaves(director: Director) -> None:
    with director.running():
        second = director.run()
    assert second.returncode == 1
    assert f"can't listen on {director.listen}: Address already in use" in second.stderr
    assert "Traceback" not in second.stderr


def test_sighup_reloads_and_a_broken_file_changes_nothing(director: Director) -> None:
    with director.running() as process:
        until(lambda: director.weights() == {"rs1": 100}, director.output)
        director.path.write_text(director.config.replace("scheduler: wrr", "scheduler: fastest"))
        process.send_signal(signal.SIGHUP)
        until(lambda: any("configuration refused" in message for message in director.messages()), director.output)
        assert director.weights() == {"rs1": 100}
        director.path.write_text(director.config.replace("rs1:", "rs2:"))
        process.send_signal(signal.SIGHUP)
        until(lambda: director.weights() == {"rs2": 100}, director.output)


def test_the_reload_command_prints_every_problem_and_exits_2(director: Director) -> None:
    with director.running():
        director.path.write_text(director.config.replace("wrr", "fastest").replace("200ms", "200"))
        refused = director.client("reload")
        director.path.write_text(director.config)
        assert director.client("reload").returncode == 0
    assert refused.returncode == 2
    assert "services.web.scheduler" in refused.stderr
    assert "defaults.check.interval" in refused.stderr


def test_a_drain_outlives_sigkill(director: Director) -> None:
    with director.running() as process:
        until(lambda: director.weights() == {"rs1": 100}, director.output)
        assert director.client("drain", "web", "rs1", "--wait").returncode == 0
        process.kill()
        process.wait()
    with director.running():
        assert director.get("/api/v1/services")["services"][0]["destinations"][0]["admin"] == "drain"
        assert director.client("enable", "web", "rs1").returncode == 0
        until(lambda: director.weights() == {"rs1": 100}, director.output)


def test_check_config_prints_the_plan_and_touches_nothing(director: Director) -> None:
    checked = director.run("--check-config")
    assert checked.returncode == 0
    assert f"{director.path} is right: 1 service and 1 destination, table memory." in checked.stdout
    assert "rs1 added to web at weight 100" in checked.stdout
    assert "What becomes of weights" not in checked.stdout
    assert not director.state.exists()


def test_check_config_says_what_the_scheduler_makes_of_weights_that_follow_load(director: Director) -> None:
    director.path.write_text(
        director.config.replace("scheduler: wrr", "scheduler: rr\n    weights: {policy: equalize}")
    )
    checked = director.run("--check-config")
    assert checked.returncode == 0
    assert checked.stdout.endswith(
        "What becomes of weights that follow load:\n"
        "  web: rr looks at no weight but 0: the policy equalize does nothing here\n"
    )


def test_a_wrong_config_is_refused_with_its_place(director: Director) -> None:
    director.path.write_text(director.config.replace("wrr", "fastest"))
    refused = director.run()
    assert refused.returncode == 2
    assert f"{director.path}:12: services.web.scheduler: " in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_damaged_state_stops_it_before_the_table(director: Director) -> None:
    director.state.write_text("{")
    refused = director.run()
    assert refused.returncode == 1
    assert "is damaged" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_dry_run_tells_and_neither_forwards_nor_keeps(director: Director) -> None:
    with director.running("--dry-run") as process:
        until(lambda: director.weights() == {"rs1": 100}, director.output)
        with pytest.raises(urllib.error.URLError):
            fetch(director.vip)
        process.terminate()
        process.wait(DEADLINE_SECONDS)
    assert "dry run: nothing is written" in director.output()
    assert not director.state.exists()


def test_on_exit_clear_says_what_it_clears(director: Director) -> None:
    director.path.write_text(director.config.replace("table: memory", "table: memory\n  on_exit: clear"))
    with director.running() as process:
        until(lambda: director.weights() == {"rs1": 100}, director.output)
        process.terminate()
        assert process.wait(DEADLINE_SECONDS) == 0
    assert "web deleted: on_exit is clear" in director.output()


def test_it_needs_less_than_80_megabytes(director: Director) -> None:
    with director.running() as process:
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        assert int(resident.split()[1]) < 80 * 1024
