"""rstatd, which tells a host's load: program 100001, version 3, as `rup` asks it (rstat.x of Sun RPC). Pure."""

import msgspec

from feedback.checks.codecs import xdr
from feedback.checks.codecs.rpc_message import Procedure

STATS = Procedure("STATS", 100001, 3, 1)

IDLE = 3
"""The place of idle time among `cpu_time`: user, nice, system, idle."""

_SCALE = 256  # FSCALE: load averages are fixed-point numbers
_BETWEEN = 4 + 4 + 1 + 4 + 1  # disk transfers, paging, interrupts, packets, context switches


class Statistics(msgspec.Struct, frozen=True):
    """What counts of them. `cpu_time` in ticks since the host has started; `load`: average of the last minute."""

    cpu_time: tuple[int, ...]
    load: float


def read_stats(results: xdr.Reader) -> Statistics:
    """Return the results of STATS, as far as they are wanted. Raises CheckFailed."""
    cpu_time = tuple(results.uint() for _ in range(4))
    results.fixed(4 * _BETWEEN)
    return Statistics(cpu_time, results.uint() / _SCALE)
