"""Tokens are kept in files of their own, so that a configuration can be shown to anybody."""

import os
import re
from pathlib import Path

from feedback.denied import why
from feedback.errors import ConfigError
from feedback.secret import Secret
from feedback.tree import Node, Problems

_TOKEN = re.compile(rb"[!-~]{16,1024}")
_MAX_BYTES = 4096


def read_token_file(path: str) -> Secret:
    """Return the token in the first line of the file. Raises ConfigError with one sentence."""
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.read(_MAX_BYTES).partition(b"\n")[0].strip()
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {why(error)}") from None
    if mode & 0o007:
        raise ConfigError(f"{path} is open to every user of this host: chmod o= {path}")
    if not _TOKEN.fullmatch(line):
        raise ConfigError(f"{path} must have a token of at least 16 characters, no spaces, in its first line")
    return Secret(line.decode("ascii"))


def read_token(node: Node, problems: Problems) -> Secret | None:
    """Return the token in the file that a configuration names at `node`; None where it names none."""
    if not isinstance(node.value, str):
        return None
    try:
        return read_token_file(node.value)
    except ConfigError as error:
        problems.add(node, str(error))
        return None
