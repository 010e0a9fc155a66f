"""A real AMQP broker for tests: RabbitMQ, without and with TLS. It starts in three seconds or so."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from feedback.model import Endpoint
from tests.checks.servers import process
from tests.checks.tls_files import Pair

CONFIG = """
listeners.tcp.1 = 127.0.0.1:{port}
listeners.tcp.2 = ::1:{port}
listeners.ssl.1 = 127.0.0.1:{tls_port}
listeners.ssl.2 = ::1:{tls_port}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {key}
ssl_options.verify = verify_none
log.console = true
log.file = false
load_definitions = {directory}/definitions.json
"""

USER, PASSWORD = "monitor", "s3cret"

DEFINITIONS = {
    "users": [{"name": USER, "password": PASSWORD, "tags": ""}],
    "vhosts": [{"name": "/"}, {"name": "/mail"}, {"name": "/others"}],
    "permissions": [
        {"user": USER, "vhost": vhost, "configure": "^$", "write": ".*", "read": ".*"} for vhost in ("/", "/mail")
    ],
    "queues": [
        {"name": name, "vhost": vhost, "durable": False, "auto_delete": False, "arguments": {}}
        for name, vhost in (("jobs", "/"), ("empty", "/"), ("letters", "/mail"))
    ],
}

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""The program itself: the one on PATH changes to the package's user and directories."""


class RabbitMq(msgspec.Struct, frozen=True):
    """Its process, and its ports."""

    process: subprocess.Popen[bytes]
    directory: Path
    port: int
    tls_port: int

    def log(self) -> str:
        """Return what it has logged."""
        return (self.directory / "log").read_text()


@contextlib.contextmanager
def rabbitmq(directory: Path, pair: Pair) -> Iterator[RabbitMq]:
    """Run it within the block, with an epmd of its own: without one, it would start one that stays."""
    directory.mkdir(parents=True, exist_ok=True)
    port, tls_port, epmd_port, distribution_port = (process.free_port() for _ in range(4))
    (directory / "definitions.json").write_text(json.dumps(DEFINITIONS))
    (directory / "enabled_plugins").write_text("[].\n")
    settings = {"port": port, "tls_port": tls_port, "certificate": pair.certificate, "key": pair.key}
    (directory / "rabbitmq.conf").write_text(CONFIG.format(directory=directory, **settings))
    environment = {
        "HOME": str(directory),  # for the node's cookie
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RUNNING_UNDER_SYSTEMD": "true",  # no shell between, and SIGTERM is obeyed
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "logs"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution_port),
    }
    names = [process.program("epmd", "rabbitmq-server"), "-port", str(epmd_port), "-address", "127.0.0.1"]
    names_ready = process.accepts(Endpoint("127.0.0.1", epmd_port))
    ready = process.accepts(*(Endpoint(address, each) for address in ("127.0.0.1", "::1") for each in (port, tls_port)))
    with (
        process.running(names, directory / "epmd", names_ready, environment),
        process.running([SERVER], directory, ready, environment) as server,
    ):
        yield RabbitMq(server, directory, port, tls_port)
