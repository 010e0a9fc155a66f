import contextlib
import socket
from collections.abc import Iterator

import pytest

from feedback.agent.sockdiag import AcceptQueue
from feedback.agent.source import SourceError
from feedback.agent.sources.sockets import SocketsSource, fullest


def test_the_fullest_queue_on_the_port_counts() -> None:
    queues = [AcceptQueue(80, 1, 10), AcceptQueue(80, 30, 100), AcceptQueue(81, 9, 9)]
    assert fullest(queues, 80) == 0.3


def test_a_backlog_of_zero_is_full_with_one() -> None:
    assert fullest([AcceptQueue(80, 1, 0)], 80) == 1


def test_a_port_without_a_listener_is_told_in_words() -> None:
    with pytest.raises(SourceError, match=r"^nobody listens on TCP port 80$"):
        fullest([AcceptQueue(81, 0, 9)], 80)


@contextlib.contextmanager
def crowded(family: socket.AddressFamily, address: str) -> Iterator[int]:
    """Listen with a backlog of 10, and leave 4 clients waiting; yield the port."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server((address, 0), family=family, backlog=10))
        port: int = server.getsockname()[1]
        for _ in range(4):
            stack.enter_context(socket.create_connection((address, port)))
        yield port


@pytest.mark.loopback
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_clients_that_wait_are_a_share_of_the_backlog(family: socket.AddressFamily, address: str) -> None:
    with crowded(family, address) as port:
        source = SocketsSource(port=port)
        assert (await source.sample()).ratio == pytest.approx(0.4)
    with pytest.raises(SourceError, match=f"nobody listens on TCP port {port}"):
        await source.sample()
    with socket.create_server((address, port), family=family, backlog=10):
        assert (await source.sample()).ratio == 0


@pytest.mark.loopback
async def test_a_broken_answer_is_not_read_again_as_the_next_one() -> None:
    with crowded(socket.AF_INET, "127.0.0.1") as port:
        source = SocketsSource(port=port)
        await source.sample()
        netlink = source._listeners._netlink
        assert netlink is not None
        netlink.close()
        with pytest.raises(SourceError, match="can't ask the kernel for its listening sockets: Bad file descriptor"):
            await source.sample()
        assert (await source.sample()).ratio == pytest.approx(0.4)
