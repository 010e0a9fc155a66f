"""Questions over UDP: asked twice, as a datagram may get lost, and answered by nothing but an answer. Pure."""

from collections.abc import Callable
from typing import TypeVar

from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint
from feedback.net import Datagrams, Net, Target, endpoint_of

AnswerT = TypeVar("AnswerT")

STRANGE_LIMIT = 32
"""How many datagrams that are no answer are passed over: late ones, and those of somebody who guesses."""


async def ask_twice(
    net: Net,
    target: Target | Endpoint,
    question: Callable[[], bytes],
    read: Callable[[bytes], AnswerT | None],
    seconds: float,
) -> AnswerT:
    """Return what `read` makes of the answer. It returns None for a datagram that is none.

    The question is asked once more when half of the time is over. Raises CheckFailed: `timeout` when there is no answer
    in time, `protocol` when there is too much else, and whatever `read` raises.
    """
    async with net.connect_udp(target) as datagrams:
        asking = _Asking(net, datagrams, endpoint_of(target))
        for _ in range(2):
            await datagrams.send(question())
            answer = await asking.answer_within(seconds / 2, read)
            if answer is not None:
                return answer
    raise CheckFailed(Reason.TIMEOUT, f"no answer from {endpoint_of(target)}, asked twice{asking.strange_words()}")


class _Asking:
    """One question under way, and how many datagrams have come that were no answer."""

    def __init__(self, net: Net, datagrams: Datagrams, endpoint: Endpoint) -> None:
        self._net = net
        self._datagrams = datagrams
        self._endpoint = endpoint
        self._strange = 0

    async def answer_within(self, seconds: float, read: Callable[[bytes], AnswerT | None]) -> AnswerT | None:
        until = self._net.now() + seconds
        while (data := await self._datagrams.receive_within(max(0.0, until - self._net.now()))) is not None:
            answer = read(data)
            if answer is not None:
                return answer
            self._strange += 1
            if self._strange > STRANGE_LIMIT:
                raise CheckFailed(Reason.PROTOCOL, f"no answer from {self._endpoint}{self.strange_words()}")
        return None

    def strange_words(self) -> str:
        if not self._strange:
            return ""
        words = "1 datagram that answers" if self._strange == 1 else f"{self._strange} datagrams that answer"
        return f", but {words} something else"
