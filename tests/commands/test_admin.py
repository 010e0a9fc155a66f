"""`feedback drain`, `maintain` and `enable`, and what `--wait` waits for."""

from collections.abc import Iterator

import pytest

from feedback.cli import main
from feedback.commands import admin
from feedback.commands.admin import SETTLE_SECONDS, Place, Seen, wait_until_gone, wait_until_serving
from feedback.commands.client import DirectorError
from feedback.errors import TableError
from feedback.model import Admin
from tests.commands.threads import Director, director
from tests.director.fake_control import FakeControl, make_destination, make_service

PLACE = Place("web", "rs2")


def looks(*connections: int, seconds: float = 1.0, protocol: str = "tcp") -> Iterator[tuple[float, Seen]]:
    """Yield a draining destination with so many active connections, one look after the other, 3 inactive ones each."""
    for number, active in enumerate(connections):
        yield number * seconds, Seen(make_destination(active_connections=active), protocol)


# --- waiting, without a clock


def test_drained_is_when_the_last_connection_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    wait_until_gone(PLACE, looks(12, 12, 3, 3, 1, 0), 300.0)
    assert capsys.readouterr().out == (
        "rs2 in web: 12 connections left\n"
        "rs2 in web: 3 connections left\n"
        "rs2 in web: 1 connection left\n"
        "rs2 in web: no connection is left\n"
    )


def test_none_at_first_is_not_believed_before_the_table_has_been_read_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen = looks(0, 0, 2, 0)
    wait_until_gone(PLACE, seen, 300.0)
    assert capsys.readouterr().out == "rs2 in web: 2 connections left\nrs2 in web: no connection is left\n"
    assert SETTLE_SECONDS > 2  # ticks of a second


def test_connections_that_stay_are_a_failure() -> None:
    with pytest.raises(DirectorError, match=r"^rs2 in web still has 2 connections after 5m$"):
        wait_until_gone(PLACE, looks(4, 2, 2, 2), 300.0)


@pytest.mark.parametrize(("protocol", "left"), [("tcp", 0), ("sctp", 0), ("udp", 3), ("", 3)])
def test_inactive_connections_count_where_the_protocol_has_no_end(protocol: str, left: int) -> None:
    seen = Seen(make_destination(active_connections=0, inactive_connections=3), protocol)
    assert seen.connections == left


def test_what_is_out_of_the_table_has_no_connections() -> None:
    assert Seen(make_destination(in_table=False), "udp").connections == 0


def test_enabled_is_when_it_takes_new_connections(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = make_destination(in_table=False, weight=0, why="unknown, held out of the table")
    quiesced = make_destination(weight=0, why="unknown, held out of the table")
    seen = [(float(number), Seen(view, "tcp")) for number, view in enumerate((waiting, quiesced, make_destination()))]
    wait_until_serving(PLACE, seen, 300.0)
    assert capsys.readouterr().out == (
        "rs2 in web: unknown, held out of the table\nrs2 in web: takes new connections, weight 87\n"
    )


def test_a_destination_that_stays_down_after_enable_is_a_failure() -> None:
    down = Seen(make_destination(in_table=False, weight=0, why="down, removed"), "tcp")
    with pytest.raises(DirectorError, match=r"^rs2 in web takes no new connections after 10s: down, removed$"):
        wait_until_serving(PLACE, [(0.0, down)], 10.0)


# --- the commands


@pytest.fixture
def there() -> Iterator[Director]:
    with director() as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(admin, "SETTLE_SECONDS", 0.05)


def state_of(control: FakeControl) -> Admin:
    return control.services[0].destinations[1].admin


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("command", "state"), [("drain", Admin.DRAIN), ("maintain", Admin.MAINTENANCE), ("enable", Admin.ENABLED)]
)
def test_each_command_sets_its_state_and_says_why_it_is_so(
    there: Director, capsys: pytest.CaptureFixture[str], command: str, state: Admin
) -> None:
    there.control.change("web", "rs2", admin=Admin.MAINTENANCE if state is not Admin.MAINTENANCE else Admin.DRAIN)
    assert main([command, "web", "rs2", "--director", there.url]) == 0
    assert state_of(there.control) is state
    assert capsys.readouterr().out == f"rs2 in web: {state}: {state} by the operator\n"


@pytest.mark.loopback
def test_an_unknown_destination_is_a_sentence_with_the_known_ones(
    there: Director, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drain", "web", "rs9", "--director", there.url]) == 1
    assert capsys.readouterr().err == ('feedback drain: service web has no destination "rs9"; there are: rs1, rs2\n')


@pytest.mark.loopback
def test_what_the_director_can_not_do_is_its_sentence(there: Director, capsys: pytest.CaptureFixture[str]) -> None:
    there.control.failure = TableError("the table can't be read: Operation not permitted")
    assert main(["drain", "web", "rs2", "--director", there.url]) == 1
    assert capsys.readouterr().err == "feedback drain: the table can't be read: Operation not permitted\n"


@pytest.mark.loopback
@pytest.mark.usefixtures("quick")
def test_drain_wait_returns_when_the_last_connection_is_gone(
    there: Director, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = there.control.snapshot
    left = iter([4, 4, 4, 4, 2, 1, 1])  # the first four are what the PUT itself looks at, and the first looks

    def fewer() -> object:
        there.control.change("web", "rs2", active_connections=next(left, 0))
        return snapshot()

    there.control.snapshot = fewer  # type: ignore[assignment, method-assign]
    assert main(["drain", "web", "rs2", "--wait", "--director", there.url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "rs2 in web: drain: drain by the operator"
    assert lines[-2:] == ["rs2 in web: 1 connection left", "rs2 in web: no connection is left"]


@pytest.mark.loopback
@pytest.mark.usefixtures("quick")
def test_drain_wait_fails_when_the_time_is_over(there: Director, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drain", "web", "rs2", "--wait", "--timeout", "100ms", "--director", there.url]) == 1
    output = capsys.readouterr()
    assert output.out.endswith("rs2 in web: 12 connections left\n")
    assert output.err == "feedback drain: rs2 in web still has 12 connections after 100ms\n"


@pytest.mark.loopback
@pytest.mark.usefixtures("quick")
def test_drain_wait_fails_when_somebody_ends_the_drain(there: Director, capsys: pytest.CaptureFixture[str]) -> None:
    set_admin = there.control.set_admin

    async def undone(service: str, destination: str, state: Admin) -> None:
        await set_admin(service, destination, state)
        await set_admin(service, destination, Admin.ENABLED)

    there.control.set_admin = undone  # type: ignore[method-assign]
    assert main(["drain", "web", "rs2", "--wait", "--director", there.url]) == 1
    assert capsys.readouterr().err == (
        "feedback drain: rs2 in web is no longer in drain: somebody has set it to enabled\n"
    )


@pytest.mark.loopback
@pytest.mark.usefixtures("quick")
def test_drain_wait_fails_when_the_destination_leaves_the_configuration(
    there: Director, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def shrink(_: float) -> None:
        there.control.services = (make_service("web", make_destination("rs1")),)

    monkeypatch.setattr("feedback.commands.admin.time.sleep", shrink)
    assert main(["drain", "web", "rs2", "--wait", "--director", there.url]) == 1
    assert capsys.readouterr().err == (
        "feedback drain: rs2 in web has been taken out of the director's configuration\n"
    )


@pytest.mark.loopback
@pytest.mark.usefixtures("quick")
def test_enable_wait_returns_when_it_serves(there: Director, capsys: pytest.CaptureFixture[str]) -> None:
    there.control.change("web", "rs2", admin=Admin.DRAIN)
    assert main(["enable", "web", "rs2", "--wait", "--director", there.url]) == 0
    assert capsys.readouterr().out.endswith("rs2 in web: takes new connections, weight 87\n")
