import pytest

from feedback.director.weights.answer import DOUBT, LEAST_GAIN, Answer

LENGTH_SECONDS = 64.0  # a span is an eighth of it


def observe(answer: Answer, connections: float, busy: float) -> None:
    """Let one span pass."""
    for _ in range(8):
        answer.observe(1.0, connections, busy, LENGTH_SECONDS)


def grown(other: float, demand: float = 0.005) -> Answer:
    """Return what is known of a server, `other` of which is at other work, after its connections have become more."""
    answer = Answer()
    for connections in range(10, 60, 10):
        observe(answer, connections, other + demand * connections)
    return answer


@pytest.mark.parametrize(("other", "gain"), [(0.0, 1.0), (0.1, 0.75), (0.2, 0.5)])
def test_how_much_goes_with_connections_shows_when_their_number_changes(other: float, gain: float) -> None:
    assert grown(other, 0.002).gain(0.4) == pytest.approx(gain, abs=0.03)


def test_other_work_is_told_whatever_the_speed_at_which_connections_are_served() -> None:
    assert grown(0.2, 0.002).gain(0.4) == pytest.approx(grown(0.2, 0.004).gain(0.4), abs=0.01)


def test_all_of_it_does_until_their_number_changes() -> None:
    answer = Answer()
    assert answer.gain(0.5) == 1.0
    for busy in (0.5, 0.7, 0.6):
        observe(answer, 100.0, busy)
    assert answer.gain(0.5) == 1.0
    assert answer.gain(0.0) == 1.0


def test_a_small_change_tells_little() -> None:
    answer = Answer()
    for connections in (99.0, 101.0):
        observe(answer, connections, 0.5)
    assert answer.gain(0.5) == pytest.approx(1.0, abs=0.001 / DOUBT)


def test_what_is_left_of_connections_that_have_long_ended_tells_nothing() -> None:
    answer = Answer()
    for connections in (1e-200, 1e-201, 0.0):
        observe(answer, connections, 0.5)
    assert answer.gain(0.5) == 1.0


def test_there_is_a_least_gain() -> None:
    assert grown(0.4, 0.0001).gain(0.405) == LEAST_GAIN


def test_a_server_that_is_full_tells_nothing() -> None:
    answer = Answer()
    for connections in range(100, 600, 100):
        observe(answer, connections, 1.0)
    assert answer.gain(1.0) == 1.0


def test_one_that_gets_slower_has_no_other_work_for_it() -> None:
    """Utilization jumps while connections become a little fewer, and then goes with them."""
    answer = grown(0.0)
    for connections in (50, 48, 45, 40, 35, 30, 25, 20):
        observe(answer, connections, 0.01 * connections)
    assert answer.gain(0.2) > 0.8


def test_reports_that_are_noisy_are_right_in_the_mean() -> None:
    answer = grown(0.0)
    for turn in range(200):
        observe(answer, 50.0 + turn % 2, 0.25 + (0.02, 0.0, -0.02, 0.0)[turn % 4])
    assert answer.gain(0.25) > 0.9


def test_only_what_is_newly_learned_makes_the_old_forgotten() -> None:
    answer = grown(0.2, 0.002)
    for _ in range(1000):
        observe(answer, 50.0, 0.3)
    assert answer.gain(0.4) == pytest.approx(0.5, abs=0.03)
    for turn in range(40):  # half of the other work is over, but for that there is no sign yet
        connections = 50.0 + 20.0 * (turn % 2)
        observe(answer, connections, 0.1 + 0.003 * connections)
    assert answer.gain(0.4) == pytest.approx(0.75, abs=0.03)


def test_who_is_less_busy_than_other_work_was_said_to_make_it_is_known_no_longer() -> None:
    answer = grown(0.5, 0.002)
    assert answer.gain(0.6) < 0.3
    observe(answer, 50.0, 0.1)
    assert answer.gain(0.1) == 1.0
