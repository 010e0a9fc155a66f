import pytest

from feedback.director.plan import AddDestination, AddService, DeleteDestination, DeleteService, SetDestination
from feedback.director.table.memory import MemoryTable
from feedback.model import Counters, Destination, Forwarding, VirtualService
from tests.director.table.suite import RS1, V4, TableSuite, at, do
from tests.director.table.suite import without_the_suites_services as without_the_suites_services  # noqa: PLC0414 - a fixture

WEB = AddService(VirtualService(V4, "wlc"))


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable()


class TestMemoryTable(TableSuite):
    """The memory table does what every table must do."""


async def test_connections_are_counted_while_they_are_open(table: MemoryTable) -> None:
    await do(table, WEB, AddDestination(V4, at(RS1)))
    table.connection_opened(V4, RS1)
    table.connection_opened(V4, RS1)
    table.connection_closed(V4, RS1)
    assert table.state()[V4].counters[RS1] == Counters(active_connections=1, total_connections=2)
    assert table.state() == await table.read()


async def test_a_connection_outlives_its_destination_and_is_found_again(table: MemoryTable) -> None:
    """As in the kernel, whose trash keeps a deleted destination until its last connection is gone."""
    await do(table, WEB, AddDestination(V4, at(RS1)))
    table.connection_opened(V4, RS1)
    table.connection_opened(V4, RS1)
    await do(table, DeleteDestination(V4, RS1))
    table.connection_closed(V4, RS1)
    await do(table, AddDestination(V4, at(RS1)))
    assert table.state()[V4].counters[RS1] == Counters(active_connections=1, total_connections=0)
    table.connection_closed(V4, RS1)
    assert table.state()[V4].counters[RS1].active_connections == 0


async def test_a_deleted_service_forgets_its_totals(table: MemoryTable) -> None:
    await do(table, WEB, AddDestination(V4, at(RS1)))
    table.connection_opened(V4, RS1)
    table.connection_closed(V4, RS1)
    await do(table, DeleteService(V4), WEB, AddDestination(V4, at(RS1)))
    assert table.state()[V4].counters[RS1] == Counters()


async def test_closing_what_was_not_open_is_a_mistake(table: MemoryTable) -> None:
    with pytest.raises(ValueError, match=r"^no connection to 10\.2\.0\.11:8080 of tcp 192\.0\.2\.10:80 is open$"):
        table.connection_closed(V4, RS1)


def limited(upper: int, lower: int = 0) -> Destination:
    return Destination(RS1, Forwarding.MASQUERADE, 100, upper, lower)


@pytest.mark.parametrize(("lower", "room"), [(0, 2), (3, 2), (1, 0), (4, 3)])
async def test_a_destination_is_full_at_its_upper_threshold_until_it_is_below_the_lower(
    table: MemoryTable, lower: int, room: int
) -> None:
    """Without a lower one, three quarters of the upper count."""
    await do(table, WEB, AddDestination(V4, limited(4, lower)))
    full = []
    for _ in range(4):
        table.connection_opened(V4, RS1)
        full.append(table.is_full(V4, RS1))
    assert full == [False, False, False, True]
    left = 4
    while table.is_full(V4, RS1):
        table.connection_closed(V4, RS1)
        left -= 1
    assert left == room


async def test_without_a_threshold_a_destination_is_never_full(table: MemoryTable) -> None:
    await do(table, WEB, AddDestination(V4, at(RS1)))
    for _ in range(100):
        table.connection_opened(V4, RS1)
    assert not table.is_full(V4, RS1)


@pytest.mark.parametrize(("changed", "full"), [(limited(3), False), (limited(0), False), (limited(1), True)])
async def test_a_higher_threshold_or_none_lets_connections_in_again(
    table: MemoryTable, changed: Destination, full: bool
) -> None:
    await do(table, WEB, AddDestination(V4, limited(2)))
    table.connection_opened(V4, RS1)
    table.connection_opened(V4, RS1)
    await do(table, SetDestination(V4, changed))
    assert table.is_full(V4, RS1) is full


@pytest.mark.parametrize("leave", [DeleteDestination(V4, RS1), DeleteService(V4)])
async def test_what_is_deleted_is_no_longer_full(table: MemoryTable, leave: DeleteDestination | DeleteService) -> None:
    await do(table, WEB, AddDestination(V4, limited(1)))
    table.connection_opened(V4, RS1)
    await do(table, leave)
    assert not table.is_full(V4, RS1)
    table.connection_closed(V4, RS1)


async def test_whoever_follows_the_table_hears_when_a_destination_is_full_and_when_it_no_longer_is(
    table: MemoryTable,
) -> None:
    await do(table, WEB, AddDestination(V4, limited(2)))
    heard = []
    table.on_change = lambda: heard.append(table.is_full(V4, RS1))
    for _ in range(3):
        table.connection_opened(V4, RS1)
    for _ in range(3):
        table.connection_closed(V4, RS1)
    assert heard == [True, False]


async def test_nobody_need_follow_the_table_for_that(table: MemoryTable) -> None:
    await do(table, WEB, AddDestination(V4, limited(1)))
    table.connection_opened(V4, RS1)
    assert table.is_full(V4, RS1)


async def test_whoever_follows_the_table_hears_of_a_change_when_it_is_done(table: MemoryTable) -> None:
    heard = []
    table.on_change = lambda: heard.append(table.state())
    await do(table, WEB, AddDestination(V4, at(RS1)))
    await do(table, SetDestination(V4, at(RS1, 5)))
    assert [state[V4].destinations[RS1].weight for state in heard] == [100, 5]


async def test_an_apply_that_changes_nothing_is_not_heard_of(table: MemoryTable) -> None:
    await do(table, WEB)
    heard = []
    table.on_change = lambda: heard.append(1)
    await table.apply([])
    await table.apply([WEB])
    assert heard == []


async def test_a_state_that_was_handed_out_does_not_change_any_more(table: MemoryTable) -> None:
    await do(table, WEB)
    before = table.state()
    await do(table, AddDestination(V4, at(RS1)))
    assert before[V4].destinations == {}


async def test_closing_keeps_the_table(table: MemoryTable) -> None:
    await do(table, WEB)
    await table.close()
    assert set(table.state()) == {V4}


async def test_a_weight_that_the_kernel_reads_as_negative_is_refused(table: MemoryTable) -> None:
    await do(table, WEB)
    (refusal,) = await table.apply([AddDestination(V4, at(RS1, 2**31))])
    assert refusal.message == "Numerical result out of range"


async def test_a_prefix_that_ipv6_does_not_have_is_refused(table: MemoryTable) -> None:
    from tests.director.table.suite import V6

    (refusal,) = await table.apply([AddService(VirtualService(V6, "wlc", 60, 129))])
    assert refusal.message == "Invalid argument"
