"""Whether a systemd unit runs, told by its control group when the last of its processes has ended."""

import asyncio
import errno
import os
import select

from feedback.agent.acting import Sighting
from feedback.agent.cgroup import ROOT
from feedback.agent.source import SourceError
from feedback.agent.watches.attend import readable
from feedback.agent.watches.watch import Watch

STOPPED_SECONDS = 0.2
"""A unit that does not run has no group to wait for: it is looked for this often."""

EVENTS_BYTES = 4096


class UnitWatch(Watch):
    """Wrong while a unit has no process. `root` is where the version 2 hierarchy is mounted, None: where it is found.

    systemd puts each unit into a group of its own and takes that away when the unit has stopped. `cgroup.events` says
    whether anybody is in it (cgroups(7)), and needs neither D-Bus nor a privilege.
    """

    def __init__(self, unit: str, root: str | None = None) -> None:
        self._unit = unit
        self._root = root
        self._events = -1
        self._poll: select.epoll | None = None

    def look(self) -> Sighting:
        """Read whether the unit's group has a process."""
        runs = self._is_populated()
        if not runs:
            self.close()  # of a group that is gone nothing is heard; the next of that name is another
        return Sighting(not runs, f"{self._unit} does not run")

    async def change(self) -> None:
        """Wait until processes have come or gone."""
        if self._poll is None:
            await asyncio.sleep(STOPPED_SECONDS)
        else:
            await readable(self._poll.fileno())

    def close(self) -> None:
        """Close the group's file."""
        if self._poll is not None:
            self._poll.close()
            self._poll = None
        if self._events >= 0:
            os.close(self._events)
            self._events = -1

    def _is_populated(self) -> bool:
        try:
            if self._poll is None:
                root = self._root or unified_root()
                self._events = os.open(f"{root}/{group_of(self._unit)}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
                self._poll = select.epoll()
                self._poll.register(self._events, select.EPOLLPRI)  # asyncio's own knows no POLLPRI
            return b"populated 1" in os.pread(self._events, EVENTS_BYTES, 0).splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            if error.errno == errno.ENODEV:
                return False
            raise


def unified_root() -> str:
    """Return where the version 2 hierarchy is: alone, or beside the first version's. Raises SourceError."""
    for root in (ROOT, f"{ROOT}/unified"):
        if os.path.exists(f"{root}/cgroup.controllers"):  # noqa: PTH110 - pathlib costs the agent memory
            return root
    raise SourceError(f"there is no cgroup v2 at {ROOT}, which tells of units that stop")


def group_of(unit: str) -> str:
    """Return the group of a unit: by its name as systemd puts it into system.slice, or as a path like `/my.slice/x`."""
    if unit.startswith("/"):
        return unit.strip("/")
    template, at, _ = unit.partition("@")
    if not at:
        return f"system.slice/{unit}"
    escaped = template.replace("-", "\\x2d")  # systemd.unit(5): in the name of a slice "-" stands for "/"
    return f"system.slice/system-{escaped}.slice/{unit}"
