"""What systems without Linux's /proc tell of themselves: through psutil, as the sources' own values."""

from types import ModuleType

from feedback import extras
from feedback.agent.source import SourceError
from feedback.agent.sources.cpu import CpuTime
from feedback.agent.sources.memory import Memory
from feedback.agent.sources.network import Traffic

TICKS = 100
"""CPU time is in seconds here, and counts ticks as the kernel's."""


def cpu_time() -> CpuTime:
    """Return the time that has passed on all cores, and how much of it they were idle."""
    times = _psutil().cpu_times()._asdict()
    total = sum(seconds for kind, seconds in times.items() if kind not in {"guest", "guest_nice"})  # within user time
    idle = times["idle"] + times.get("iowait", 0.0)
    return CpuTime(idle=round(idle * TICKS), total=round(total * TICKS))


def memory() -> Memory:
    """Return memory and swap."""
    virtual, swap = _psutil().virtual_memory(), _psutil().swap_memory()
    return Memory(virtual.total, virtual.available, swap.total, swap.free)


def load_average() -> float:
    """Return the average of the last minute."""
    average: float = _psutil().getloadavg()[0]
    return average


def traffic() -> dict[str, Traffic]:
    """Return what each interface has received and sent."""
    counters = _psutil().net_io_counters(pernic=True)
    return {name: Traffic(count.bytes_recv, count.bytes_sent) for name, count in counters.items()}


def bits_per_second(interface: str) -> float:
    """Return a link's speed. Raises SourceError where it is not known."""
    found = _psutil().net_if_stats().get(interface)
    if found is None or found.speed <= 0:
        raise SourceError(f"the speed of {interface} is not known")
    return float(found.speed) * 1e6


def busy_milliseconds(device: str) -> int:
    """Return the time in which a disk had something to do, which FreeBSD tells and others do not."""
    found = _psutil().disk_io_counters(perdisk=True).get(device)
    if found is None or not hasattr(found, "busy_time"):
        raise SourceError(f"this system does not tell how busy {device} is")
    return int(found.busy_time)


def _psutil() -> ModuleType:
    try:
        import psutil  # noqa: PLC0415 - on Linux nobody needs it
    except ModuleNotFoundError as error:
        raise SourceError(f"a system without /proc {extras.lacking(error) or error}") from None
    return psutil
