"""Mail in Exim's queue."""

from functools import partial
from typing import Annotated

from feedback.agent.aside import Aside
from feedback.agent.limit import ENOUGH, Limit
from feedback.agent.source import Sample, Source
from feedback.agent.spool import count_files

SPLIT_DEPTH = 1
PERMIT = "add the agent's user to Exim's group (Debian-exim, or exim)"


class EximSource(Source, name="exim"):
    """Messages in Exim's queue, as a share of a limit: each has one header file, split_spool_directory or not.

    More than ten times the limit is not counted.

    Example:

        queue.mail: {source: exim, limit: 2000}
    """

    limit: Annotated[Limit, "how many messages are full"]
    directory: Annotated[str, "the queue's input directory; a named queue has its own"] = "/var/spool/exim4/input"

    def __post_init__(self) -> None:
        self._enough = self.limit * ENOUGH
        count = partial(count_files, [self.directory], _is_header_file, SPLIT_DEPTH, self._enough, PERMIT)
        self._aside = Aside(count, f"the queue in {self.directory}")

    async def sample(self) -> Sample:
        """Count."""
        return Sample(min(await self._aside.call(), self._enough) / self.limit)


def _is_header_file(name: str) -> bool:
    """Tell a message by its header file: one whose name begins with hdr. is still being written."""
    return name.endswith("-H") and not name.startswith("hdr.")
