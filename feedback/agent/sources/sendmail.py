"""Mail in Sendmail's queues."""

from functools import partial
from typing import Annotated

from feedback.agent.aside import Aside
from feedback.agent.limit import ENOUGH, Limit
from feedback.agent.source import Sample, Source
from feedback.agent.spool import count_files

GROUP_DEPTH = 2
"""A queue group has directories (/var/spool/mqueue/qd*), and each of them may have qf, df and xf of its own."""

PERMIT = "add the agent's user to the queue's group (smmsp)"


class SendmailSource(Source, name="sendmail"):
    """Messages in Sendmail's queues, as a share of a limit: each has one control file, in whichever queue group.

    Messages in quarantine and lost ones are not counted, nor more than ten times the limit.

    Example:

        queue.mail: {source: sendmail, limit: 2000}
    """

    limit: Annotated[Limit, "how many messages are full"]
    directories: Annotated[tuple[str, ...], "the queues; those below them count, too"] = ("/var/spool/mqueue",)

    def __post_init__(self) -> None:
        if not self.directories:
            raise ValueError("directories: must name one at least")
        self._enough = self.limit * ENOUGH
        count = partial(count_files, self.directories, _is_control_file, GROUP_DEPTH, self._enough, PERMIT)
        self._aside = Aside(count, f"the queue in {self.directories[0]}")

    async def sample(self) -> Sample:
        """Count."""
        return Sample(min(await self._aside.call(), self._enough) / self.limit)


def _is_control_file(name: str) -> bool:
    """Tell a message by its control file: qf and the message's name."""
    return name.startswith("qf") and len(name) > 2
