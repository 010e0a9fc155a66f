"""Whether a file is there, told by inotify(7) when it comes or goes."""

import os

from feedback.agent.acting import Sighting
from feedback.agent.inotify import IN_CREATE, IN_DELETE, IN_MOVED_FROM, IN_MOVED_TO, Directory
from feedback.agent.watches.attend import readable
from feedback.agent.watches.watch import Watch


class FlagWatch(Watch):
    """Wrong while the file `path` is there. Its directory must be there always."""

    def __init__(self, path: str) -> None:
        self._path = path
        directory = os.path.dirname(path)  # noqa: PTH120 - pathlib costs the agent memory
        self._directory = Directory(directory, IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE)

    def look(self) -> Sighting:
        """Say whether the file is there. The directory may be another than last time, and is watched anew."""
        self._directory.watch()
        return Sighting(os.path.lexists(self._path), f"{self._path} is there")

    async def change(self) -> None:
        """Wait until a file has come or gone in the directory."""
        await readable(self._directory.descriptor)
        self._directory.read()

    def close(self) -> None:
        """Watch no more."""
        self._directory.close()
