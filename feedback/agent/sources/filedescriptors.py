"""Open files, of those that there may be."""

import os
from collections.abc import Iterable
from typing import Annotated

import msgspec

from feedback.agent.files import KeptFile
from feedback.agent.pids import pid_in_file, pids_by_name, pids_in_group
from feedback.agent.plain import read_plain
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.text import number

FILE_NR = "/proc/sys/fs/file-nr"
MAX_LIMITS_BYTES = 16 * 1024


class Descriptors(msgspec.Struct, frozen=True):
    """Open file descriptors of one process, and how many it may have; None is without a limit."""

    count: int
    most: int | None


class FiledescriptorsSource(Source, name="filedescriptors"):
    """Open files of the whole host, as a share of the kernel's limit; or those of a process, of its own limit.

    A server that reaches its own limit (`ulimit -n`) accepts nobody any more, long before the host's. Of several
    processes the fullest counts. From Linux 6.2 on everybody may count them; before, root and the process's own user.

    Example:

        filedescriptors: {}
        filedescriptors.nginx: {source: filedescriptors, process: nginx}
    """

    process: Annotated[str | None, "name of the processes, as in ps"] = None
    pid_file: Annotated[str | None, "file that holds the process's id"] = None
    cgroup: Annotated[str | None, "control group of the processes, like /system.slice/nginx.service"] = None

    def __post_init__(self) -> None:
        if len([given for given in (self.process, self.pid_file, self.cgroup) if given is not None]) > 1:
            raise ValueError("process: must be alone: give one of process, pid_file and cgroup")
        self._file_nr = KeptFile(FILE_NR)

    async def sample(self) -> Sample:
        """Return the share in use."""
        processes = self._processes()
        if processes is None:
            return Sample(parse_file_nr(self._file_nr.read()))
        return Sample(fullest(_of_processes(processes[0]), processes[1]))

    def _processes(self) -> tuple[list[int], str] | None:
        """Return the processes that are meant, and how to call them; None is the whole host."""
        if self.process is not None:
            return pids_by_name(self.process), f"called {self.process}"
        if self.pid_file is not None:
            return [pid_in_file(self.pid_file)], f"with the id in {self.pid_file}"
        return None if self.cgroup is None else (pids_in_group(self.cgroup), f"in {self.cgroup}")


def _of_processes(pids: Iterable[int]) -> Iterable[Descriptors]:
    """Yield the descriptors of those processes that have not ended meanwhile."""
    for pid in pids:
        directory = f"/proc/{pid}"
        try:
            count = _count(f"{directory}/fd")
            yield Descriptors(count, parse_most(read_plain(f"{directory}/limits", MAX_LIMITS_BYTES)))
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            raise SourceError(
                f"may not count the files of process {pid}: Linux before 6.2 tells only its user"
            ) from None
        except SourceError:
            if os.path.exists(directory):  # noqa: PTH110 - pathlib costs the agent memory
                raise


def _count(directory: str) -> int:
    """Return how many descriptors a process has: since Linux 6.2 it is the directory's size, before it is 0."""
    return os.stat(directory).st_size or len(os.listdir(directory))  # noqa: PTH116, PTH208 - pathlib costs memory


def fullest(descriptors: Iterable[Descriptors], whose: str) -> float:
    """Return the largest share of a limit that is in use."""
    shares = [one.count / one.most if one.most else 0.0 for one in descriptors]
    if not shares:
        raise SourceError(f"there is no process {whose}")
    return max(shares)


def parse_file_nr(data: bytes) -> float:
    """Return the share in use, from /proc/sys/fs/file-nr: allocated, free (always 0 since 2.6), and the maximum."""
    words = data.split()
    if len(words) != 3 or not words[2].strip(b"0"):
        raise SourceError(f"{FILE_NR}: {data[:40]!r} where three numbers should be")
    return number(words[0], FILE_NR) / number(words[2], FILE_NR)


def parse_most(data: bytes) -> int | None:
    """Return the soft limit of a process's open files, from its /proc/*/limits; None when there is none."""
    for line in data.splitlines():
        if line.startswith(b"Max open files"):
            words = line[len(b"Max open files") :].split()
            if words:
                return None if words[0] == b"unlimited" else number(words[0], "limits")
    raise SourceError("limits: has no Max open files")
