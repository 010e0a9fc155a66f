import pytest

from feedback.director.weights import Member, make_policy
from feedback.director.weights.slow_start import ramp


@pytest.mark.parametrize(
    ("usable", "share"),
    [(0.0, 0.1), (2.0, 0.1), (3.0, 0.1), (15.0, 0.5), (29.9, pytest.approx(0.997, abs=0.001)), (30.0, 1.0), (1e6, 1.0)],
)
def test_a_new_destination_gets_a_tenth_and_then_more_in_a_straight_line(usable: float, share: float) -> None:
    assert ramp(usable, 30.0) == share


@pytest.mark.parametrize("usable", [0.0, 1.0, 1e6])
def test_without_slow_start_it_gets_all_at_once(usable: float) -> None:
    assert ramp(usable, 0.0) == 1.0


@pytest.mark.parametrize("name", ["static", "availability", "equalize"])
def test_every_policy_lets_a_destination_in_slowly(name: str) -> None:
    policy = make_policy(name, slow_start=30.0)
    weight, path = 0, []
    for second in range(40):
        old = Member(base_weight=100, weight=100, utilization=None, usable_seconds=1000.0 + second)
        new = Member(base_weight=100, weight=weight, utilization=None, usable_seconds=float(second))
        weights = policy.step(float(second), {"rs1": old, "rs2": new})
        assert weights["rs1"] == 100
        weight = weights["rs2"]
        path.append(weight)
    assert path == sorted(path)
    assert path[0] == 10
    assert path[15] == pytest.approx(50, abs=2)
    assert path[30:] == [100] * 10


@pytest.mark.parametrize("name", ["static", "availability", "equalize"])
def test_a_small_base_weight_starts_at_1(name: str) -> None:
    policy = make_policy(name, slow_start=30.0)
    weights = policy.step(0.0, {"rs1": Member(base_weight=2, weight=0, utilization=None, usable_seconds=0.0)})
    assert weights == {"rs1": 1}
