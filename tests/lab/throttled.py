"""Servers that can do just so much, and clients that come whatever the servers do: what weights are judged by.

    with ThrottledServer("rs1", 8080, speed=4.0) as server, Arrivals(WEB, per_second=30.0, seed="1") as clients:
        before = server.busy_seconds()
        ...
        share = (server.busy_seconds() - before) / seconds

Work is sleep, so a server of four times the speed takes a fourth of the time, whatever else the machine does.
"""

import contextlib
import json
import queue
import random
import selectors
import socket
import threading
import time
from typing import Self

from feedback.model import Endpoint
from tests.lab.cluster import CLIENT, inside

SERVICE_SECONDS = 0.1
"""How long a server of speed 1 works for one request."""

BACKLOG = 512
CONNECT_TIMEOUT_SECONDS = 5.0
MOST_BYTES = 4096


class ThrottledServer:
    """An HTTP server that works at one request after the other; those that come meanwhile wait in line.

    `/load` is answered at once, with a load report as http_json reads it: the share of the time since the last such
    question that it has worked. `/alive` is answered at once too, and is no work. A context manager: at its end nobody
    who waits gets an answer any more.
    """

    def __init__(self, host: str, port: int, speed: float) -> None:
        self._service_seconds = SERVICE_SECONDS / speed
        self._line: queue.SimpleQueue[socket.socket | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._worked_seconds = 0.0
        self._began: float | None = None
        self._asked = (time.monotonic(), 0.0)
        self._stopping = False
        with inside(host):
            self._listener = socket.create_server(("", port), backlog=BACKLOG)
        self._threads = [threading.Thread(target=part, daemon=True) for part in (self._accept, self._work)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def busy_seconds(self) -> float:
        """Return how long it has worked since its start."""
        with self._lock:
            running = 0.0 if self._began is None else time.monotonic() - self._began
            return self._worked_seconds + running

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if not self._stopping:
                    raise
                break
            with contextlib.suppress(OSError):  # a client that has gone is no matter
                self._take(connection)
        self._line.put(None)

    def _take(self, connection: socket.socket) -> None:
        request = connection.recv(MOST_BYTES)
        if request.startswith(b"GET /load "):
            answer(connection, json.dumps({"application_utilization": self._share()}))
        elif request.startswith(b"GET /alive "):
            answer(connection, "alive")
        else:
            self._line.put(connection)

    def _share(self) -> float:
        before, worked_before = self._asked
        self._asked = now, worked = time.monotonic(), self.busy_seconds()
        return (worked - worked_before) / (now - before)

    def _work(self) -> None:
        while (connection := self._line.get()) and not self._stopping:
            with self._lock:
                self._began = began = time.monotonic()
            time.sleep(self._service_seconds)
            with contextlib.suppress(OSError):
                answer(connection, "done")
            with self._lock:
                self._worked_seconds += time.monotonic() - began
                self._began = None


def answer(connection: socket.socket, body: str) -> None:
    """Send an answer and close."""
    head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
    with connection:
        connection.sendall((head + body).encode())


class Arrivals:
    """Clients that come by chance, so many each second on average (Poisson), each with a request of its own.

    They come whether or not those before have been answered. A context manager; at its end nobody comes any more, and
    who has no answer yet is forgotten. answers_seconds: how long each answer took, in the order in which they came.
    failed: what was no whole answer, in words.
    """

    def __init__(self, endpoint: Endpoint, per_second: float, seed: str) -> None:
        self.answers_seconds: list[float] = []
        self.failed: list[str] = []
        self._place = (endpoint.address, endpoint.port)
        self._request = f"GET / HTTP/1.0\r\nHost: {endpoint}\r\n\r\n".encode()
        self._per_second = per_second
        self._chance = random.Random(seed)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join()

    def _run(self) -> None:
        with selectors.DefaultSelector() as waiting, inside(CLIENT):
            due = time.monotonic()
            while not self._stopping:
                due += self._chance.expovariate(self._per_second)
                while (left := due - time.monotonic()) > 0:
                    for key, _ in waiting.select(left):
                        self._end(waiting, key)
                self._begin(waiting)
            for key in list(waiting.get_map().values()):
                key.data[0].close()

    def _begin(self, waiting: selectors.BaseSelector) -> None:
        began = time.monotonic()
        try:
            connection = socket.create_connection(self._place, CONNECT_TIMEOUT_SECONDS)
            connection.sendall(self._request)
        except OSError as error:
            self.failed.append(str(error))
        else:
            waiting.register(connection, selectors.EVENT_READ, (connection, began))

    def _end(self, waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        """Read an answer: it comes in one piece."""
        connection, began = key.data
        waiting.unregister(connection)
        try:
            with connection:
                found = connection.recv(MOST_BYTES)
        except OSError as error:
            self.failed.append(str(error))
            return
        if found.endswith(b"done"):
            self.answers_seconds.append(time.monotonic() - began)
        else:
            self.failed.append(f"answered {found[:60]!r}")
