import pytest

from feedback.director.estimate import fresh


@pytest.mark.parametrize(
    ("age", "interval", "is_fresh"),
    [(0.0, 1.0, True), (3.0, 1.0, True), (3.1, 1.0, False), (3.0, 0.1, True), (15.0, 5.0, True), (15.1, 5.0, False)],
)
def test_a_report_goes_stale_after_three_intervals_and_at_least_three_seconds(
    age: float, interval: float, *, is_fresh: bool
) -> None:
    assert fresh(100.0, 100.0 + age, interval) is is_fresh
