"""Mail in Postfix's queue."""

from functools import partial
from typing import Annotated, Literal

from feedback.agent.aside import Aside
from feedback.agent.limit import ENOUGH, Limit
from feedback.agent.place import Place
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.spool import count_files
from feedback.agent.stream import DeniedError, connected

Queue = Literal["maildrop", "incoming", "active", "deferred", "hold"]

HASH_DEPTH = 4
"""How deep Postfix hashes at most: two levels are usual, and hash_queue_depth says."""

READ_BYTES = 16 * 1024
PERMIT = "add the agent's user to the group postdrop"


class PostfixSource(Source, name="postfix"):
    """Messages in Postfix's queue, as a share of a limit.

    They are counted in the queue's directories where the agent may read those. Else Postfix's own service showq is
    asked, which the group postdrop may do: it opens every message, and does not list what it can't. More than ten times
    the limit is not counted.

    Examples:

        queue.mail: {source: postfix, limit: 2000, interval: 5s}
        queue.held: {source: postfix, queues: [hold], limit: 50, interval: 1m}
    """

    limit: Annotated[Limit, "how many messages are full"]
    queues: Annotated[tuple[Queue, ...], "which to count: maildrop, incoming, active, deferred, hold"] = (
        "incoming",
        "active",
        "deferred",
    )
    directory: Annotated[str, "Postfix's queue_directory"] = "/var/spool/postfix"

    def __post_init__(self) -> None:
        if not self.queues:
            raise ValueError("queues: must name one at least")
        self._enough = self.limit * ENOUGH
        paths = [f"{self.directory}/{queue}" for queue in self.queues]
        count = partial(count_files, paths, _is_message, HASH_DEPTH, self._enough, PERMIT)
        self._aside = Aside(count, f"the queue in {self.directory}")

    async def sample(self) -> Sample:
        """Count."""
        try:
            count = await self._aside.call()
        except DeniedError:
            count = await self._ask_showq()
        return Sample(min(count, self._enough) / self.limit)

    async def _ask_showq(self) -> int:
        from feedback.checks.codecs.postfix_queue import QueueCounter  # noqa: PLC0415 - mostly not needed

        counter = QueueCounter()
        place = Place(path=f"{self.directory}/public/showq")
        try:
            async with connected(place) as stream:
                while not counter.ended and self._sum(counter.messages) < self._enough:
                    data = await stream.read_some(READ_BYTES)
                    if not data:
                        raise SourceError("showq ended in the middle of its answer: Postfix's log says why")
                    counter.feed(data)
        except DeniedError:
            raise SourceError(f"can't see the queue in {self.directory}: Permission denied: {PERMIT}") from None
        return self._sum(counter.messages)

    def _sum(self, messages: dict[str, int]) -> int:
        return sum(messages.get(queue, 0) for queue in self.queues)


def _is_message(name: str) -> bool:
    """Tell a queue file by its name: letters and digits. Postfix's own do not begin with a dot."""
    return name.isalnum()
