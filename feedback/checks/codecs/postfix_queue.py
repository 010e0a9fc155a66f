"""What Postfix's showq service says of the queue: lists of names and values, each string ended by NUL. Pure.

An empty name ends a list, and an empty list ends the answer. A list with a `queue_name` is a message. Postfix older
than 3.6 does not begin with a list that names the protocol.
"""

from collections import Counter

from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

STRING_LIMIT_BYTES = 64 * 1024
_MESSAGE = b"queue_name"


class QueueCounter:
    """Counts messages by queue as bytes come. `ended`: whether the answer is over."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.ended = False
        self._name: bytes | None = None  # of the value that comes next
        self._pairs = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises CheckFailed for what is no such answer."""
        *strings, self._rest = (self._rest + data).split(b"\0")
        for string in strings:
            self._take(string)
        if len(self._rest) > STRING_LIMIT_BYTES:
            raise CheckFailed(Reason.PROTOCOL, f"not an answer of showq: {excerpt(self._rest)}")

    def _take(self, string: bytes) -> None:
        if self.ended:
            raise CheckFailed(Reason.PROTOCOL, f"more than an answer of showq: {excerpt(string)}")
        if self._name is not None:
            if self._name == _MESSAGE:
                self.messages[string.decode("ascii", "replace")] += 1
            self._name = None
            self._pairs += 1
        elif string:
            self._name = string
        else:
            self.ended = not self._pairs
            self._pairs = 0
