"""HAProxy as a web server: what it answers stands in its configuration, so that nothing is behind it."""

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers.process import accepts, free_port, program, running
from tests.checks.tls_files import Pair

CONFIG = """
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
userlist people
  user checker insecure-password secret
{frontends}
"""

PLACES = """
  http-request return status 200 content-type application/json string '{"status": "ok", "up": true}' if { path /health }
  http-request redirect location /health code 302 if { path /old }
  http-request redirect prefix http://www.example.com code 301 if { path /moved }
  http-request auth unless { http_auth(people) } or !{ path /private }
  http-request return status 404 content-type text/plain string "gone" if { path /gone }
  http-request wait-for-body time 5s if { method POST }
  http-request return status 200 content-type text/plain lf-string "%[method] %[req.body]" if { method POST }
  http-request return status 200 content-type text/plain lf-string "I'm alive, %[src], HTTP/%[req.ver]"
"""


def bundle(pair: Pair) -> str:
    """Return a file with a certificate and its key, as HAProxy wants it."""
    path = pair.certificate.with_suffix(".both")
    path.write_text(pair.certificate.read_text() + pair.key.read_text())
    return str(path)


@contextlib.contextmanager
def haproxy(directory: Path, binds: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Endpoint]]]:
    """Run HAProxy within the block, with a frontend for each name: on IPv6 where that has a 6, with these settings."""
    directory.mkdir(parents=True, exist_ok=True)
    endpoints = {name: Endpoint("::1" if "6" in name else "127.0.0.1", free_port()) for name in binds}
    frontends = [
        f"frontend f{number}\n  bind {endpoints[name]} {settings}\n{PLACES}"
        for number, (name, settings) in enumerate(binds.items())
    ]
    (directory / "haproxy.cfg").write_text(CONFIG.format(frontends="\n".join(frontends)))
    command = [program("haproxy", "haproxy"), "-db", "-q", "-f", "haproxy.cfg"]
    with running(command, directory, accepts(*endpoints.values())) as server:
        yield server, endpoints
