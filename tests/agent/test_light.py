"""What the agent does not need, it does not load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.loopback

HEAVY = {
    "aiohttp",
    "asyncssh",
    "dns",
    "feedback.checks.check",
    "feedback.director",
    "feedback.engine",
    "feedback.testing",
    "importlib.metadata",
    "prometheus_client",
    "psutil",
    "pyroute2",
    "rich",
    "uvloop",
    "wsproto",
}
PROGRAM = """
import json, sys
from feedback.cli import main
status = main(["agent", "--config", sys.argv[1], "--once"])
print(json.dumps(sorted(sys.modules)))
sys.exit(status)
"""


def test_a_run_of_every_source_loads_nothing_of_the_directors(tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(
        "agent: {name: rs1, directors: ['ws://127.0.0.1:9/agent'], control: null}\n"
        "metrics:\n"
        "  cpu: {}\n  memory: {}\n  pressure: {}\n  load: {}\n"
        "  network: {interface: lo, capacity: 1Gbit}\n"
        "  sockets: {port: 9}\n"
        "  swap: {}\n  disk: {}\n  conntrack: {}\n  filedescriptors: {}\n  processes: {}\n"
        "  file: {path: /proc/sys/kernel/pid_max}\n  systemd: {unit: nginx}\n"
        "  http_json: {url: 'http://127.0.0.1:9/'}\n  prometheus: {url: 'http://127.0.0.1:9/', series: up}\n"
        "  jobs: {source: exec, command: [echo, '0.5']}\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(config)], stdout=subprocess.PIPE, check=True, timeout=50
    ).stdout
    report, modules = map(json.loads, printed.splitlines())
    assert {"cpu", "memory", "load", "network", "jobs", "swap", "disk", "filedescriptors", "processes"} <= report[
        "metrics"
    ].keys()
    assert "feedback.agent.transport" in modules
    assert HEAVY.isdisjoint(modules)
    assert not [name for name in modules if name.startswith("feedback.director")]
