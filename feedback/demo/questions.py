"""How the demo speaks with its own processes: a line in on standard input, a line of JSON out on standard output."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import msgspec

LINE_BYTES = 64 * 1024


def tell(answer: object) -> None:
    """Write one answer."""
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


async def answer_questions(answer: Callable[[str], Any]) -> None:
    """Answer each line until the demo closes its end."""
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while question := await reader.readline():
        tell(answer(question.decode().strip()))
