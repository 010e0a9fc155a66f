"""Passwords among a check's options: out of sight in logs and listings, and best kept in a file of their own."""

from pathlib import Path
from typing import Annotated

from feedback.options import Unit
from feedback.secret import Secret

FILE_PREFIX = "file:"
MAX_BYTES = 4096


def parse_password(value: object) -> Secret:
    """Return a password that was written down, or the first line of the file that was: `file:/etc/feedback/mail`."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if text.startswith(FILE_PREFIX):
        text = _first_line(text.removeprefix(FILE_PREFIX))
    if not text:
        raise ValueError("must be a password, or file: and the path of a file with it in its first line")
    return Secret(text)


def _first_line(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES).partition(b"\n")[0].rstrip(b"\r").decode()
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} must be UTF-8 text") from None


Password = Annotated[Secret, Unit("password", parse_password, lambda _secret: "…")]
"""A password: written down, or `file:PATH`, which keeps it out of configurations and process lists."""
