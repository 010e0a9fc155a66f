"""Logging as one line per event on stderr, the same for the agent and the director.

    2026-11-21T03:39:00.123Z level=info logger=agent.transport connected director=ws://10.2.0.1:8600/agent

Messages are words followed by key=value pairs. Whatever a message or a traceback holds, it stays one line.
"""

import logging
import sys
import time
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]


class LineFormatter(logging.Formatter):
    """Formats a record as one line. Times are UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        logger = record.name.removeprefix("feedback.")
        line = (
            f"{moment}.{int(record.msecs):03}Z level={record.levelname.lower()} logger={logger} {record.getMessage()}"
        )
        if record.exc_info:
            line = f'{line} traceback="{self.formatException(record.exc_info)}"'
        return line.replace("\r", "\\r").replace("\n", "\\n")


def configure_logging(level: Level = "info") -> None:
    """Send every record from `level` up to stderr as lines. Calling it again changes the level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
