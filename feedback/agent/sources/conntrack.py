"""Connections that the kernel tracks, of those it can."""

from feedback.agent.files import KeptFile
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.text import number

DIRECTORY = "/proc/sys/net/netfilter"


class ConntrackSource(Source, name="conntrack"):
    """Entries of the connection tracking table, as a share of `nf_conntrack_max`. A full one drops new connections.

    Example:

        conntrack: {}
    """

    def __post_init__(self) -> None:
        self._count = KeptFile(f"{DIRECTORY}/nf_conntrack_count")
        self._max = KeptFile(f"{DIRECTORY}/nf_conntrack_max")

    async def sample(self) -> Sample:
        """Return the share of the table in use."""
        try:
            count, most = self._count.read(), self._max.read()
        except SourceError:
            raise SourceError(
                f"there is no connection tracking here, the module nf_conntrack is not loaded: {DIRECTORY} lacks it"
            ) from None
        return Sample(used_ratio(number(count.strip(), self._count.path), number(most.strip(), self._max.path)))


def used_ratio(count: int, most: int) -> float:
    """Return the share of the table in use."""
    if most == 0:
        raise SourceError("nf_conntrack_max is 0: the table has no limit to measure against")
    return count / most
