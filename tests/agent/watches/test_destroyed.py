"""The filter, run by hand as the kernel runs it."""

import struct

import pytest

from feedback.agent.watches.destroyed import (
    INSTRUCTION,
    JUMP_IF_EQUAL,
    LOAD_HALF,
    RETURN,
    WHOLE_MESSAGE,
    listener_filter,
)


def passes(program: bytes, message: bytes) -> int:
    """Return how many bytes of a message the program lets through."""
    instructions = list(INSTRUCTION.iter_unpack(program))
    accumulator = at = 0
    while True:
        what, if_so, if_not, operand = instructions[at]
        at += 1
        if what == LOAD_HALF:
            (accumulator,) = struct.unpack_from("!H", message, operand)
        elif what == JUMP_IF_EQUAL:
            at += if_so if accumulator == operand else if_not
        else:
            assert what == RETURN
            return int(operand)


def destroyed(source_port: int, destination_port: int) -> bytes:
    """Return a message as the kernel writes it: a header, then family, state and two more bytes, then the ports."""
    return struct.pack("=IHHII", 380, 20, 0, 0, 0) + b"\x02\x07\0\0" + struct.pack("!HH", source_port, destination_port)


@pytest.mark.parametrize(
    ("ports", "allowed"),
    [((80, 0), WHOLE_MESSAGE), ((80, 40000), 0), ((81, 0), 0), ((40000, 80), 0), ((0x5000, 0), 0)],
)
def test_only_listeners_on_the_port_come_through(ports: tuple[int, int], allowed: int) -> None:
    assert passes(listener_filter(80), destroyed(*ports)) == allowed
