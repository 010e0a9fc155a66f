"""The state file, written whole beside its place and renamed into it: a crash leaves the old one or the new one.

A file that can't be read stops the director before it touches anything: guessing would put drained servers back.
"""

import contextlib
import os
from pathlib import Path

import msgspec

from feedback.denied import why
from feedback.director.state import State
from feedback.errors import FeedbackError


class StateError(FeedbackError):
    """The state file can't be read or written."""


def load_state(path: str | None) -> State:
    """Return what the file holds; an empty state where there is no file yet, or no path. Raises StateError."""
    if path is None:
        return State()
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise StateError(f"state_file {path} can't be read: {why(error)}") from error
    try:
        return msgspec.json.decode(data, type=State)
    except msgspec.MsgspecError as error:
        raise StateError(
            f"state_file {path} is damaged ({error}): mend it, or remove it to start with every destination enabled"
        ) from error


def save_state(path: str | None, state: State) -> None:
    """Write the state so that it is on disk, whole, when this returns. Raises StateError."""
    if path is None:
        return
    beside = f"{path}.new"
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)  # noqa: PTH105 - beside fsync and open, the system call's own name
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(beside).unlink()
        raise StateError(f"state_file {path} can't be written: {why(error)}") from error
