import contextlib
import socket
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent import sockdiag
from feedback.agent.sockdiag import AcceptQueue, pack_request, parse_answer, parse_queue
from feedback.agent.source import SourceError


def message(kind: int, body: bytes) -> bytes:
    padding = bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body + padding


def listener(port: int, waiting: int, backlog: int, family: int = socket.AF_INET) -> bytes:
    identity = struct.pack("!HH", port, 0) + bytes(44)
    return message(
        20, struct.pack("=BBBB", family, 10, 0, 0) + identity + struct.pack("=IIIII", 0, waiting, backlog, 0, 7)
    )


DONE = message(3, bytes(4))


def queues(answer: bytes) -> tuple[list[AcceptQueue], bool]:
    sockets, done = parse_answer(answer)
    return [parse_queue(body) for body in sockets], done


def test_numbers_agree_with_the_systems() -> None:
    assert sockdiag.FAMILIES == (socket.AF_INET, socket.AF_INET6)
    assert socket.IPPROTO_TCP == sockdiag.IPPROTO_TCP


def test_the_request_asks_for_listeners_on_one_port() -> None:
    request = pack_request(socket.AF_INET6, 8080)
    length, kind, flags, _, _ = struct.unpack_from("=IHHII", request)
    assert (length, kind, flags) == (len(request), 20, 0x301)
    assert len(request) == 16 + 56
    family, protocol, states = struct.unpack_from("=BBxxI", request, 16)
    assert (family, protocol, states) == (socket.AF_INET6, socket.IPPROTO_TCP, 1 << 10)
    assert struct.unpack_from("!H", request, 24) == (8080,)


def test_the_request_may_ask_for_another_state() -> None:
    request = pack_request(socket.AF_INET, 80, sockdiag.TCP_ESTABLISHED)
    assert struct.unpack_from("=I", request, 20) == (1 << 1,)


def test_queues_are_read_until_the_end_of_the_list() -> None:
    answer = listener(80, 3, 128) + listener(80, 0, 4096, socket.AF_INET6)
    assert queues(answer) == ([AcceptQueue(80, 3, 128), AcceptQueue(80, 0, 4096)], False)
    assert queues(answer + DONE) == ([AcceptQueue(80, 3, 128), AcceptQueue(80, 0, 4096)], True)
    assert queues(b"") == ([], False)


def test_attributes_after_a_socket_and_other_messages_are_skipped() -> None:
    longer = message(20, listener(80, 1, 2)[16:] + b"attributes")
    assert queues(message(99, b"odd") + longer + DONE) == ([AcceptQueue(80, 1, 2)], True)


def test_a_refusal_names_the_error() -> None:
    with pytest.raises(SourceError, match=r"^the kernel refuses to tell its sockets: ENOENT$"):
        parse_answer(message(2, struct.pack("=i", -2) + bytes(16)))


@pytest.mark.parametrize("cut", [lambda data: data[:-8], lambda data: struct.pack("=I", 4) + data[4:]])
def test_a_message_that_is_cut_off_is_an_error(cut: Callable[[bytes], bytes]) -> None:
    with pytest.raises(SourceError, match=r"^the kernel's list of sockets is cut off$"):
        parse_answer(cut(listener(80, 1, 2)))


@given(st.lists(st.one_of(st.binary(max_size=80), st.just(listener(80, 1, 2)), st.just(DONE)), max_size=4))
def test_any_bytes_are_queues_or_one_named_error(parts: list[bytes]) -> None:
    with contextlib.suppress(SourceError):
        queues(b"".join(parts))
