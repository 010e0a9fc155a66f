"""What every table must do: one suite, run on the memory table here and on the kernel's in the lab.

A test module subclasses `TableSuite` and gives it a `table` fixture. Every test starts from a table without the
suite's services and uses addresses of 192.0.2.0/24, 10.0.0.0/8 and 2001:db8::/32 and schedulers of the kernel's only.
"""

import errno

import pytest

from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    Operation,
    SetDestination,
    SetService,
    canonical,
    plan,
)
from feedback.director.table import Table
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

V4 = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.10", 80))
V4_UDP = ServiceKey.at(Transport.UDP, Endpoint("192.0.2.10", 53))
V6 = ServiceKey.at(Transport.TCP, Endpoint("2001:db8::10", 80))
V6_UDP = ServiceKey.at(Transport.UDP, Endpoint("2001:db8::10", 53))
MARK_V4 = ServiceKey.marked(17, Family.IPV4)
MARK_V6 = ServiceKey.marked(17, Family.IPV6)
KEYS = (V4, V4_UDP, V6, V6_UDP, MARK_V4, MARK_V6)

RS1 = Endpoint("10.2.0.11", 8080)
RS2 = Endpoint("10.2.0.12", 8080)
RS1_V6 = Endpoint("2001:db8:2::11", 8080)


def own(key: ServiceKey) -> Endpoint:
    """Return a destination address of the service's family, with a port that suits the service."""
    address = "10.2.0.11" if key.family is Family.IPV4 else "2001:db8:2::11"
    return Endpoint(address, 0 if key.fwmark else 8080)


def at(key: Endpoint, weight: int = 100, forwarding: Forwarding = Forwarding.MASQUERADE) -> Destination:
    return Destination(key, forwarding, weight)


async def do(table: Table, *operations: Operation) -> None:
    """Apply operations that must all succeed."""
    assert await table.apply(operations) == ()


async def refused(table: Table, operation: Operation) -> int:
    """Apply one operation that must be refused, and return its error number."""
    before = await settings(table)
    (refusal,) = await table.apply([operation])
    assert refusal.operation == operation
    assert refusal.message
    assert await settings(table) == before
    return refusal.errno


async def settings(table: Table) -> dict[ServiceKey, ServiceState]:
    """Return the suite's services as they are in the table, written in one way and without counters."""
    state = await table.read()
    return {
        key: ServiceState(canonical(state[key].service), dict(state[key].destinations)) for key in KEYS if key in state
    }


@pytest.fixture(autouse=True)
async def without_the_suites_services(table: Table) -> None:
    state = await table.read()
    await do(table, *(DeleteService(key) for key in KEYS if key in state))


class TableSuite:
    async def test_reading_an_empty_table_gives_nothing(self, table: Table) -> None:
        assert await settings(table) == {}

    @pytest.mark.parametrize("key", KEYS, ids=str)
    async def test_a_service_of_each_kind_is_read_back_equal(self, table: Table, key: ServiceKey) -> None:
        service = VirtualService(key, "wlc")
        destination = at(own(key), 7)
        await do(table, AddService(service), AddDestination(key, destination))
        assert await settings(table) == {key: ServiceState(canonical(service), {destination.key: destination})}

    @pytest.mark.parametrize("scheduler", ["rr", "wrr", "lc", "wlc", "sh", "dh", "mh", "sed", "nq"])
    async def test_schedulers_are_read_back_equal(self, table: Table, scheduler: str) -> None:
        await do(table, AddService(VirtualService(V4, scheduler)))
        assert (await settings(table))[V4].service.scheduler == scheduler

    @pytest.mark.parametrize(
        ("key", "prefix"),
        [(V4, None), (V4, 32), (V4, 24), (V6, None), (V6, 128), (V6, 64), (MARK_V4, 16), (MARK_V6, 56)],
    )
    async def test_persistence_is_read_back_equal(self, table: Table, key: ServiceKey, prefix: int | None) -> None:
        service = VirtualService(key, "wlc", 300, prefix)
        await do(table, AddService(service))
        assert (await settings(table))[key].service == canonical(service)

    @pytest.mark.parametrize("forwarding", list(Forwarding))
    @pytest.mark.parametrize("key", [V4, V6])
    async def test_forwarding_is_read_back_equal(self, table: Table, key: ServiceKey, forwarding: Forwarding) -> None:
        destination = at(Endpoint(own(key).address, 80), 1, forwarding)
        await do(table, AddService(VirtualService(key, "rr")), AddDestination(key, destination))
        assert (await settings(table))[key].destinations == {destination.key: destination}

    async def test_thresholds_are_read_back_equal(self, table: Table) -> None:
        destination = Destination(RS1, Forwarding.MASQUERADE, 100, upper_threshold=900, lower_threshold=700)
        await do(table, AddService(VirtualService(V4, "wlc")), AddDestination(V4, destination))
        assert (await settings(table))[V4].destinations == {RS1: destination}

    @pytest.mark.parametrize("weight", [0, 1, 65535, 2**31 - 1])
    async def test_weights_are_read_back_equal(self, table: Table, weight: int) -> None:
        await do(table, AddService(VirtualService(V4, "wlc")), AddDestination(V4, at(RS1, weight)))
        assert (await settings(table))[V4].destinations[RS1].weight == weight

    async def test_a_tunnel_may_lead_to_the_other_family(self, table: Table) -> None:
        destination = at(Endpoint(RS1_V6.address, 80), 1, Forwarding.TUNNEL)
        await do(table, AddService(VirtualService(V4, "wlc")), AddDestination(V4, destination))
        assert (await settings(table))[V4].destinations == {destination.key: destination}

    @pytest.mark.parametrize("forwarding", [Forwarding.MASQUERADE, Forwarding.DIRECT])
    async def test_other_forwarding_to_the_other_family_is_refused(self, table: Table, forwarding: Forwarding) -> None:
        await do(table, AddService(VirtualService(V4, "wlc")))
        assert await refused(table, AddDestination(V4, at(RS1_V6, 1, forwarding))) == errno.EINVAL

    async def test_a_new_destination_has_no_connections(self, table: Table) -> None:
        await do(table, AddService(VirtualService(V4, "wlc")), AddDestination(V4, at(RS1)))
        counters = (await table.read())[V4].counters[RS1]
        assert (counters.active_connections, counters.inactive_connections, counters.total_connections) == (0, 0, 0)

    async def test_a_changed_service_keeps_its_destinations(self, table: Table) -> None:
        changed = VirtualService(V4, "wrr", 60, 24)
        await do(table, AddService(VirtualService(V4, "wlc")), AddDestination(V4, at(RS1)), SetService(changed))
        assert await settings(table) == {V4: ServiceState(canonical(changed), {RS1: at(RS1)})}

    async def test_persistence_can_be_taken_back(self, table: Table) -> None:
        plain = VirtualService(V4, "wlc")
        await do(table, AddService(VirtualService(V4, "wlc", 60, 24)), SetService(plain))
        assert (await settings(table))[V4].service == canonical(plain)

    async def test_a_destination_is_changed_in_place(self, table: Table) -> None:
        changed = Destination(RS1, Forwarding.TUNNEL, 0, upper_threshold=5, lower_threshold=2)
        await do(
            table,
            AddService(VirtualService(V4, "wlc")),
            AddDestination(V4, at(RS1)),
            AddDestination(V4, at(RS2)),
            SetDestination(V4, changed),
        )
        assert (await settings(table))[V4].destinations == {RS1: changed, RS2: at(RS2)}

    async def test_a_deleted_destination_is_gone_with_its_counters(self, table: Table) -> None:
        await do(
            table,
            AddService(VirtualService(V4, "wlc")),
            AddDestination(V4, at(RS1)),
            AddDestination(V4, at(RS2)),
            DeleteDestination(V4, RS1),
        )
        state = (await table.read())[V4]
        assert set(state.destinations) == {RS2}
        assert set(state.counters) == {RS2}

    async def test_a_deleted_service_takes_its_destinations_along(self, table: Table) -> None:
        service = VirtualService(V4, "wlc")
        await do(table, AddService(service), AddDestination(V4, at(RS1)), DeleteService(V4))
        assert await settings(table) == {}
        await do(table, AddService(service))
        assert (await settings(table))[V4].destinations == {}

    async def test_services_of_one_address_and_mark_but_other_kinds_are_apart(self, table: Table) -> None:
        await do(table, *(AddService(VirtualService(key, "rr")) for key in KEYS))
        await do(table, AddDestination(MARK_V4, at(own(MARK_V4))), DeleteService(V4), DeleteService(MARK_V6))
        state = await settings(table)
        assert set(state) == set(KEYS) - {V4, MARK_V6}
        assert {key for key in state if state[key].destinations} == {MARK_V4}

    async def test_adding_a_service_twice_is_refused(self, table: Table) -> None:
        await do(table, AddService(VirtualService(V4, "wlc")))
        assert await refused(table, AddService(VirtualService(V4, "rr"))) == errno.EEXIST

    async def test_adding_a_destination_twice_is_refused(self, table: Table) -> None:
        await do(table, AddService(VirtualService(V4, "wlc")), AddDestination(V4, at(RS1)))
        assert await refused(table, AddDestination(V4, at(RS1, 5))) == errno.EEXIST

    @pytest.mark.parametrize(
        "operation",
        [
            SetService(VirtualService(V4, "wlc")),
            DeleteService(V4),
            AddDestination(V4, at(RS1)),
            SetDestination(V4, at(RS1)),
            DeleteDestination(V4, RS1),
        ],
        ids=lambda operation: type(operation).__name__,
    )
    async def test_a_missing_service_is_refused(self, table: Table, operation: Operation) -> None:
        assert await refused(table, operation) == errno.ESRCH

    @pytest.mark.parametrize(
        "operation",
        [SetDestination(V4, at(RS1)), DeleteDestination(V4, RS1)],
        ids=lambda operation: type(operation).__name__,
    )
    async def test_a_missing_destination_is_refused(self, table: Table, operation: Operation) -> None:
        await do(table, AddService(VirtualService(V4, "wlc")), AddDestination(V4, at(RS2)))
        assert await refused(table, operation) == errno.ENOENT

    async def test_an_unknown_scheduler_is_refused(self, table: Table) -> None:
        assert await refused(table, AddService(VirtualService(V4, "nosuch"))) == errno.ENOENT
        await do(table, AddService(VirtualService(V4, "wlc")))
        assert await refused(table, SetService(VirtualService(V4, "nosuch"))) == errno.ENOENT

    async def test_crossed_thresholds_are_refused(self, table: Table) -> None:
        crossed = Destination(RS1, Forwarding.MASQUERADE, 1, upper_threshold=2, lower_threshold=5)
        await do(table, AddService(VirtualService(V4, "wlc")))
        assert await refused(table, AddDestination(V4, crossed)) == errno.ERANGE
        await do(table, AddDestination(V4, at(RS1)))
        assert await refused(table, SetDestination(V4, crossed)) == errno.ERANGE

    @pytest.mark.parametrize(
        ("service", "address"), [(V4, "224.0.0.1"), (V4, "0.0.0.0"), (V4, "255.255.255.255"), (V6, "ff02::1")]
    )
    async def test_a_destination_that_is_no_host_is_refused(
        self, table: Table, service: ServiceKey, address: str
    ) -> None:
        await do(table, AddService(VirtualService(service, "wlc")))
        assert await refused(table, AddDestination(service, at(Endpoint(address, 80)))) == errno.EINVAL

    async def test_what_is_refused_does_not_stop_the_rest(self, table: Table) -> None:
        service = VirtualService(V4, "wlc")
        refusals = await table.apply(
            [
                AddService(service),
                DeleteDestination(V4, RS1),
                AddDestination(V4, at(RS1)),
                AddService(service),
                AddDestination(V4, at(RS2)),
                SetDestination(V6, at(RS1_V6)),
            ]
        )
        assert [(refusal.operation, refusal.errno) for refusal in refusals] == [
            (DeleteDestination(V4, RS1), errno.ENOENT),
            (AddService(service), errno.EEXIST),
            (SetDestination(V6, at(RS1_V6)), errno.ESRCH),
        ]
        assert await settings(table) == {V4: ServiceState(canonical(service), {RS1: at(RS1), RS2: at(RS2)})}

    async def test_a_thousand_destinations_come_and_go(self, table: Table) -> None:
        wanted = {
            (key := Endpoint(f"10.3.{number // 250}.{number % 250 + 1}", 8080)): at(key, number)
            for number in range(1000)
        }
        await do(table, AddService(VirtualService(V4, "wlc")), *(AddDestination(V4, each) for each in wanted.values()))
        assert (await settings(table))[V4].destinations == wanted
        await do(table, *(DeleteDestination(V4, key) for key in wanted))
        assert (await settings(table))[V4].destinations == {}

    async def test_a_plan_leads_to_what_it_was_made_for_and_then_to_nothing(self, table: Table) -> None:
        before = {
            V4: ServiceState(VirtualService(V4, "wlc"), {RS1: at(RS1), RS2: at(RS2)}),
            MARK_V6: ServiceState(VirtualService(MARK_V6, "rr"), {}),
        }
        after = {
            V4: ServiceState(
                VirtualService(V4, "wrr", 60),
                {RS2: at(RS2, 0), Endpoint("10.2.0.13", 80): at(Endpoint("10.2.0.13", 80))},
            ),
            V6: ServiceState(VirtualService(V6, "mh", 60, 64), {RS1_V6: at(RS1_V6, 3, Forwarding.DIRECT)}),
        }
        for wanted in (before, after):
            await do(table, *plan(wanted, await table.read(), frozenset(KEYS)))
            assert plan(wanted, await table.read(), frozenset(KEYS)) == ()
