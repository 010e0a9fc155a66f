import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.backoff import after_loss, after_refusal

draws = st.floats(min_value=0, max_value=1)


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 0.2), (2, 0.4), (3, 0.8), (8, 25.6), (9, 30.0), (100, 30.0), (10**9, 30.0)]
)
def test_the_longest_wait_doubles_with_every_failure_up_to_thirty_seconds(failures: int, longest: float) -> None:
    assert after_loss(failures, 1.0) == longest


@given(st.integers(min_value=1, max_value=10**6), draws)
def test_a_wait_is_a_random_share_of_the_longest(failures: int, draw: float) -> None:
    assert after_loss(failures, draw) == draw * after_loss(failures, 1.0)


@given(draws)
def test_a_refused_agent_waits_fifteen_to_thirty_seconds(draw: float) -> None:
    assert 15 <= after_refusal(draw) <= 30
