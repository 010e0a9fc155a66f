"""The kernel's word of listening sockets that cease to exist, by netlink (sock_diag(7)). Pure.

Every TCP socket that ceases to exist is told to whoever has joined these groups, which needs no privilege. Without a
filter every connection that ends would wake the agent.
"""

import struct

from feedback.agent.sockdiag import HEADER

GROUPS = (1 << 0) | (1 << 2)
"""SKNLGRP_INET_TCP_DESTROY and SKNLGRP_INET6_TCP_DESTROY."""

INSTRUCTION = struct.Struct("=HBBI")  # of classic BPF: what to do, jump if so, jump if not, operand
LOAD_HALF, JUMP_IF_EQUAL, RETURN = 0x28, 0x15, 0x06
SOURCE_PORT_OFFSET = HEADER.size + 4
DESTINATION_PORT_OFFSET = SOURCE_PORT_OFFSET + 2
WHOLE_MESSAGE = 0xFFFFFFFF


def listener_filter(port: int) -> bytes:
    """Return the socket filter that lets through the messages of listening sockets on a port.

    A listener has no other end, so its destination port is 0. The filter reads a message from its header on, and in
    network byte order, in which the ports stand there.
    """
    program = (
        (LOAD_HALF, 0, 0, SOURCE_PORT_OFFSET),
        (JUMP_IF_EQUAL, 0, 3, port),
        (LOAD_HALF, 0, 0, DESTINATION_PORT_OFFSET),
        (JUMP_IF_EQUAL, 0, 1, 0),
        (RETURN, 0, 0, WHOLE_MESSAGE),
        (RETURN, 0, 0, 0),
    )
    return b"".join(INSTRUCTION.pack(*instruction) for instruction in program)
