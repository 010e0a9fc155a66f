"""A source's test: against a server of its own, on a port that is free."""

import asyncio
import socketserver
import threading
from collections.abc import Iterator

import pytest
from feedback.agent.source import SourceError
from feedback.testing import conform_source

from gearman_source import GearmanSource, waiting

STATUS = b"resize\t30\t10\t4\nmail\t5\t5\t2\n.\n"


class Server(socketserver.StreamRequestHandler):
    """Answers one question."""

    def handle(self) -> None:
        """Answer."""
        self.rfile.readline()
        self.wfile.write(self.server.answer)  # type: ignore[attr-defined]


@pytest.fixture
def server() -> Iterator[socketserver.TCPServer]:
    with socketserver.TCPServer(("127.0.0.1", 0), Server) as server:
        server.answer = STATUS  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def source(server: socketserver.TCPServer, **options: str) -> GearmanSource:
    return GearmanSource(port=server.server_address[1], limit=100, **options)


def test_jobs_that_wait_are_a_share_of_the_limit(server: socketserver.TCPServer) -> None:
    assert asyncio.run(source(server).sample()).ratio == 0.2
    assert asyncio.run(source(server, function="mail").sample()).ratio == 0.0


@pytest.mark.parametrize(("answer", "words"), [(b"resize\t30\n.\n", "not a line of a status"), (b"", "no end")])
def test_another_answer_is_told(server: socketserver.TCPServer, answer: bytes, words: str) -> None:
    server.answer = answer  # type: ignore[attr-defined]
    with pytest.raises(SourceError, match=words):
        asyncio.run(source(server).sample())


def test_a_server_without_functions_has_no_jobs() -> None:
    assert waiting([], None) == 0


def test_it_is_a_source_as_the_agent_needs_it(server: socketserver.TCPServer) -> None:
    conform_source(source(server))


def test_a_server_that_is_not_there_is_told_in_words() -> None:
    conform_source(GearmanSource, failing=True, host="127.0.0.1", port=1, limit=100)
