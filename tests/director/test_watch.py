"""A director and an agent as processes that speak TLS: enrolled, refused, revoked and enrolled again by commands."""

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
from pathlib import Path

import pytest

from feedback.director.link import Refusal
from feedback.pki.register import behind
from feedback.pki.store import Store
from tests.places import own_address

pytestmark = pytest.mark.loopback

DEADLINE_SECONDS = 20.0

DIRECTOR = """
director:
  table: memory
  listen: {address}:8600
  tls: {{directory: pki, listen: "{address}:8643"}}
services:
  web:
    address: {address}:8080
    checks: [tcp]
    destinations: {{rs1: "127.0.0.1:1", rs2: "127.0.0.1:2"}}
"""
AGENT = """
agent:
  name: {name}
  control: null
  directors: ["wss://{address}:8643/agent"]
  tls: {{directory: tls}}
metrics: {{load: {{interval: 100ms}}}}
"""


def until(condition: Callable[[], bool], said: Callable[[], str]) -> None:
    """Wait for a condition; past the deadline fail with what was said."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    waited = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, said()
        waited.wait(0.02)


class Cluster:
    """A director, and an agent or two, in one directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = own_address()
        (folder / "director.yaml").write_text(DIRECTOR.format(address=self.address))

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "feedback", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=True,
        )

    def enrol(self, name: str) -> None:
        token = self.command("pki", "enroll", name, "--directory", "pki").stdout.strip()
        url = f"https://{self.address}:8643"
        self.command("agent", "enroll", "--director", url, "--token", token, "--directory", "tls")

    @contextlib.contextmanager
    def running(self, *words: str, output: str) -> Iterator[None]:
        with (self.folder / output).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "feedback", *words], cwd=self.folder, stdout=log, stderr=log
            )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_SECONDS) == 0

    @contextlib.contextmanager
    def director(self) -> Iterator[None]:
        with self.running("director", "--config", "director.yaml", output="director.log"):
            until(lambda: bool(self.get("/healthz")), lambda: self.said("director.log"))
            yield

    @contextlib.contextmanager
    def agent(self, name: str) -> Iterator[None]:
        (self.folder / f"{name}.yaml").write_text(AGENT.format(name=name, address=self.address))
        with self.running("agent", "--config", f"{name}.yaml", output=f"{name}.log"):
            yield

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://{self.address}:8600{path}", timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return ""

    def state(self, name: str) -> str:
        services = json.loads(self.get("/api/v1/services") or '{"services": []}')["services"]
        return next((one["agent"] for one in services[0]["destinations"] if one["name"] == name), "")

    def said(self, log: str) -> str:
        return (self.folder / log).read_text()

    def until_said(self, log: str, words: str) -> None:
        until(lambda: words in self.said(log), lambda: self.said(log))


def test_a_host_is_enrolled_speaks_for_itself_alone_and_is_revoked_within_moments(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.command("pki", "init", cluster.address, "--directory", "pki")
    with cluster.director():
        cluster.enrol("rs1")
        with cluster.agent("rs2"):
            cluster.until_said("rs2.log", 'its certificate is for rs1, and not for agent "rs2"')
        assert cluster.state("rs2") == "absent"
        with cluster.agent("rs1"):
            until(lambda: cluster.state("rs1") == "connected", lambda: cluster.said("rs1.log"))
            cluster.command("pki", "revoke", "rs1", "--directory", "pki")
            until(lambda: cluster.state("rs1") == "absent", lambda: cluster.said("director.log"))
            cluster.until_said("rs1.log", "the certificate of rs1 is revoked")
        cluster.enrol("rs1")
        with cluster.agent("rs1"):
            until(lambda: cluster.state("rs1") == "connected", lambda: cluster.said("rs1.log"))
        counted = cluster.get("/metrics")
        assert all(f'refusals_total{{reason="{reason}"}}' in counted for reason in (Refusal.NAME, Refusal.CERTIFICATE))
    assert "Traceback" not in cluster.said("director.log") + cluster.said("rs1.log")


def test_running_agents_follow_from_one_authority_to_another(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.command("pki", "init", cluster.address, "--directory", "pki")

    def follows(trusted: int) -> bool:
        has_followed = behind(Store(tmp_path / "pki").register(), time.time()) == ()
        return has_followed and (tmp_path / "tls" / "ca.pem").read_text().count("BEGIN") == trusted

    with cluster.director():
        cluster.enrol("rs1")
        with cluster.agent("rs1"):
            until(lambda: cluster.state("rs1") == "connected", lambda: cluster.said("rs1.log"))
            for step, trusted in enumerate((2, 2, 1), 1):
                certificate = (tmp_path / "tls" / "agent.pem").read_text()
                cluster.command("pki", "rollover", "--directory", "pki")
                until(
                    lambda old=certificate: (tmp_path / "tls" / "agent.pem").read_text() != old,  # type: ignore[misc]
                    lambda: cluster.said("director.log"),
                )
                until(lambda trusted=trusted: follows(trusted), lambda: cluster.said("rs1.log"))  # type: ignore[misc]
                assert cluster.said("rs1.log").count("connects again with it") == step
            until(lambda: cluster.state("rs1") == "connected", lambda: cluster.said("rs1.log"))
    assert (tmp_path / "tls" / "ca.pem").read_text() == (tmp_path / "pki" / "ca.pem").read_text()
    assert "certificate is refused" not in cluster.said("rs1.log")


def test_files_that_break_under_a_running_director_are_told_and_it_goes_on(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.command("pki", "init", cluster.address, "--directory", "pki")
    with cluster.director():
        cluster.enrol("rs1")
        certificate = (tmp_path / "pki" / "director.pem").read_text()
        (tmp_path / "pki" / "director.pem").write_text("nothing")
        cluster.until_said("director.log", "TLS goes on with the certificates of before: pki/director.pem and")
        with cluster.agent("rs1"):
            until(lambda: cluster.state("rs1") == "connected", lambda: cluster.said("rs1.log"))
        (tmp_path / "pki" / "director.pem").write_text(certificate)
        cluster.command("pki", "revoke", "rs1", "--directory", "pki")
        with cluster.agent("rs1"):
            cluster.until_said("rs1.log", "the certificate of rs1 is revoked")
