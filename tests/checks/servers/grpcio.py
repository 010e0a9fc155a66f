"""A real gRPC server for tests: Debian's grpcio under Debian's Python, with the health service written out by hand."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers.process import accepts, running
from tests.checks.tls_files import Pair

SERVER = r"""
import sys, time
from concurrent import futures
import grpc

port, secure_port, bare_port, certificate, key = sys.argv[1:]
STATES = {b"": 1, b"shop.v1.Orders": 1, b"shop.v1.Closed": 2, b"shop.v1.New": 0, b"shop.v1.Watched": 3}

def read(data):
    return data[2:] if data[:1] == b"\x0a" else b""

def write(state):
    return bytes([0x12, 3]) + b"new" + bytes([8, state]) if state else b""

def check(service, context):
    if service == b"secret":
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
    if service == b"slow":
        time.sleep(60)
    if service not in STATES:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such service: gr\u00fcn 100%")
    return STATES[service]

class Health(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(check, read, write)

class Nothing(grpc.GenericRpcHandler):
    def service(self, details):
        return None

pool = futures.ThreadPoolExecutor(8)
server = grpc.server(pool, handlers=[Health()])
bare = grpc.server(pool, handlers=[Nothing()])
pair = [(open(key, "rb").read(), open(certificate, "rb").read())]
for address in "127.0.0.1", "[::1]":
    assert server.add_insecure_port(f"{address}:{port}")
    assert server.add_secure_port(f"{address}:{secure_port}", grpc.ssl_server_credentials(pair))
server.start()
assert bare.add_insecure_port(f"127.0.0.1:{bare_port}")
bare.start()
server.wait_for_termination()
"""


@contextlib.contextmanager
def grpc_server(directory: Path, pair: Pair, ports: tuple[int, int, int]) -> Iterator[subprocess.Popen[bytes]]:
    """Run it within the block: at the ports in the clear, over TLS, and in the clear without the health service."""
    script = directory / "server.py"
    directory.mkdir(parents=True, exist_ok=True)
    script.write_text(SERVER)
    command = ["/usr/bin/python3", str(script), *map(str, ports), str(pair.certificate), str(pair.key)]
    with running(command, directory, accepts(*(Endpoint("127.0.0.1", port) for port in ports))) as server:
        yield server
