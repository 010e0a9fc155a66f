"""A real SNMP agent for tests: net-snmp's snmpd, with what Debian's has."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers.process import free_port, program, running

CONFIG = """
agentaddress udp:127.0.0.1:{port}
rocommunity {community} 127.0.0.1
persistentDir {directory}
"""

COMMUNITY = "orchard"


@contextlib.contextmanager
def snmpd(directory: Path) -> Iterator[tuple[Endpoint, subprocess.Popen[bytes]]]:
    """Run it within the block."""
    directory.mkdir(parents=True, exist_ok=True)
    endpoint = Endpoint("127.0.0.1", free_port())
    config = directory / "snmpd.conf"
    config.write_text(CONFIG.format(port=endpoint.port, community=COMMUNITY, directory=directory))
    command = [program("snmpd", "snmpd"), "-f", "-Lo", "-C", "-c", str(config), "-p", str(directory / "pid")]
    environment = {"SNMP_PERSISTENT_DIR": str(directory), "MIBS": ""}

    def ready() -> bool:
        return "NET-SNMP version" in (directory / "log").read_text()

    with running(command, directory, ready, environment) as server:
        yield endpoint, server
