import pytest

from feedback.director.weights import Member, make_policy
from tests.director.weights.cluster import Cluster


def member(utilization: float | None, weight: int = 100) -> Member:
    return Member(base_weight=100, weight=weight, utilization=utilization, usable_seconds=300.0)


def settled(utilization: float, floor: float = 0.05) -> int:
    """Return a destination's weight after some time of one utilization."""
    policy = make_policy("availability", floor=floor)
    for second in range(100):
        weights = policy.step(float(second), {"rs1": member(utilization)})
    return weights["rs1"]


@pytest.mark.parametrize(("utilization", "weight"), [(0.0, 100), (0.4, 60), (0.75, 25), (1.0, 5), (2.5, 5)])
def test_the_weight_is_the_idle_share_of_the_base_down_to_the_floor(utilization: float, weight: int) -> None:
    assert settled(utilization) == pytest.approx(weight, abs=2)


def test_without_a_floor_1_remains() -> None:
    assert settled(1.0, floor=0.0) == 1


def test_a_jump_in_load_is_followed_with_the_response() -> None:
    """After one time constant 63 % of the way, after three 95 %."""
    policy = make_policy("availability", response=20.0)
    path = [policy.step(float(second), {"rs1": member(0.5)})["rs1"] for second in range(61)]
    assert path[0] == 100
    assert path[20] == pytest.approx(100 - 0.632 * 50, abs=3)
    assert path[60] == pytest.approx(100 - 0.950 * 50, abs=3)


def test_a_restarted_director_goes_on_from_the_weight_in_the_table() -> None:
    assert make_policy("availability").step(5000.0, {"rs1": member(0.9, weight=37)}) == {"rs1": 37}


def test_a_lost_report_is_held_and_then_the_weight_goes_back_slowly() -> None:
    policy = make_policy("availability")
    for second in range(100):
        low = policy.step(float(second), {"rs1": member(0.8)})["rs1"]
    path = [policy.step(100.0 + second, {"rs1": member(None)})["rs1"] for second in range(400)]
    assert set(path[:10]) == {low}
    assert path == sorted(path)
    assert path[40] < 70
    assert path[-1] >= 97


def test_at_high_load_the_filter_keeps_the_loop_from_swinging() -> None:
    cluster = Cluster(make_policy("availability"), {"rs1": 1.0, "rs2": 2.0}, load=0.8)
    cluster.run(100)
    path = [weights["rs1"] for weights in cluster.run(100)]
    assert max(path) - min(path) <= 2
    assert cluster.imbalance() < 1.3
