"""What is promised, given and taken back, with the time as an argument."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.errors import EnrolmentError
from feedback.pki import register as module
from feedback.pki.register import (
    Issued,
    Register,
    behind,
    invite,
    is_awaited,
    issue_time,
    mark_shown,
    note,
    redeem,
    revoke,
    revoked_name,
    serial_number,
    standing,
)

EMPTY = Register(lifetime_seconds=100.0)
SECRET = b"sixteen bytes of"


def issued(names: tuple[str, ...], at: float) -> Issued:
    return Issued(serial=f"{serial_number(at, 7):x}", names=names, issued_at=at, expires_at=at + 100)


def test_a_token_is_good_once() -> None:
    waiting = invite(EMPTY, SECRET, ["rs1", "mail"], 0.0, 60.0)
    after, names = redeem(waiting, SECRET, 59.0)
    assert names == ("rs1", "mail")
    assert after == EMPTY
    with pytest.raises(EnrolmentError, match=r"^the token is unknown here, or used already"):
        redeem(after, SECRET, 59.0)


def test_a_token_expires() -> None:
    with pytest.raises(EnrolmentError, match=r"^the token has expired"):
        redeem(invite(EMPTY, SECRET, ["rs1"], 0.0, 60.0), SECRET, 60.0)


def test_the_register_does_not_have_the_secret() -> None:
    assert SECRET.hex() not in str(invite(EMPTY, SECRET, ["rs1"], 0.0, 60.0))


def test_another_secret_is_no_token() -> None:
    with pytest.raises(EnrolmentError, match="unknown here"):
        redeem(invite(EMPTY, SECRET, ["rs1"], 0.0, 60.0), b"another", 1.0)


def test_tokens_that_have_expired_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_INVITATIONS", 1)
    one = invite(EMPTY, b"1", ["rs1"], 0.0, 60.0)
    with pytest.raises(EnrolmentError, match=r"^1 tokens are out and wait to be used"):
        invite(one, b"2", ["rs1"], 59.0, 60.0)
    assert len(invite(one, b"2", ["rs1"], 60.0, 60.0).invitations) == 1


def test_a_revocation_holds_for_what_was_issued_until_then_and_for_nothing_later() -> None:
    known = revoke(EMPTY, "rs1", 50.0)
    assert revoked_name(known, ["mail", "rs1"], serial_number(50.0, 1)) == "rs1"
    assert revoked_name(known, ["rs1"], serial_number(50.001, 1)) is None
    assert revoked_name(known, ["rs2"], serial_number(1.0, 1)) is None


def test_a_revocation_takes_the_tokens_of_the_name_back() -> None:
    known = invite(invite(EMPTY, b"1", ["rs1", "mail"], 0.0, 60.0), b"2", ["rs2"], 0.0, 60.0)
    assert [one.names for one in revoke(known, "mail", 1.0).invitations] == [("rs2",)]


def test_what_has_expired_or_is_revoked_does_not_stand() -> None:
    known = note(note(note(EMPTY, issued(("rs2",), 0.0)), issued(("rs1",), 10.0)), issued(("rs1",), 40.0))
    assert [one.issued_at for one in standing(known, 50.0)] == [10.0, 40.0, 0.0]
    assert [one.issued_at for one in standing(known, 105.0)] == [10.0, 40.0]
    assert [one.issued_at for one in standing(revoke(known, "rs1", 20.0), 50.0)] == [40.0, 0.0]


def test_names_are_behind_until_a_certificate_of_theirs_is_renewed() -> None:
    known = note(note(EMPTY, issued(("rs1", "mail"), 10.0)), issued(("rs2",), 20.0))
    known = msgspec.structs.replace(known, renew_before=30.0)
    assert behind(known, 40.0) == ("mail", "rs1", "rs2")
    given = note(known, issued(("mail", "rs1"), 30.0))
    assert behind(given, 40.0) == ("mail", "rs1", "rs2"), "it may have been lost on the way"
    assert behind(mark_shown(given, int(given.issued[-1].serial, 16)), 40.0) == ("rs2",)
    assert behind(revoke(known, "rs2", 35.0), 40.0) == ("mail", "rs1")
    assert behind(known, 1e9) == ()
    assert behind(msgspec.structs.replace(known, renew_before=0.0), 40.0) == ()


def test_a_certificate_is_noted_once_as_shown_and_only_while_authorities_change() -> None:
    known = note(EMPTY, issued(("rs1",), 30.0))
    serial = int(known.issued[0].serial, 16)
    assert not is_awaited(known, serial)
    changing = msgspec.structs.replace(known, renew_before=20.0)
    assert is_awaited(changing, serial)
    assert not is_awaited(mark_shown(changing, serial), serial)
    assert not is_awaited(msgspec.structs.replace(known, renew_before=31.0), serial)
    assert mark_shown(changing, serial + 1) == changing


def test_what_has_expired_is_forgotten_when_something_is_issued() -> None:
    known = note(note(EMPTY, issued(("rs1",), 0.0)), issued(("rs2",), 100.0))
    assert [one.names for one in known.issued] == [("rs2",)]


@given(st.floats(0, 1e11), st.integers(0, 2**80))
def test_a_serial_number_says_when_it_was_issued_and_fits_a_certificate(at: float, chance: int) -> None:
    serial = serial_number(at, chance)
    assert at - 0.001 <= issue_time(serial) <= at
    assert serial.bit_length() <= 159  # RFC 5280, 4.1.2.2: at most 20 octets, and positive
