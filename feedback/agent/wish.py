"""The host's wish, kept in a small file, so that an agent that is upgraded goes on draining.

The file is there exactly while the wish is `drain`. It lies beside the control socket, under /run on most hosts,
and so a reboot, after which the host is ready again, clears it.
"""

import logging
from pathlib import Path

from feedback.report import Wish

log = logging.getLogger(__name__)


def wish_path(control: str) -> Path:
    """Return where the wish is kept for an agent whose control socket is `control`."""
    return Path(f"{control}.drain")


def load_wish(path: Path | None) -> Wish:
    """Return the wish that was kept, READY without one."""
    return Wish.DRAIN if path is not None and path.exists() else Wish.READY


def keep_wish(path: Path | None, wish: Wish) -> None:
    """Keep `wish`. A disk that refuses is logged: the wish itself holds, until the agent ends."""
    if path is None:
        return
    try:
        if wish is Wish.DRAIN:
            path.touch(mode=0o600)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning('the wish will not outlive this agent wish=%s path=%s reason="%s"', wish, path, error.strerror)
