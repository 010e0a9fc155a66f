"""The embedded forwarder: carries TCP connections as the memory table says, where there is no kernel table to do it.

It behaves as IPVS with masquerading does, as far as an ordinary process can:

- the scheduler chooses the destination once, at the connection's start; nothing is tried again elsewhere, so a dead
  destination is the client's error until the table says otherwise. A client that the kernel would refuse is accepted
  here and reset at once.
- a destination at its upper threshold gets no new clients but those that persistence brings.
- weight 0 quiesces: no new connections, running ones live on. With persistence, known clients go elsewhere then (the
  kernel with `expire_quiescent_template` set).
- a destination that is removed loses its connections at once, so that their clients learn of it (the kernel drops
  their packets silently, or resets them with `expire_nodest_conn`).
"""

import asyncio
import contextlib
import functools
import ipaddress
import logging
import resource
import socket
from collections.abc import Set as AbstractSet

from feedback.director.relay import Relay
from feedback.director.scheduling import SCHEDULERS, Lingering, Scheduler, Templates
from feedback.director.table.memory import MemoryTable
from feedback.model import DestinationKey, Family, ServiceKey, ServiceState, TableState, Transport, VirtualService

CONNECT_TIMEOUT_SECONDS = 5.0
BACKLOG = 1024
REBIND_SECONDS = 5.0
SWEEP_SECONDS = 30.0
ESTABLISHED_SWEEPS = 30  # 15 min of silence end a connection, 2 min once a side has finished: the kernel's defaults
HALF_CLOSED_SWEEPS = 4
FALLBACK_SCHEDULER = "wlc"

log = logging.getLogger(__name__)


class Forwarder:
    """Listens on the address of every TCP service of the table, and forwards what comes."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table
        self._services: dict[ServiceKey, _Service] = {}
        self._servers: dict[ServiceKey, asyncio.Server] = {}
        self._unbound: set[ServiceKey] = set()
        self._changed = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self._relays = 0
        # A relay has two descriptors; the director's own work (checks, agents, the API) keeps half of what there are
        self._max_relays = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4

    async def run(self) -> None:
        """Forward until cancelled; then every listener and connection is closed."""
        async with self._tasks:
            self._tasks.create_task(self._sweep(), name="forwarder: sweep")
            try:
                self._table.on_change = self._take_table
                self._take_table()
                await self._keep_listening()
            finally:
                self._table.on_change = None
                self._follow({})
                for server in self._servers.values():
                    server.close()

    def _take_table(self) -> None:
        """Obey the table as it is from this moment on; only listeners come and go a little later."""
        self._follow(self._table.state())
        self._changed.set()

    def _follow(self, state: TableState) -> None:
        for key in self._services.keys() - state.keys():
            self._services.pop(key).cut()
        for key, wanted in state.items():
            if key.protocol == Transport.TCP:
                full = frozenset(at for at in wanted.destinations if self._table.is_full(key, at))
                self._services.setdefault(key, _Service()).follow(wanted, full)

    async def _keep_listening(self) -> None:
        """Have a listener for each service; where an address can't be bound, try again now and then."""
        while True:
            self._changed.clear()
            for key in self._servers.keys() - self._services.keys():
                self._servers.pop(key).close()
            self._unbound &= self._services.keys()
            for key in self._services.keys() - self._servers.keys():
                await self._listen(key)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REBIND_SECONDS if self._unbound else None):
                    await self._changed.wait()

    async def _listen(self, key: ServiceKey) -> None:
        opened = functools.partial(self._opened, key)
        closed = functools.partial(self._closed, key)
        try:
            self._servers[key] = await asyncio.get_running_loop().create_server(
                lambda: Relay(opened, closed).client, sock=_listening_socket(key)
            )
        except OSError as error:
            if key not in self._unbound:
                log.error("%s can't be listened on, so nothing is forwarded: %s", key, error.strerror)  # noqa: TRY400
            self._unbound.add(key)
        else:
            self._unbound.discard(key)

    def _opened(self, key: ServiceKey, relay: Relay) -> None:
        """Choose the destination of a new client and go there; where there is none, reset the client."""
        now = asyncio.get_running_loop().time()
        service = self._services.get(key)
        destination = service.choose(now, relay) if service and self._relays < self._max_relays else None
        if service is None or destination is None:
            relay.reset()
            return
        service.relays[destination].add(relay)
        relay.destination = destination
        self._relays += 1
        self._table.connection_opened(key, destination)
        self._tasks.create_task(relay.connect(destination, CONNECT_TIMEOUT_SECONDS), name=f"connect {destination}")

    def _closed(self, key: ServiceKey, relay: Relay) -> None:
        """Count out a relay that was sent somewhere."""
        if relay.destination is None:
            return
        self._relays -= 1
        self._table.connection_closed(key, relay.destination)
        if key in self._services:
            self._services[key].release(asyncio.get_running_loop().time(), relay, relay.destination)

    async def _sweep(self) -> None:
        """End connections that have been silent for too long."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for service in self._services.values():
                for relay in [relay for relays in service.relays.values() for relay in relays]:
                    relay.quiet_sweeps += 1
                    if relay.quiet_sweeps > (HALF_CLOSED_SWEEPS if relay.half_closed else ESTABLISHED_SWEEPS):
                        relay.reset()


class _Service:
    """One service of the table: its scheduler, and its open connections by destination."""

    def __init__(self) -> None:
        self.relays: dict[DestinationKey, set[Relay]] = {}
        self._settings: VirtualService | None = None
        self._scheduler: Scheduler[DestinationKey]
        self._templates: Templates[DestinationKey] | None = None
        self._weights: dict[DestinationKey, int] = {}  # as the scheduler knows them: 0 for one that is full
        self._open: AbstractSet[DestinationKey] = frozenset()  # those whose weight is not 0
        self._lingering: dict[DestinationKey, Lingering] = {}

    def follow(self, wanted: ServiceState, full: AbstractSet[DestinationKey]) -> None:
        """Obey the table's entry from now on; who is in `full` has as many connections as it may have."""
        # The kernel's list has the destination that was added last in front
        destinations = reversed(list(wanted.destinations.items()))
        weights = {key: 0 if key in full else destination.weight for key, destination in destinations}
        self._open = frozenset(key for key, destination in wanted.destinations.items() if destination.weight)
        if wanted.service != self._settings:
            self._set(wanted.service)
            self._scheduler.update(weights)
        elif list(weights.items()) != list(self._weights.items()):
            self._scheduler.update(weights)
        self._weights = weights
        for key in self.relays.keys() - weights.keys():
            self._cut(key)
        for key in weights.keys() - self.relays.keys():
            self.relays[key] = set()
            self._lingering[key] = Lingering()

    def choose(self, now: float, relay: Relay) -> DestinationKey | None:
        """Return where a new client goes: where it was before, with persistence, or where the scheduler says."""
        peer = relay.client.transport.get_extra_info("peername")
        if peer is None:  # gone already
            return None
        client = str(peer[0])
        destination = self._templates.find(now, client) if self._templates else None
        if destination is None or destination not in self._open:
            address = int(ipaddress.ip_address(client.partition("%")[0]))
            destination = self._scheduler.choose(lambda key: self._cost(now, key), address)
        if destination is not None and self._templates:
            self._templates.remember(now, client, destination)
        return destination

    def release(self, now: float, relay: Relay, destination: DestinationKey) -> None:
        """Count out a connection that has ended; one that was cut is counted out already."""
        relays = self.relays.get(destination, set())
        if relay in relays:
            relays.remove(relay)
            self._lingering[destination].add(now)

    def cut(self) -> None:
        """Cut every connection."""
        for key in list(self.relays):
            self._cut(key)

    def _set(self, settings: VirtualService) -> None:
        if settings.scheduler not in SCHEDULERS:
            log.warning(
                "%s: the embedded forwarder has no scheduler %s and uses %s",
                settings.key,
                settings.scheduler,
                FALLBACK_SCHEDULER,
            )
        self._settings = settings
        self._scheduler = SCHEDULERS.get(settings.scheduler, SCHEDULERS[FALLBACK_SCHEDULER])()
        seconds = settings.persistence_seconds
        self._templates = Templates(seconds, settings.persistence_prefix) if seconds else None

    def _cost(self, now: float, key: DestinationKey) -> int:
        return self._scheduler.cost(len(self.relays[key]), self._lingering[key].count(now))

    def _cut(self, key: DestinationKey) -> None:
        del self._lingering[key]
        for relay in self.relays.pop(key):
            relay.reset()


def _listening_socket(key: ServiceKey) -> socket.socket:
    """Return a socket bound to a service's address. Raises OSError."""
    listener = socket.socket(socket.AF_INET6 if key.family is Family.IPV6 else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((key.address, key.port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
