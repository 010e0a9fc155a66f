"""Real connections through the virtual address, by each way of forwarding."""

import pytest

from feedback.director.plan import AddDestination, AddService
from feedback.director.table.kernel import KernelTable
from feedback.model import Destination, Endpoint, Family, Forwarding, ServiceKey, Transport, VirtualService
from tests.lab.cluster import REALSERVERS, VIP, Cluster, family_address, family_vip, wait_until

PORT = 80
REQUESTS = 30
ARRIVED = [5, 10, 15]  # at weights 1, 2 and 3


async def write(key: ServiceKey, forwarding: Forwarding, port: int) -> None:
    """Put a service with the three realservers at weights 1, 2 and 3 into the kernel."""
    destinations = [
        Destination(Endpoint(family_address(host, key.family), port), forwarding, weight)
        for weight, host in enumerate(REALSERVERS, start=1)
    ]
    table = KernelTable()
    assert await table.apply([AddService(VirtualService(key, "wrr"))]) == ()
    assert await table.apply([AddDestination(key, each) for each in destinations]) == ()


@pytest.mark.parametrize("forwarding", list(Forwarding))
async def test_connections_arrive_by_weight(forwarding: Forwarding) -> None:
    with Cluster(forwarding) as cluster:
        servers = [cluster.serve(host, PORT) for host in REALSERVERS]
        for family in Family:
            key = ServiceKey.at(Transport.TCP, Endpoint(family_vip(family), PORT))
            await write(key, forwarding, PORT)
            served = [cluster.fetch(Endpoint(key.address, key.port)) for _ in range(REQUESTS)]
            counters = (await KernelTable().read())[key].counters
            assert [served.count(host) for host in REALSERVERS] == ARRIVED
            assert sorted(each.active_connections + each.inactive_connections for each in counters.values()) == ARRIVED
    assert [server.requests["/"] for server in servers] == [2 * count for count in ARRIVED]


async def test_marked_connections_arrive_by_weight_whatever_their_port() -> None:
    with Cluster(Forwarding.MASQUERADE) as cluster:
        for host in REALSERVERS:
            cluster.serve(host, 8080)
        for family in Family:
            cluster.mark(family_vip(family), 80)
            await write(ServiceKey.marked(80, family), Forwarding.MASQUERADE, 8080)
            served = [cluster.fetch(Endpoint(family_vip(family), 80 + number)) for number in range(REQUESTS)]
            assert [served.count(host) for host in REALSERVERS] == ARRIVED


async def test_datagrams_arrive_by_weight() -> None:
    with Cluster(Forwarding.MASQUERADE) as cluster:
        for host in REALSERVERS:
            cluster.serve_udp(host, 5353)
        for family in Family:
            service = Endpoint(family_vip(family), 53)
            await write(ServiceKey.at(Transport.UDP, service), Forwarding.MASQUERADE, 5353)
            answers = [cluster.ask(service, b"who?") for _ in range(REQUESTS)]
            assert [answers.count(f"{host}: who?") for host in REALSERVERS] == ARRIVED


async def test_load_counts_who_served_and_every_error() -> None:
    with Cluster(Forwarding.MASQUERADE) as cluster:
        servers = {host: cluster.serve(host) for host in REALSERVERS}
        await write(ServiceKey.at(Transport.TCP, Endpoint(VIP, 80)), Forwarding.MASQUERADE, 80)
        with cluster.load(Endpoint(VIP, 80)) as load:
            wait_until(lambda: load.total() >= 12)
            assert load.errors == []
            servers["rs3"].stop()
            wait_until(lambda: len(load.errors) >= 3)
    assert set(load.served) == set(REALSERVERS)
    # A request that was under way may end by either: the server's death, or its last words broken off.
    ends = ("refused", "reset", "answered b''", "broke off")
    assert [error for error in load.errors if not any(end in error for end in ends)] == []
