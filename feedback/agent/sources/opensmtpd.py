"""Mail in OpenSMTPD's queue."""

import re
from functools import partial
from typing import Annotated

from feedback.agent.aside import Aside
from feedback.agent.limit import ENOUGH, Limit
from feedback.agent.source import Sample, Source
from feedback.agent.spool import count_files

MESSAGE_DEPTH = 2
"""Two digits of the message's name are a directory, the message is one in it, and its envelopes are files there."""

ENVELOPE = re.compile("[0-9a-f]{16}")
PERMIT = "give the agent the capability CAP_DAC_READ_SEARCH, for the queue is its user's alone"


class OpensmtpdSource(Source, name="opensmtpd"):
    """Envelopes in OpenSMTPD's queue, as a share of a limit: a message has one for each recipient.

    More than ten times the limit is not counted.

    Example:

        queue.mail: {source: opensmtpd, limit: 2000}
    """

    limit: Annotated[Limit, "how many envelopes are full"]
    directory: Annotated[str, "the queue's directory"] = "/var/spool/smtpd/queue"

    def __post_init__(self) -> None:
        self._enough = self.limit * ENOUGH
        count = partial(count_files, [self.directory], _is_envelope, MESSAGE_DEPTH, self._enough, PERMIT)
        self._aside = Aside(count, f"the queue in {self.directory}")

    async def sample(self) -> Sample:
        """Count."""
        return Sample(min(await self._aside.call(), self._enough) / self.limit)


def _is_envelope(name: str) -> bool:
    return ENVELOPE.fullmatch(name) is not None
