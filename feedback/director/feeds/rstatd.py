"""The feed `rstatd`: the load of hosts that run rpc.rstatd, as Piranha and `rup` have it. Pure."""

from typing import Annotated

import msgspec

from feedback.checks import rpc_client
from feedback.checks.codecs import rpcbind, rstat
from feedback.checks.codecs.rpc_program import Program
from feedback.director.feeds.feed import CpuMeter, Feed
from feedback.errors import CheckFailed
from feedback.model import Endpoint
from feedback.net import Net
from feedback.options import Port
from feedback.report import Report


class RstatdFeed(Feed, name="rstatd"):
    """What rpc.rstatd says: the metric `cpu`, the share of CPU time in use between two questions.

    With `cpus`, `load` is the load average of the last minute divided by them, which rstatd can't tell. rpcbind is
    asked for rstatd's port, once, and again when rstatd does not answer there.
    """

    port: Annotated[Port, "rpcbind's port"] = rpcbind.PORT
    rstatd_port: Annotated[Port | None, "rstatd's own port, where rpcbind can't be asked"] = None
    cpus: Annotated[int | None, msgspec.Meta(ge=1), "number of CPUs, for the metric load"] = None

    def __post_init__(self) -> None:
        self._port = self.rstatd_port
        self._meter = CpuMeter({rstat.IDLE})

    async def ask(self, endpoint: Endpoint, net: Net) -> Report:
        """Call rstatd; the first time, rpcbind before it."""
        try:
            if self._port is None:
                self._port = await _find(endpoint, net)
            rstatd = Endpoint(endpoint.address, self._port)
            async with rpc_client.Client(net, rstatd, "rstatd", "udp") as client:
                found = rstat.read_stats(await client.call(rstat.STATS))
        except CheckFailed:
            self._port = self.rstatd_port
            raise
        used = self._meter.measure(found.cpu_time, net.now())
        if used is None:
            return Report(metrics={})
        return Report(metrics={"cpu": used} if self.cpus is None else {"cpu": used, "load": found.load / self.cpus})

    def forget(self) -> None:
        """Ask rpcbind again, and measure anew."""
        self._port = self.rstatd_port
        self._meter.forget()


async def _find(endpoint: Endpoint, net: Net) -> int:
    """Return the port of rstatd on UDP."""
    listing = await rpc_client.listing(net, endpoint, None)
    of_rstatd = listing.of(Program(rstat.STATS.program, rstat.STATS.version))
    return next((one.port for one in of_rstatd if one.transport == "udp"), of_rstatd[0].port)
