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
TLS = {"ssl", "_ssl", "hashlib", "_hashlib", "hmac"}
"""What brings OpenSSL, and with it 4 MB."""

SELDOM = {"ctypes", "email", "http", "json", "multiprocessing", "tempfile", "urllib.request", "zipfile"}
PROGRAM = """
import sys
there = set(sys.modules)
from feedback.cli import main
status = main(["agent", "--config", sys.argv[1], "--once"])
loaded = sorted(set(sys.modules) - there)
import json
print(json.dumps(loaded))
sys.exit(status)
"""
AGENT = "agent: {{name: rs1, directors: ['{url}'], control: null}}\nmetrics:\n"
USUAL = """\
  cpu: {}
  memory: {}
  pressure: {}
  load: {}
  network: {interface: lo, capacity: 1Gbit}
  disk: {}
  jobs: {source: exec, command: [echo, '0.5']}
"""


def run_once(config: Path) -> tuple[dict[str, dict[str, object]], set[str]]:
    """Run the agent in a new process; return its report, and the modules that were loaded for it."""
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(config)], stdout=subprocess.PIPE, check=True, timeout=50
    ).stdout
    report, modules = map(json.loads, printed.splitlines())
    return report, set(modules)


def test_the_usual_sources_load_no_openssl_and_no_library_but_the_base_s(tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(AGENT.format(url="ws://127.0.0.1:9/agent") + USUAL)
    report, modules = run_once(config)
    assert {"cpu", "memory", "load", "network", "disk", "jobs"} <= report["metrics"].keys()
    assert modules.isdisjoint(TLS | SELDOM)
    libraries = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names
    brought = {name for name in libraries if "cython" in name or name == "typing_extensions"}  # by these two
    assert libraries - brought == {"feedback", "msgspec", "yaml"}


def test_sources_that_ask_a_server_of_this_host_load_no_openssl(tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(
        AGENT.format(url="ws://127.0.0.1:9/agent") + "  queue.mail: {source: postfix, limit: 2000, directory: /none}\n"
        "  redis: {key: jobs, limit: 9, address: '127.0.0.1:9'}\n  memcached: {address: '127.0.0.1:9'}\n"
        "  exim: {limit: 9, directory: /none}\n  nfsd: {}\n"
    )
    report, modules = run_once(config)
    assert report["failures"]["memcached"] == "can't connect to 127.0.0.1:9: Connection refused"
    assert report["failures"]["queue.mail"] == "can't read /none/deferred: No such file or directory"
    assert modules.isdisjoint(TLS | SELDOM)
    assert HEAVY.isdisjoint(modules)


def test_sources_that_ask_in_a_protocol_of_the_checks_load_no_check(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    config = tmp_path / "agent.yaml"
    config.write_text(
        AGENT.format(url="ws://127.0.0.1:9/agent") + "  nginx: {url: 'http://127.0.0.1:9/', limit: 1}\n"
        "  apache: {url: 'http://127.0.0.1:9/?auto'}\n  phpfpm: {address: '127.0.0.1:9'}\n"
        "  haproxy: {proxy: web, address: /none}\n  mysql: {user: me, address: '127.0.0.1:9'}\n"
        "  postgresql: {user: me, address: '127.0.0.1:9'}\n"
        f"  rabbitmq: {{queue: jobs, limit: 9, user: me, address: '127.0.0.1:9', password_file: {password}}}\n"
    )
    report, modules = run_once(config)
    assert len(report["failures"]) == 7
    assert HEAVY.isdisjoint(modules)


def test_an_agent_that_speaks_tls_has_asyncio_with_it(tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(AGENT.format(url="wss://127.0.0.1:9/agent") + USUAL)
    _, modules = run_once(config)
    assert "ssl" in modules


def test_a_source_that_brings_asyncio_has_it_whole(tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    source = "  http_json: {url: 'https://127.0.0.1:9/', timeout: 1s}\n"
    config.write_text(AGENT.format(url="ws://127.0.0.1:9/agent") + USUAL + source)
    report, modules = run_once(config)
    assert "ssl" in modules
    assert "refused" in str(report["failures"]["http_json"])


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
    report, modules = run_once(config)
    assert {"cpu", "memory", "load", "network", "jobs", "swap", "disk", "filedescriptors", "processes"} <= report[
        "metrics"
    ].keys()
    assert "feedback.agent.transport" in modules
    assert HEAVY.isdisjoint(modules)
    assert not [name for name in modules if name.startswith("feedback.director")]


def test_a_director_that_is_away_makes_nobody_load_openssl() -> None:
    program = (
        "import errno, sys\n"
        "from feedback.agent.without_tls import import_without\n"
        "import_without('asyncio', 'ssl')\n"
        "from feedback.agent.connection import words_of\n"
        "assert words_of(ConnectionRefusedError(errno.ECONNREFUSED, 'x')) == 'Connection refused'\n"
        "sys.exit('ssl' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=50)
