"""A real SIP server for tests: Kamailio, over UDP, TCP and TLS."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from feedback.model import Endpoint
from tests.checks.servers import process
from tests.checks.tls_files import Pair

CONFIG = """#!KAMAILIO
log_stderror=yes
fork=yes
children=1
tcp_children=1
disable_core_dump=yes
enable_tls=yes
{listen}
loadmodule "tls.so"
modparam("tls", "config", "{directory}/tls.cfg")
loadmodule "sl.so"
loadmodule "pv.so"

request_route {{
    if ($rU == "busy") {{
        sl_send_reply("486", "Busy Here");
        exit;
    }}
    if ($rU == "slow") {{
        sl_send_reply("100", "Trying");
    }}
    sl_send_reply("200", "OK");
}}
"""

TLS_CONFIG = """
[server:default]
method = TLSv1.2+
private_key = {key}
certificate = {certificate}
"""


class Kamailio(msgspec.Struct, frozen=True):
    """Its process, and its ports on both loopback addresses: one for UDP and TCP, one for TLS."""

    process: subprocess.Popen[bytes]
    port: int
    tls_port: int


@contextlib.contextmanager
def kamailio(directory: Path, pair: Pair) -> Iterator[Kamailio]:
    """Run it within the block."""
    directory.mkdir(parents=True, exist_ok=True)
    port, tls_port = process.free_port(), process.free_port()
    addresses = ("127.0.0.1", "[::1]")
    transports = (("udp", port), ("tcp", port), ("tls", tls_port))
    listen = "\n".join(f"listen={name}:{address}:{number}" for name, number in transports for address in addresses)
    (directory / "kamailio.cfg").write_text(CONFIG.format(listen=listen, directory=directory))
    (directory / "tls.cfg").write_text(TLS_CONFIG.format(key=pair.key, certificate=pair.certificate))
    program = process.program("kamailio", "kamailio")
    command = [program, "-DD", "-E", "-f", "kamailio.cfg", "-w", str(directory), "-Y", str(directory)]
    ready = process.accepts(
        *(Endpoint(address, number) for address in ("127.0.0.1", "::1") for number in (port, tls_port))
    )
    with process.running(command, directory, ready) as server:
        yield Kamailio(server, port, tls_port)
