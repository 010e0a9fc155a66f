"""The kernel's table through netlink, against the kernel, and against ipvsadm's view of the same."""

import asyncio
import errno
import subprocess
import sys
from pathlib import Path

import pytest

from feedback.director.advice import Sysctls
from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    Operation,
    SetDestination,
    SetService,
    plan,
)
from feedback.director.table.kernel import KernelTable, read_sysctls
from feedback.errors import TableError
from feedback.model import (
    Destination,
    Endpoint,
    Family,
    Forwarding,
    ServiceKey,
    ServiceState,
    Transport,
    VirtualService,
)
from tests.director.table.suite import RS1, RS2, V4, TableSuite, at, do, own
from tests.director.table.suite import without_the_suites_services as without_the_suites_services  # noqa: PLC0414 - a fixture
from tests.lab.cluster import VIP, Cluster, run, saved_table, saved_weights, unload_ipvs, wait_until
from tests.lab.traffic import STREAM_CHUNK_BYTES

STREAM_50 = "\0" * 50 * STREAM_CHUNK_BYTES
FORWARDED = {
    Forwarding.MASQUERADE: "-m -w 42",
    Forwarding.DIRECT: "-g -w 42",
    Forwarding.TUNNEL: "-i -w 42 --tun-type ipip",
}
TRANSPORT_OPTION = {Transport.TCP: "-t", Transport.UDP: "-u", Transport.SCTP: "--sctp-service"}
KINDS = [(family, transport) for family in Family for transport in (*Transport, None)]
"""Families and transports; None for a firewall mark."""


@pytest.fixture
def table() -> KernelTable:
    run("ipvsadm", "-C")
    return KernelTable()


class TestKernelTable(TableSuite):
    """The kernel's table does what every table must do."""


def service_at(family: Family, transport: Transport | None) -> tuple[ServiceKey, str]:
    """Return a service's key, a firewall mark's without a transport, and ipvsadm's words for it."""
    if transport is None:
        return ServiceKey.marked(17, family), "-f 17" + (" -6" if family is Family.IPV6 else "")
    endpoint = Endpoint(VIP if family is Family.IPV4 else "2001:db8::10", 80)
    return ServiceKey.at(transport, endpoint), f"{TRANSPORT_OPTION[transport]} {endpoint}"


@pytest.mark.parametrize("forwarding", list(Forwarding))
@pytest.mark.parametrize(("family", "transport"), KINDS)
async def test_every_field_reads_back_equal_and_is_what_ipvsadm_sees(
    table: KernelTable, family: Family, transport: Transport | None, forwarding: Forwarding
) -> None:
    key, words = service_at(family, transport)
    service = VirtualService(key, "wlc", persistence_seconds=120, persistence_prefix=24)
    port = 8080 if forwarding is Forwarding.MASQUERADE and transport else key.port
    destination = Destination(Endpoint(own(key).address, port), forwarding, 42, upper_threshold=900, lower_threshold=7)
    wanted = {key: ServiceState(service, {destination.key: destination})}
    await do(table, *plan(wanted, {}, frozenset({key})))

    state = await table.read()
    assert (state[key].service, state[key].destinations) == (service, {destination.key: destination})
    assert plan(wanted, state, frozenset({key})) == ()
    netmask = "24" if family is Family.IPV6 else "255.255.255.0"
    assert saved_table() == [
        f"-A {words} -s wlc -p 120 -M {netmask}",
        f"-a {words} -r {destination.key} {FORWARDED[forwarding]}",
    ]
    assert run("ipvsadm", "-Ln", "--thresholds").split()[-4:-2] == ["900", "7"]


async def test_a_live_connection_survives_a_changed_weight() -> None:
    with Cluster(Forwarding.MASQUERADE) as cluster:
        table = KernelTable()
        server = cluster.serve("rs1")
        first = at(Endpoint("10.2.0.11", 80), 1)
        await do(table, AddService(VirtualService(V4, "wlc")), AddDestination(V4, first))
        with cluster.load(Endpoint(VIP, 80), "/stream/50") as load:
            wait_until(lambda: server.streams_running == 1)
            before = (await table.read())[V4].counters[first.key]
            await do(table, SetDestination(V4, at(first.key, 0)))
            after = (await table.read())[V4].counters[first.key]
            wait_until(lambda: load.total() == 1)
    assert before.active_connections == after.active_connections == 1
    assert load.served[STREAM_50] == 1


async def test_connections_are_counted_in_all() -> None:
    with Cluster(Forwarding.MASQUERADE) as cluster:
        table = KernelTable()
        cluster.serve("rs1")
        destination = at(Endpoint("10.2.0.11", 80))
        await do(table, AddService(VirtualService(V4, "wlc")), AddDestination(V4, destination))
        for _ in range(7):
            cluster.fetch(Endpoint(VIP, 80))
        counters = (await table.read())[V4].counters[destination.key]
        assert counters.active_connections + counters.inactive_connections == 7
        wait_until(lambda: " 7 " in run("ipvsadm", "-Ln", "--stats"))  # the kernel sums up every two seconds
        assert (await table.read())[V4].counters[destination.key].total_connections == 7


async def test_a_refusal_in_the_middle_of_a_batch_is_named_and_the_others_are_done(table: KernelTable) -> None:
    operations: list[Operation] = [AddService(VirtualService(V4, "wlc"))]
    operations += [AddDestination(V4, at(Endpoint(f"10.3.0.{number}", 80), number)) for number in range(1, 121)]
    missing = DeleteDestination(V4, RS1)
    operations.insert(50, missing)
    operations.insert(110, operations[7])
    refusals = await table.apply(operations)
    assert [(each.operation, each.errno, each.message) for each in refusals] == [
        (
            missing,
            errno.ENOENT,
            "delete destination 10.2.0.11:8080 of tcp 192.0.2.10:80: there is no such destination",
        ),
        (
            operations[7],
            errno.EEXIST,
            "add destination 10.3.0.7:80 to tcp 192.0.2.10:80: it is there already",
        ),
    ]
    assert saved_weights("-t 192.0.2.10:80") == {f"10.3.0.{number}:80": number for number in range(1, 121)}


async def test_a_thousand_refusals_are_all_named(table: KernelTable) -> None:
    """Their answers fit into the socket's buffer, batch by batch."""
    operations = [SetDestination(V4, at(Endpoint(f"10.3.{n // 250}.{n % 250 + 1}", 80))) for n in range(1000)]
    refusals = await table.apply(operations)
    assert [each.operation for each in refusals] == operations
    assert {each.errno for each in refusals} == {errno.ESRCH}


async def test_a_number_that_fits_no_message_is_refused_and_the_others_are_done(table: KernelTable) -> None:
    service = AddService(VirtualService(V4, "wlc"))
    wrong = AddDestination(V4, at(RS1, 2**32))
    refusals = await table.apply([service, wrong, AddDestination(V4, at(RS2, 2**31)), AddDestination(V4, at(RS2, 5))])
    assert [(each.operation, each.errno) for each in refusals] == [
        (wrong, errno.ERANGE),
        (AddDestination(V4, at(RS2, 2**31)), errno.ERANGE),
    ]
    assert saved_weights("-t 192.0.2.10:80") == {str(RS2): 5}


def udp_at(address: str) -> ServiceKey:
    return ServiceKey.at(Transport.UDP, Endpoint(address, 5060))


async def test_what_others_wrote_with_settings_of_their_own_is_read(table: KernelTable) -> None:
    run("ipvsadm", "-A", "-u", "192.0.2.20:5060", "-s", "sh", "-b", "sh-port,sh-fallback", "--ops")
    run("ipvsadm", "-A", "-u", "192.0.2.21:5060", "-s", "rr", "-p", "90", "--pe", "sip")
    run("ipvsadm", "-A", "-t", "192.0.2.22:80", "-s", "rr", "-p", "-M", "255.255.0.0")
    gue = ["-i", "--tun-type", "gue", "--tun-port", "6080"]
    run("ipvsadm", "-a", "-t", "192.0.2.22:80", "-r", "10.2.0.11:80", *gue, "-w", "3")
    state = {str(key): each for key, each in (await table.read()).items()}
    assert {name: each.service for name, each in state.items()} == {
        "udp 192.0.2.20:5060": VirtualService(udp_at("192.0.2.20"), "sh", one_packet=True),
        "udp 192.0.2.21:5060": VirtualService(udp_at("192.0.2.21"), "rr", 90),
        "tcp 192.0.2.22:80": VirtualService(ServiceKey.at(Transport.TCP, Endpoint("192.0.2.22", 80)), "rr", 360, 16),
    }
    assert list(state["tcp 192.0.2.22:80"].destinations.values()) == [
        Destination(Endpoint("10.2.0.11", 80), Forwarding.TUNNEL, 3)
    ]


async def test_a_change_in_place_keeps_the_flags_that_others_set(table: KernelTable) -> None:
    run("ipvsadm", "-A", "-t", "192.0.2.10:80", "-s", "sh", "-b", "sh-port")
    await do(table, SetService(VirtualService(V4, "sh", 60)))
    assert saved_table() == ["-A -t 192.0.2.10:80 -s sh -p 60 -b sh-port"]


async def test_a_read_that_is_cancelled_disturbs_nothing(table: KernelTable) -> None:
    destinations = [at(Endpoint(f"10.3.{n // 250}.{n % 250 + 1}", 80)) for n in range(500)]
    await do(table, AddService(VirtualService(V4, "wlc")), *(AddDestination(V4, each) for each in destinations))
    reading = asyncio.create_task(table.read())
    for _ in range(4):  # into the dump of the destinations
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert len((await table.read())[V4].destinations) == 500


async def test_the_loop_gets_its_turn_between_datagrams_and_batches(table: KernelTable) -> None:
    destinations = [at(Endpoint(f"10.3.{n // 250}.{n % 250 + 1}", 80)) for n in range(1000)]
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await do(table, AddService(VirtualService(V4, "wlc")), *(AddDestination(V4, each) for each in destinations))
    written = turns
    await table.read()
    counting.cancel()
    assert written >= 10
    assert turns - written >= 10


async def test_a_module_that_was_loaded_again_is_found_again(table: KernelTable) -> None:
    await do(table, AddService(VirtualService(V4, "wlc")))
    unload_ipvs()
    run("modprobe", "nf_tables")  # another module may take the number meanwhile
    assert await table.read() == {}
    await do(table, AddService(VirtualService(V4, "wlc")))


def test_without_ipvs_the_error_says_how_to_get_it() -> None:
    unload_ipvs()
    loader = Path("/proc/sys/kernel/modprobe")
    before = loader.read_text()
    loader.write_text("/bin/false")
    try:
        with pytest.raises(TableError, match=r"^the kernel has no IPVS: load its module with `modprobe ip_vs`$"):
            KernelTable()
    finally:
        loader.write_text(before)


def test_without_the_capability_the_error_says_which() -> None:
    run("modprobe", "ip_vs")
    script = "from feedback.director.table.kernel import KernelTable; KernelTable()"
    without = ["setpriv", "--bounding-set=-net_admin", "--reuid=65534", "--clear-groups"]
    command = [*without, sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "feedback.errors.TableError: the kernel lets only an administrator see and change the IPVS table: "
        "run as root, or with the capability CAP_NET_ADMIN"
    )


def test_sysctls_are_read_from_the_kernel() -> None:
    unload_ipvs()
    assert read_sysctls() == Sysctls(None, None, None)
    run("modprobe", "ip_vs")
    setting = Path("/proc/sys/net/ipv4/vs/expire_nodest_conn")
    setting.write_text("1")
    assert read_sysctls() == Sysctls(expire_nodest_conn=1, expire_quiescent_template=0, conn_reuse_mode=1)
    setting.write_text("0")
