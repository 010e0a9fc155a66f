"""Asking a DNS server: over UDP, where anybody may answer, and over a connection."""

import functools
import secrets

from feedback.checks.asking import ask_twice
from feedback.checks.codecs.dns_message import IDENTIFIER_BYTES, Answer, Question, read_answer
from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint
from feedback.net import Net, Stream, Target

LENGTH_BYTES = 2


def new_identifier() -> bytes:
    """Return what the answer must repeat, and what nobody can guess who does not see the question."""
    return secrets.token_bytes(IDENTIFIER_BYTES)


async def ask_over_udp(net: Net, target: Target | Endpoint, question: Question, seconds: float) -> Answer:
    """Return the answer. Raises CheckFailed, `timeout` when there is none after so many seconds."""
    identifier = new_identifier()
    read = functools.partial(read_answer, question, identifier)
    return await ask_twice(net, target, lambda: identifier + question.query, read, seconds)


async def ask_over_stream(stream: Stream, question: Question) -> Answer:
    """Return the answer on a connection, on which each message has its length before it (RFC 1035, 4.2.2)."""
    identifier = new_identifier()
    message = identifier + question.query
    await stream.write(len(message).to_bytes(LENGTH_BYTES) + message)
    length = int.from_bytes(await stream.read_exactly(LENGTH_BYTES))
    answer = read_answer(question, identifier, await stream.read_exactly(length))
    if answer is None:
        raise CheckFailed(Reason.PROTOCOL, "what came is no answer to the question")
    return answer
