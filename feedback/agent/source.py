"""The metric source contract: one class whose fields are its options, and one coroutine.

class QueueSource(Source, name="queue"):
    \"\"\"Files waiting in a directory.\"\"\"

    path: Annotated[str, "the directory"]
    limit: Annotated[float, "how many files are too many"]

    async def sample(self) -> Sample:
        return Sample(len(os.listdir(self.path)) / self.limit)
"""

import abc

import msgspec

from feedback.errors import FeedbackError
from feedback.plugin import Plugin


class SourceError(FeedbackError):
    """A metric can't be read now; the words say why. The metric is left out of reports, and nothing else happens."""


class Sample(msgspec.Struct, frozen=True):
    """What a source measured: utilization as a ratio. 0 is idle, 1 at the limit, more is over it."""

    ratio: float


class Source(Plugin, abc.ABC):
    """Base of all metric sources. The collector owns interval, timeout, cancellation and logging."""

    @abc.abstractmethod
    async def sample(self) -> Sample:
        """Measure once. Any exception is reported by name as this metric's failure and harms nothing else.

        Sources run in one event loop: one that waits must `await`. A source that can't say anything useful
        raises SourceError with a sentence for the operator.
        """

    def look(self) -> Sample | None:
        """Measure as `sample` does, where that takes no waiting; None where it does, and then `sample` is asked.

        It costs less, because it needs no task. A source that mostly waits leaves this out.
        """
        return None

    async def change(self) -> None:
        """Wait until there is a reason to sample before the interval is over. One that knows of none leaves this out.

        It is called again after each sample. Where it raises, the interval alone counts, until one is over.
        """
        raise NotImplementedError
