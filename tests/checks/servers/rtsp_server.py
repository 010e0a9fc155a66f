"""A real RTSP server for tests: rtsp-server-perl, to which a source announces a presentation."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers import process

PRESENTATION = "/channel1"

SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=channel 1\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n"
)
ANNOUNCE = (
    f"ANNOUNCE rtsp://127.0.0.1{PRESENTATION} RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n"
    f"Content-Length: {len(SDP)}\r\n\r\n{SDP}"
)


@contextlib.contextmanager
def rtsp_server(directory: Path) -> Iterator[tuple[Endpoint, subprocess.Popen[bytes]]]:
    """Run it within the block, with a source; where clients connect to, and its process. It can do IPv4 alone."""
    clients, sources = (Endpoint("127.0.0.1", process.free_port()) for _ in range(2))
    command = [
        process.program("rtsp-server-perl", "rtsp-server-perl"),
        f"--clientport={clients.port}",
        f"--serverport={sources.port}",
        "--client_listen_address=127.0.0.1",
        "--source_listen_address=127.0.0.1",
    ]
    with process.running(command, directory, process.accepts(clients, sources)) as server, _source(sources):
        yield clients, server


@contextlib.contextmanager
def _source(endpoint: Endpoint) -> Iterator[None]:
    """Have something to show within the block."""
    with socket.create_connection((endpoint.address, endpoint.port), 10.0) as connection:
        connection.sendall(ANNOUNCE.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(512)
        if not answer.startswith(b"RTSP/1.0 200 "):
            raise process.ServerError(f"the source is not welcome: {answer!r}")
        yield
