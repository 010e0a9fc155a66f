"""Why a file, a socket or a program can't be had, in words for whoever reads the log: mostly another user than ours."""

import functools
import os
import pwd


def why(error: OSError | ValueError) -> str:
    """Return what the kernel says; and where it denies something, to which user it does."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{words} to user {user()}" if isinstance(error, PermissionError) else words


@functools.cache  # a name service may take its time
def user() -> str:
    """Return the name of the user that we run as, or the number of one without a name."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
