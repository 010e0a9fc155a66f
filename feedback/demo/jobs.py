"""The metric of one's own that the demo shows: a queue of jobs beside the web server, and the plugin that counts it."""

from pathlib import Path

METRIC = "jobs"
JOBS = 100  # that are queued at once: twice as many as the limit
LIMIT = 50
# Four lines in any language make a metric. This one speaks as Nagios plugins do: value;warning;critical;minimum;maximum
PLUGIN = f"""#!/bin/sh
# How many jobs wait in a directory.
set -- "$1"/*.job
[ -e "$1" ] || shift
echo "$# jobs wait | {METRIC}=$#;;;0;{LIMIT}"
"""


class JobQueue:
    """One realserver's jobs, a file each. The web server knows nothing of them, and the plugin nothing of feedback."""

    def __init__(self, directory: Path, realserver: str) -> None:
        self._spool = directory / f"{realserver}.{METRIC}"
        self._spool.mkdir()
        self._plugin = directory / f"count-{METRIC}"
        self._plugin.write_text(PLUGIN)
        self._plugin.chmod(0o755)

    @property
    def command(self) -> list[str]:
        """What the agent is to run."""
        return [str(self._plugin), str(self._spool)]

    def fill(self) -> None:
        """Queue the jobs."""
        for number in range(JOBS):
            (self._spool / f"{number}.job").touch()

    def empty(self) -> None:
        """Have all of them done."""
        for job in self._spool.glob("*.job"):
            job.unlink()
