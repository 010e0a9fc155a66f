"""A real name server for tests: BIND's named with its own zones, and zones that are signed."""

import contextlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers import process
from tests.checks.tls_files import Pair

CONFIG = """
options {{
  directory "{directory}"; pid-file none; lock-file none; session-keyfile none;
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 port {port} {{ ::1; }};
  {more_listeners}
  server-id "ns-one";
  recursion no; notify no; dnssec-validation no; minimal-responses yes; max-cache-size 8m;
}};
controls {{ }};
{tls}
"""

TLS = 'tls own {{ cert-file "{pair.certificate}"; key-file "{pair.key}"; }};'

ZONE_HEAD = """
$TTL 300
@ SOA ns1.example.net. hostmaster.example.net. {serial} 3600 600 86400 300
@ NS ns1.example.net.
"""


def zone(serial: int, records: str = "") -> str:
    """Return a zone file."""
    return ZONE_HEAD.format(serial=serial) + records


@contextlib.contextmanager
def named(
    directory: Path,
    zones: Mapping[str, str],
    *,
    pair: Pair | None = None,
    tls_port: int = 0,
    lost: Sequence[str] = (),
    signed: Mapping[str, Path] | None = None,
) -> Iterator[tuple[Endpoint, subprocess.Popen[bytes]]]:
    """Serve zones, by name; on `tls_port` over TLS, too. `lost` are zones that it can't get from anywhere."""
    directory.mkdir(parents=True, exist_ok=True)
    port = process.free_port()
    listeners = "".join(
        f"listen-on{suffix} port {tls_port} tls own {{ {address}; }};"
        for suffix, address in (("", "127.0.0.1"), ("-v6", "::1"))
        if pair is not None
    )
    statements = []
    for name, text in zones.items():
        (directory / f"{name}.zone").write_text(text)
        statements.append(f'zone "{name}" {{ type primary; file "{name}.zone"; }};')
    statements += [f'zone "{name}" {{ type primary; file "{file}"; }};' for name, file in (signed or {}).items()]
    statements += [
        f'zone "{name}" {{ type secondary; file "{name}.lost"; primaries {{ 127.0.0.1 port 1; }}; }};' for name in lost
    ]
    config = CONFIG.format(
        directory=directory, port=port, more_listeners=listeners, tls=TLS.format(pair=pair) if pair else ""
    )
    (directory / "named.conf").write_text(config + "\n".join(statements))
    command = [process.copied("named", "bind9", directory), "-g", "-n", "1", "-c", str(directory / "named.conf")]
    endpoint = Endpoint("127.0.0.1", port)
    with process.running(command, directory, process.accepts(endpoint)) as server:
        yield endpoint, server


def signed_zone(directory: Path, name: str, text: str) -> tuple[Path, str]:
    """Return the file of a signed zone, and the key that a resolver has to trust, as a record."""
    directory.mkdir(parents=True, exist_ok=True)

    def run(program: str, *words: str) -> str:
        command = [process.program(program, "bind9-utils"), *words]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout.strip()

    (directory / name).write_text(text)
    key = run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", name)
    run("dnssec-signzone", "-q", "-S", "-z", "-o", name, name)
    trusted = [line for line in (directory / f"{key}.key").read_text().splitlines() if not line.startswith(";")]
    return directory / f"{name}.signed", " ".join(trusted)
