"""NFS-Ganesha, an NFS server that is an ordinary program: version 4 alone, which needs no rpcbind, on any port.

Its one export, /srv/files, is a file system in memory. It says nothing of its space.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers.process import accepts, free_port, program, running

EXPORT = "/srv/files"

CONFIG = """\
NFS_CORE_PARAM {{
    Protocols = 4;
    NFS_Port = {port};
    Enable_NLM = false;
    Enable_RQUOTA = false;
}}
NFSv4 {{
    Graceless = true;
    Minor_Versions = {minor_versions};
    RecoveryBackend = fs;
    RecoveryRoot = "{directory}/recovery";
}}
NFS_KRB5 {{
    Active_krb5 = false;
}}
EXPORT {{
    Export_Id = 1;
    Path = {export};
    Pseudo = {export};
    Protocols = 4;
    Access_Type = RO;
    SecType = sys;
    FSAL {{ Name = MEM; }}
}}
"""


@contextlib.contextmanager
def ganesha(directory: Path, minor_versions: str) -> Iterator[tuple[Endpoint, subprocess.Popen[bytes]]]:
    """Serve the export within the block, in minor versions like "0, 1"."""
    directory.mkdir(parents=True, exist_ok=True)
    endpoint = Endpoint("127.0.0.1", free_port())
    config = directory / "ganesha.conf"
    text = CONFIG.format(port=endpoint.port, directory=directory, minor_versions=minor_versions, export=EXPORT)
    config.write_text(text)
    files = ["-f", str(config), "-p", str(directory / "pid"), "-L", "STDERR"]
    command = [program("ganesha.nfsd", "nfs-ganesha"), "-F", *files]
    with running(command, directory, accepts(endpoint)) as server:
        yield endpoint, server
