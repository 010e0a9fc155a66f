"""Which control group (cgroup v2) stands for this host.

In a container with a cgroup namespace the root of the visible hierarchy is the container's own group, which has
`cpu.max` and `memory.max`; on a host it is the kernel's root group, which has neither. So a limit at the root is
the limit of all that runs here. The agent's own group is not asked: a limit that its unit file sets says nothing
about the host.
"""

ROOT = "/sys/fs/cgroup"


def cgroup_directory(group: str | None) -> str:
    """Return the directory of a group named by its path, like `/system.slice/nginx.service`; None is the root."""
    return ROOT if group is None else f"{ROOT}/{group.strip('/')}"


def lineage(group: str | None) -> tuple[str, ...]:
    """Return the directories of a group and of all around it, the root last: each one's limits bind it."""
    parts = [part for part in (group or "").split("/") if part]
    return tuple("/".join((ROOT, *parts[:length])) for length in range(len(parts), -1, -1))
