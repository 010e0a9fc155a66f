"""Plain files, read whole within a limit. Whatever else may stand at a path makes no read hang."""

import os
import stat

from feedback.agent.source import SourceError
from feedback.denied import why


def read_plain(path: str, limit_bytes: int) -> bytes:
    """Return all that is in a plain file. Raises SourceError, which names it, for anything else.

    O_NONBLOCK: to open a FIFO waits for nobody. The file's kind is looked at once it is open, so it can't change.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SourceError(f"{path} is not a plain file")
            data = os.read(descriptor, limit_bytes + 1)
            while data and len(data) <= limit_bytes and (more := os.read(descriptor, limit_bytes + 1)):
                data += more
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise SourceError(f"can't read {path}: {why(error)}") from None
    if len(data) > limit_bytes:
        raise SourceError(f"{path} has more than {limit_bytes} bytes")
    return data
