"""Which processes are meant: by name, by control group, by the file that holds a process id."""

import os

from feedback.agent.cgroup import cgroup_directory
from feedback.agent.plain import read_plain
from feedback.agent.source import SourceError

MAX_COMM_LENGTH = 15
"""The kernel keeps no more of a process's name (TASK_COMM_LEN in proc(5))."""
MAX_COMM_BYTES = 64
MAX_GROUP_BYTES = 1024 * 1024
MAX_PID_BYTES = 64


def pids_by_name(name: str) -> list[int]:
    """Return the processes of a name, as `ps -C` finds them. It reads one small file for each process there is."""
    wanted = name.encode()[:MAX_COMM_LENGTH]
    return [pid for pid in _all_pids() if _comm(pid) == wanted]


def pids_in_group(group: str) -> list[int]:
    """Return the processes in a control group, not those of the groups below it."""
    path = f"{cgroup_directory(group)}/cgroup.procs"
    return [int(word) for word in read_plain(path, MAX_GROUP_BYTES).split() if word.isdigit()]


def pid_in_file(path: str) -> int:
    """Return the process whose id a file holds, in its first line."""
    data = read_plain(path, MAX_PID_BYTES)
    words = data.split()
    if not words or not words[0].isdigit() or len(words[0]) > 10 or int(words[0]) == 0:
        raise SourceError(f"{path}: {data[:40]!r} where a process id should be")
    return int(words[0])


def _all_pids() -> list[int]:
    try:
        return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208 - pathlib costs memory
    except OSError as error:
        raise SourceError(f"can't list the processes in /proc: {error.strerror}") from None


def _comm(pid: int) -> bytes:
    """Return a process's name; nothing once it has ended."""
    try:
        return read_plain(f"/proc/{pid}/comm", MAX_COMM_BYTES).rstrip(b"\n")
    except SourceError:
        return b""
