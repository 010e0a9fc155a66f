"""How busy the threads of the kernel's NFS server are."""

import msgspec

from feedback.agent.files import KeptFile
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.text import number
from feedback.agent.window import Span, Window

POOLS = "/proc/fs/nfsd/pool_stats"
RPC = "/proc/net/rpc/nfsd"


class Pools(msgspec.Struct, frozen=True):
    """Since the server's start, of all its pools of threads: requests that came, and those that found one idle."""

    arrived: int
    woken: int


class NfsdSource(Source, name="nfsd"):
    """Share of the requests since the last sample that found no idle thread of nfsd, and had to wait for one.

    The kernel no longer tells how many threads are busy. Where this is above 0, there are too few (`threads` in
    nfs.conf), or the disks are too slow.

    Example:

        nfsd: {}
    """

    def __post_init__(self) -> None:
        self._threads = KeptFile(RPC)
        self._pools = KeptFile(POOLS)
        self._window = Window(self._read)

    async def sample(self) -> Sample:
        """Return the share."""
        return Sample(waiting_ratio(await self._window.span()))

    def _read(self) -> Pools:
        if parse_threads(self._threads.read()) == 0:
            raise SourceError("nfsd does not run: it has no threads")
        try:
            return parse_pools(self._pools.read_table())
        finally:
            self._pools.close()  # an open file would keep its file system from being unmounted, as a stop of nfsd does


def waiting_ratio(span: Span[Pools]) -> float:
    """Return the share that waited. A server that was started anew counts from 0, which says nothing yet."""
    arrived = span.after.arrived - span.before.arrived
    woken = span.after.woken - span.before.woken
    return min(1.0, max(0.0, 1 - woken / arrived)) if arrived > 0 and woken >= 0 else 0.0


def parse_threads(data: bytes) -> int:
    """Return the number of threads from the line `th`; zeros follow it, where a histogram once was."""
    for line in data.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == b"th":
            return number(words[1], RPC)
    raise SourceError(f"{RPC}: has no line th")


def parse_pools(data: bytes) -> Pools:
    """Sum up the pools' lines: number, packets-arrived, sockets-enqueued, threads-woken, threads-timedout.

    Newer kernels count every packet as enqueued, and only arrivals and threads woken mean the same in all.
    """
    lines = [line.split() for line in data.splitlines() if not line.startswith(b"#")]
    if not lines or any(len(words) < 4 for words in lines):
        raise SourceError(f"{POOLS}: {data[:40]!r} where pools of threads should be")
    return Pools(*(sum(number(words[column], POOLS) for words in lines) for column in (1, 3)))
