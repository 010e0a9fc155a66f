"""The limits of a control group and of those around it, and what they use of them."""

import os

from feedback.agent import cgroup
from feedback.agent.files import KeptFile
from feedback.agent.source import SourceError


class GroupLimits:
    """The files of one limit, like `pids.max`, and of its uses, in a group and in all around it.

    A group may use no more than the tightest of them lets it. Groups come and go with their services, and with them
    their files. A level without the files has no limit: its controller is not enabled there.
    """

    def __init__(self, group: str | None, limit: str, *uses: str) -> None:
        self._group = group
        self._directory, *around = cgroup.lineage(group)
        directories = [directory for directory in (self._directory, *around) if directory != cgroup.ROOT]
        if os.path.exists(f"{cgroup.ROOT}/{limit}"):  # noqa: PTH110 - pathlib costs the agent memory
            directories.append(cgroup.ROOT)  # of a container; the kernel's root group has no limits, and never will
        self._levels = {
            directory: [KeptFile(f"{directory}/{name}") for name in (limit, *uses)] for directory in directories
        }

    def read(self) -> dict[str, list[bytes]]:
        """Return what the kernel says of each level that has a limit: its text and those of its uses.

        Raises SourceError where the group itself is not there.
        """
        if not self._levels:
            return {}
        if self._group is not None and not os.path.exists(f"{self._directory}/cgroup.controllers"):  # noqa: PTH110
            raise SourceError(f"there is no control group {self._group} of version 2 at {self._directory}")
        said = {directory: [_read(file) for file in files] for directory, files in self._levels.items()}
        return {directory: texts for directory, texts in said.items() if texts[0].split()[:1] not in ([], [b"max"])}


def _read(file: KeptFile) -> bytes:
    try:
        return file.read()
    except SourceError:
        return b""
