"""Servers and clients for a cluster of namespaces, as threads: a socket stays in the namespace it was made in."""

import contextlib
import itertools
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Self

from feedback.model import Endpoint

ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST, as when the process was killed
STREAM_CHUNK_BYTES = 1000
STREAM_INTERVAL_SECONDS = 0.02
BACKLOG = 512
STOP_TIMEOUT_SECONDS = 10
ASKING_PORTS = itertools.count(20000)


class RealServer:
    """An HTTP server that answers with its own name, and counts.

    `/stream/N` sends N chunks of `STREAM_CHUNK_BYTES`, one every `STREAM_INTERVAL_SECONDS`; any other path is
    answered with `status` and `body` after `delay_seconds`. All three may be set at any time.
    """

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.status = 200
        self.body = name
        self.delay_seconds = 0.0
        self.requests: Counter[str] = Counter()  # path -> how many
        self.streams_running = 0
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._listener = socket.create_server(
            ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
        )
        self._thread = threading.Thread(target=self._accept, name=f"{name}:{port}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End as a killed process does: refuse connections and reset those that run."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(STOP_TIMEOUT_SECONDS)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
        try:
            with contextlib.suppress(OSError, IndexError):
                path = _read_head(connection).split()[1].decode()
                self.requests[path] += 1
                self._answer(connection, path)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket, path: str) -> None:
        if path.startswith("/stream/"):
            self._stream(connection, int(path.rpartition("/")[2]))
            return
        if self.delay_seconds:
            time.sleep(self.delay_seconds)
        connection.sendall(_head(self.status, len(self.body)) + self.body.encode())

    def _stream(self, connection: socket.socket, chunks: int) -> None:
        self.streams_running += 1
        try:
            connection.sendall(_head(200, chunks * STREAM_CHUNK_BYTES))
            for _ in range(chunks):
                connection.sendall(bytes(STREAM_CHUNK_BYTES))
                time.sleep(STREAM_INTERVAL_SECONDS)
        finally:
            self.streams_running -= 1


class EchoServer:
    """A UDP server that answers each datagram with its own name and what it got, and counts.

    It answers from the host's own address, so it serves a virtual address by masquerading only.
    """

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.received = 0
        self._socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._socket.bind(("::", port))
        self._thread = threading.Thread(target=self._serve, name=f"{name}:{port}", daemon=True)
        self._stopping = False
        self._thread.start()

    def stop(self) -> None:
        """End as a killed process does: datagrams are refused from now on."""
        self._stopping = True
        with contextlib.suppress(OSError):  # it is not connected, but whoever waits for a datagram wakes up
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(STOP_TIMEOUT_SECONDS)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(65536)
            if self._stopping:
                return
            self.received += 1
            self._socket.sendto(f"{self.name}: ".encode() + data, peer)


class Load:
    """Client load: threads that make one request after the other until the block ends.

    served: body -> how many requests brought it. errors: every request that failed, in words; `errors` being empty
    means that no client has noticed anything.
    """

    def __init__(
        self, endpoint: Endpoint, path: str, threads: int, pause_seconds: float, prepare: Callable[[], None]
    ) -> None:
        self.served: Counter[str] = Counter()
        self.errors: list[str] = []
        self._endpoint = endpoint
        self._path = path
        self._pause_seconds = pause_seconds
        self._prepare = prepare
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, name="load", daemon=True) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(STOP_TIMEOUT_SECONDS)

    def total(self) -> int:
        """Return how many requests have ended well so far."""
        return self.served.total()

    def _run(self) -> None:
        self._prepare()
        while not self._stopping.is_set():
            try:
                self.served[fetch(self._endpoint, self._path)] += 1
            except OSError as error:
                self.errors.append(f"{type(error).__name__}: {error}")
            self._stopping.wait(self._pause_seconds)


def fetch(endpoint: Endpoint, path: str = "/", timeout_seconds: float = 5.0) -> str:
    """Make one HTTP request on a new connection and return the body. Raises OSError for anything but a whole 200."""
    deadline = time.monotonic() + timeout_seconds
    with socket.create_connection((endpoint.address, endpoint.port), timeout_seconds) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {endpoint}\r\n\r\n".encode())
        answer = b""
        while data := connection.recv(65536):
            answer += data
            if time.monotonic() > deadline:
                raise TimeoutError(f"the answer was not over after {timeout_seconds} s")
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.0 200 "):
        raise ConnectionError(f"answered {head[:60]!r}")
    if len(body) != int(head.rpartition(b": ")[2]):
        raise ConnectionError(f"the answer broke off after {len(body)} bytes")
    return body.decode()


def ask(endpoint: Endpoint, question: bytes, timeout_seconds: float = 5.0) -> str:
    """Send one datagram from a port that none came from before, and return the answer. Raises OSError without one.

    IPVS remembers a port for minutes, and sends what comes from it to the same server: the kernel's choice may hit one.
    """
    with socket.socket(socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(timeout_seconds)
        asking.bind(("", next(ASKING_PORTS)))
        asking.connect((endpoint.address, endpoint.port))
        asking.send(question)
        return asking.recv(65536).decode()


def _read_head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 65536:
        data = connection.recv(4096)
        if not data:
            break
        head += data
    return head


def _head(status: int, length: int) -> bytes:
    return f"HTTP/1.0 {status} -\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n".encode()
