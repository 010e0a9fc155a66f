import pytest

from feedback.simulator.scenario import ServerSpec
from feedback.simulator.server import Server


def test_a_request_alone_takes_its_work_over_the_speed() -> None:
    server: Server[str] = Server(ServerSpec(speed=4.0))
    server.add(10.0, 2.0, "a")
    assert server.next_end() == pytest.approx(10.5)
    assert server.end(10.5) == "a"
    assert server.jobs == 0


def test_requests_share_the_server_equally() -> None:
    server: Server[str] = Server(ServerSpec())
    server.add(0.0, 1.0, "long")
    server.add(0.5, 0.25, "short")  # half of the long one is left, and each gets half of the speed
    assert server.next_end() == pytest.approx(1.0)
    assert server.end(1.0) == "short"
    assert server.next_end() == pytest.approx(1.25)
    assert server.end(1.25) == "long"


def test_as_many_requests_as_cores_don_t_hinder_each_other() -> None:
    server: Server[str] = Server(ServerSpec(speed=2.0, cores=2))
    server.add(0.0, 1.0, "a")
    assert server.next_end() == pytest.approx(1.0)
    assert server.busy_seconds(0.5) == pytest.approx(0.25)
    server.add(0.5, 1.0, "b")
    assert server.next_end() == pytest.approx(1.0)
    assert server.busy_seconds(1.0) == pytest.approx(0.75)


def test_other_work_takes_its_share_and_is_no_idle_time() -> None:
    server: Server[str] = Server(ServerSpec(speed=4.0, background_ratio=0.5))
    assert server.busy_seconds(1.0) == pytest.approx(0.5)
    server.add(1.0, 1.0, "a")
    assert server.next_end() == pytest.approx(1.5)
    assert server.busy_seconds(1.5) == pytest.approx(1.0)


def test_other_work_never_stops_a_request_altogether() -> None:
    server: Server[str] = Server(ServerSpec(background_ratio=1.0))
    server.add(0.0, 1.0, "a")
    assert server.next_end() == pytest.approx(100.0)


def test_connections_take_speed_for_as_long_as_they_are_held() -> None:
    server: Server[str] = Server(ServerSpec(speed=2.0))
    server.hold(0.0, 0.5)
    server.hold(1.0, 0.5)
    assert server.busy_seconds(2.0) == pytest.approx(0.25 + 0.5)
    server.add(2.0, 1.0, "a")
    assert server.next_end() == pytest.approx(3.0)
    server.hold(2.5, -1.0)
    assert server.next_end() == pytest.approx(2.75)


def test_a_server_that_holds_more_than_it_can_is_busy_and_no_more() -> None:
    server: Server[str] = Server(ServerSpec())
    server.hold(0.0, 3.0)
    assert server.busy_seconds(1.0) == pytest.approx(1.0)


def test_a_change_of_speed_holds_from_its_moment_on() -> None:
    server: Server[str] = Server(ServerSpec())
    server.add(0.0, 1.0, "a")
    server.change(0.5, 0.25, None)
    assert server.next_end() == pytest.approx(2.5)
    server.change(0.5, None, 0.5)
    assert server.next_end() == pytest.approx(4.5)


def test_a_prediction_is_known_by_its_version() -> None:
    server: Server[str] = Server(ServerSpec())
    before = server.version
    server.add(0.0, 1.0, "a")
    assert server.version != before


def test_a_crash_loses_everything_and_leaves_the_server_idle() -> None:
    server: Server[str] = Server(ServerSpec(background_ratio=0.5))
    server.add(0.0, 1.0, "a")
    server.hold(0.0, 0.1)
    assert server.crash(0.1) == ["a"]
    assert (server.alive, server.jobs, server.held) == (False, 0, 0.0)
    assert server.busy_seconds(5.0) == pytest.approx(0.1)
