"""The host's wish, kept in a small file, so that an agent that is upgraded goes on draining.

The file is there exactly while the wish is `drain`. It lies beside the control socket, under /run on most hosts,
and so a reboot, after which the host is ready again, clears it.
"""

import contextlib
import logging
import os

from feedback.report import Wish

log = logging.getLogger(__name__)


def wish_path(control: str) -> str:
    """Return where the wish is kept for an agent whose control socket is `control`."""
    return f"{control}.drain"


def load_wish(path: str | None) -> Wish:
    """Return the wish that was kept, READY without one."""
    kept = path is not None and os.path.exists(path)  # noqa: PTH110 - pathlib costs the agent memory
    return Wish.DRAIN if kept else Wish.READY


def keep_wish(path: str | None, wish: Wish) -> None:
    """Keep `wish`. A disk that refuses is logged: the wish itself holds, until the agent ends."""
    if path is None:
        return
    try:
        if wish is Wish.DRAIN:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108
    except OSError as error:
        log.warning('the wish will not outlive this agent wish=%s path=%s reason="%s"', wish, path, error.strerror)
