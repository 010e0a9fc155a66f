"""A check that uses two connections at once: one TLS session for both, and which of the two has kept it waiting."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback.model import Endpoint, Outcome
from feedback.net import Net, Target
from tests.checks import peers
from tests.checks.peers import MadeCheck, check_once, tcp_peer
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@contextlib.contextmanager
def telling(context: ssl.SSLContext) -> Iterator[Endpoint]:
    """Serve TLS within the block: each client is told whether it has resumed a session."""

    def serve() -> None:
        with contextlib.suppress(OSError):  # it is shut down at the end
            while True:
                plain, _ = listening.accept()
                with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                    connection.sendall(b"resumed " if connection.session_reused else b"new ")

    with peers.listener() as listening:
        server = threading.Thread(target=serve)
        server.start()
        yield peers.endpoint_of(listening)
        listening.shutdown(socket.SHUT_RDWR)
        server.join()


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
async def test_a_connection_resumes_the_session_of_another_and_else_has_its_own(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("two", "IP:127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    context.minimum_version = context.maximum_version = version
    trusting = ssl.create_default_context(cafile=authority.ca_file)

    async def ask(target: Target, net: Net) -> str:
        async with (
            net.connect_tcp(target) as first,
            net.connect_tcp(target) as second,
            net.connect_tcp(target) as third,
        ):
            words = b""
            for stream, resume in ((first, None), (second, first), (third, None)):
                await stream.start_tls(trusting, "127.0.0.1", resume)
                words += await stream.read_until(b" ", 64)
        return words.decode().rstrip()

    with telling(context) as endpoint:
        assert await check_once(MadeCheck(function=ask), endpoint) == (Outcome.PASS, "", "new resumed new")


@pytest.mark.parametrize("waits_for", [0, 1])
async def test_at_the_deadline_it_is_said_which_of_the_two_is_silent(waits_for: int) -> None:
    async with tcp_peer(peers.silent) as one, tcp_peer(peers.silent) as other:

        async def ask(_target: Target, net: Net) -> str:
            async with net.connect_tcp(one) as first, net.connect_tcp(other) as second:
                await (first, second)[waits_for].read_some(1)
            return ""

        silent = (one, other)[waits_for]
        result = await check_once(MadeCheck(function=ask), one, SOON_SECONDS)
        assert result == (Outcome.FAIL, "timeout", f"no answer from {silent} within 0.3 s")
