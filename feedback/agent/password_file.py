"""Passwords of a source's logins: in files of their own, so that a configuration can be shown to anybody."""

import os
import stat
from typing import Annotated

from feedback.denied import why
from feedback.options import Unit
from feedback.secret import Secret

MAX_BYTES = 4096


def read_password(value: object) -> Secret:
    """Return the first line of the file at a path. Raises ValueError with a sentence.

    O_NONBLOCK: to open a FIFO waits for nobody, and it is refused like whatever else is no plain file.
    """
    path = value if isinstance(value, str) else ""
    if not path:
        raise ValueError("must be the path of a file with a password in its first line")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            mode = os.fstat(descriptor).st_mode
            data = os.read(descriptor, MAX_BYTES + 1) if stat.S_ISREG(mode) else b""
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path!r} can't be read: {why(error)}") from None
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} must be a plain file")
    if mode & 0o007:
        raise ValueError(f"{path} is open to every user of this host: chmod o= {path}")
    return _first_line(data, path)


def _first_line(data: bytes, path: str) -> Secret:
    line, newline, _ = data.partition(b"\n")
    try:
        text = line.rstrip(b"\r").decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} must be UTF-8 text") from None
    if not text or "\0" in text or (len(data) > MAX_BYTES and not newline):
        raise ValueError(f"{path} must have a password in its first line, at most {MAX_BYTES} bytes without NUL")
    return Secret(text)


PasswordFile = Annotated[Secret, Unit("path", read_password, lambda _secret: "…")]
"""A password, read from the file at a path when the configuration is."""
