"""A real Apache for tests, with its status page and a few workers."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers import process

CONFIG = """
LoadModule mpm_worker_module /usr/lib/apache2/modules/mod_mpm_worker.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule status_module /usr/lib/apache2/modules/mod_status.so
ServerName localhost
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile {directory}/pid
ErrorLog {directory}/error.log
{account}
Listen 127.0.0.1:{port}
DocumentRoot /
StartServers 1
ServerLimit 1
ThreadsPerChild 5
MaxRequestWorkers 5
MinSpareThreads 1
MaxSpareThreads 5
<Location /server-status>
  SetHandler server-status
</Location>
"""


@contextlib.contextmanager
def apache(directory: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run it within the block, with five workers; the port, and its process."""
    port = process.free_port()
    directory.mkdir(parents=True, exist_ok=True)
    account = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    (directory / "apache.conf").write_text(CONFIG.format(directory=directory, account=account, port=port))
    command = [process.program("apache2", "apache2-bin"), "-DFOREGROUND", "-f", str(directory / "apache.conf")]
    with process.running(command, directory, process.accepts(Endpoint("127.0.0.1", port))) as server:
        yield port, server
