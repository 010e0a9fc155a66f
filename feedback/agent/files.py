"""Files of /proc and /sys: opened once, read from their start every time."""

import os
import sys

from feedback.agent.source import SourceError
from feedback.denied import why

PIECE_BYTES = 16 * 1024
FULL_PIECE_BYTES = 2048
"""A shorter piece is the last: the kernel (seq_file) fills pages of 4 kB with whole lines, and none is half a page."""
MAX_TABLE_BYTES = 1024 * 1024


class KeptFile:
    """One such file. It is opened when first read, and again after an error: an interface may come back."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = -1

    def read(self) -> bytes:
        """Return the file's first 16 kB: all of a file that the kernel writes in one piece, as it does most.

        Raises SourceError, which names the file.
        """
        try:
            return self._pread(0)
        except OSError as error:
            raise self._failed(error) from None

    def read_table(self) -> bytes:
        """Return the whole of a file that the kernel hands out in several pieces, line by line. Raises SourceError."""
        try:
            data = piece = self._pread(0)
            while len(piece) >= FULL_PIECE_BYTES and len(data) < MAX_TABLE_BYTES:
                piece = self._pread(len(data))
                data += piece
        except OSError as error:
            raise self._failed(error) from None
        return data

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()

    def _pread(self, offset: int) -> bytes:
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return os.pread(self._descriptor, PIECE_BYTES, offset)

    def _failed(self, error: OSError) -> SourceError:
        self.close()
        return SourceError(f"can't read {self.path}: {why(error)}")


def has_proc() -> bool:
    """Tell whether this is Linux, whose files say everything. Elsewhere `feedback.agent.elsewhere` is asked."""
    return sys.platform == "linux"
