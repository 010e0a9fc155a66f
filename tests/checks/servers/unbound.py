"""A real resolver for tests: Unbound, which asks one name server only, and trusts one key."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers import process
from tests.checks.tls_files import Pair

CONFIG = """
server:
  directory: "{directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-daemonize: no
  num-threads: 1
  interface: 127.0.0.1@{port}
  interface: ::1@{port}
  interface: 127.0.0.1@{tls_port}
  tls-port: {tls_port}
  tls-service-pem: "{pair.certificate}"
  tls-service-key: "{pair.key}"
  do-not-query-localhost: no
  module-config: "validator iterator"
  val-log-level: 0
  nsid: "ascii_resolver-one"
"""

STUB = """
stub-zone:
  name: "{name}"
  stub-addr: {upstream.address}@{upstream.port}
"""


@contextlib.contextmanager
def unbound(
    directory: Path, upstream: Endpoint, names: Sequence[str], trusted: Sequence[str], pair: Pair
) -> Iterator[tuple[Endpoint, int]]:
    """Resolve some names within the block, by one server; also over TLS, on the port that is returned."""
    directory.mkdir(parents=True, exist_ok=True)
    port, tls_port = process.free_port(), process.free_port()
    config = CONFIG.format(directory=directory, port=port, tls_port=tls_port, pair=pair)
    config += "".join(f"  trust-anchor: '{record}'\n" for record in trusted)
    config += "remote-control:\n  control-enable: no\n"
    config += "".join(STUB.format(name=name, upstream=upstream) for name in names)
    (directory / "unbound.conf").write_text(config)
    endpoint = Endpoint("127.0.0.1", port)
    command = [process.copied("unbound", "unbound", directory), "-d", "-c", str(directory / "unbound.conf")]
    with process.running(command, directory, process.accepts(endpoint, Endpoint("127.0.0.1", tls_port))):
        yield endpoint, tls_port
