"""Serials of zones: RFC 1982's arithmetic, who is behind for how long, and what an authority has said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.serials import FORGET_SECONDS, HALF, MODULUS, Lag, Reference, Sightings, distance, newest
from feedback.errors import LocalFault

SERIALS = st.integers(0, MODULUS - 1)


@pytest.mark.parametrize(
    ("serial", "other", "count"),
    [
        (7, 7, 0),
        (7, 9, 2),
        (9, 7, -2),
        (0, HALF - 1, HALF - 1),  # the largest step
        (0, HALF, None),
        (HALF, 0, None),
        (0, HALF + 1, 1 - HALF),
        (MODULUS - 1, 0, 1),  # around
        (4294967290, 5, 11),
        (5, 4294967290, -11),
        (2024010107, 2024010108, 1),
    ],
)
def test_how_far_a_serial_is_ahead_of_another(serial: int, other: int, count: int | None) -> None:
    assert distance(serial, other) == count


@given(SERIALS, st.integers(1, HALF - 1))
def test_what_has_been_added_makes_it_newer(serial: int, added: int) -> None:
    """RFC 1982, 3.1 and 7: 2**31 - 1 is the most that may be added."""
    later = (serial + added) % MODULUS
    assert distance(serial, later) == added
    assert distance(later, serial) == -added


@given(SERIALS, st.lists(st.integers(0, HALF - 1), min_size=1, max_size=8))
def test_the_newest_is_the_one_to_which_most_was_added_wherever_the_range_begins(serial: int, added: list[int]) -> None:
    assert newest([(serial + step) % MODULUS for step in added]) == (serial + max(added)) % MODULUS


@given(st.lists(SERIALS, min_size=1, max_size=5))
def test_the_newest_is_behind_no_other(serials: list[int]) -> None:
    found = newest(serials)
    leads = [[distance(other, serial) for other in serials] for serial in serials]
    best = [
        serial
        for serial, lead in zip(serials, leads, strict=True)
        if all(count is not None and count >= 0 for count in lead)
    ]
    assert found == (best[0] if best else None)


@pytest.mark.parametrize("serials", [[0, HALF], [0, 1_500_000_000, 3_000_000_000]], ids=["undefined", "a circle"])
def test_there_may_be_no_newest(serials: list[int]) -> None:
    assert newest(serials) is None


def test_a_destination_is_behind_from_when_a_newer_serial_was_first_seen() -> None:
    sightings = Sightings()
    sightings.note("web", "rs1", 5, now=100.0)
    assert sightings.lag("web", "rs1", 5, now=100.0) == Lag(0)
    sightings.note("web", "rs1", 5, now=110.0)
    assert sightings.lag("web", "rs1", 7, now=110.0) == Lag(2, 0.0)
    sightings.note("web", "rs1", 5, now=130.0)
    assert sightings.lag("web", "rs1", 8, now=130.0) == Lag(3, 20.0)


def test_the_time_begins_anew_when_it_has_got_another_serial_or_is_not_behind() -> None:
    sightings = Sightings()
    for serial, reference, now, lag in [
        (5, 7, 0.0, Lag(2, 0.0)),
        (6, 7, 10.0, Lag(1, 0.0)),  # it follows
        (6, 7, 15.0, Lag(1, 5.0)),
        (6, 6, 20.0, Lag(0)),
        (6, 7, 30.0, Lag(1, 0.0)),
        (6, 5, 40.0, Lag(-1)),  # ahead
        (6, 6 + HALF, 45.0, Lag(None)),
        (6, 7, 50.0, Lag(1, 0.0)),
    ]:
        sightings.note("web", "rs1", serial, now)
        assert sightings.lag("web", "rs1", reference, now) == lag


def test_the_destinations_of_a_service_that_answered_of_late_are_compared() -> None:
    sightings = Sightings()
    sightings.note("web", "rs1", 5, now=0.0)
    sightings.note("web", "rs2", 7, now=20.0)
    sightings.note("mail", "rs1", 9, now=20.0)
    assert sightings.current("web", now=30.0, max_age=30.0) == [5, 7]
    assert sightings.current("web", now=31.0, max_age=30.0) == [7]


def test_destinations_that_are_gone_are_forgotten() -> None:
    sightings = Sightings()
    for number in range(1000):
        sightings.note("web", f"rs{number}", 5, now=number * FORGET_SECONDS / 10)
    assert len(sightings._seen) == 11


def test_what_the_authority_said_is_good_for_a_while() -> None:
    reference = Reference()
    assert not reference.will_do(7, since=0.0, max_age=30.0)
    reference.note(7, asked_at=1.0)
    assert reference.will_do(7, since=31.0, max_age=30.0)
    assert reference.will_do(5, since=31.0, max_age=30.0)
    assert not reference.will_do(7, since=31.1, max_age=30.0)
    assert reference.serial() == 7


@pytest.mark.parametrize("serial", [8, 7 + HALF])
def test_a_destination_that_is_ahead_shows_that_it_is_too_old(serial: int) -> None:
    reference = Reference()
    reference.note(7, asked_at=1.0)
    assert not reference.will_do(serial, since=2.0, max_age=30.0)
    reference.note(7, asked_at=2.0)
    assert reference.will_do(serial, since=2.0, max_age=30.0)


def test_that_there_was_no_answer_is_good_for_those_who_waited() -> None:
    reference = Reference()
    reference.note(7, asked_at=0.0)
    reference.note_fault("no answer", now=2.0)
    assert reference.will_do(5, since=1.0, max_age=30.0)
    with pytest.raises(LocalFault, match=r"^no answer$"):
        reference.serial()
    assert not reference.will_do(5, since=3.0, max_age=30.0)
