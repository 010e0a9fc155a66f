"""The `ntp` check against scripts: clocks that are right, wrong, not synchronized, or somebody else's."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks import ntp
from feedback.checks.codecs.ntp_packet import request, timestamp
from feedback.checks.ntp import NtpCheck, new_nonce
from feedback.model import CheckResult, Outcome
from feedback.testing import Exchange, Hang, Receive, Refuse, Send, run_check
from tests.checks.ntp_packets import NONCE, packet

NOW = 1_700_000_000_000_000_000
AGAIN = b"\x11\x12\x13\x14\x15\x16\x17\x18"
FIRST, SECOND = Receive(request(NONCE)), Receive(request(AGAIN))


def run(check: NtpCheck, exchange: Exchange) -> CheckResult:
    """Run a check once, with what it leaves to chance known, and at a known time."""
    nonces = iter((NONCE, AGAIN))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ntp, "new_nonce", lambda _count: next(nonces))
        patch.setattr(ntp, "unix_nanoseconds", lambda: NOW)
        return run_check(check, exchange)


def reply(ahead_seconds: float = 0.0, **more: Any) -> Send:
    """Return the packet of a server whose clock is ahead of ours, and that answers in no time."""
    theirs = timestamp(NOW + int(ahead_seconds * 1e9))
    return Send(packet(received_at=theirs, sent_at=theirs, **more))


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def failed(reason: str, detail: str) -> tuple[Outcome, str, str]:
    return Outcome.FAIL, reason, detail


def test_a_server_that_is_synchronized_passes() -> None:
    exchange = Exchange(FIRST, reply(0.125))
    result = run(NtpCheck(), exchange)
    detail = "stratum 2, reference 192.0.2.1, offset +125.000 ms ± 0.000 ms"
    assert outcome(result) == (Outcome.PASS, "", detail)
    assert exchange.closed


def test_a_lost_packet_is_sent_once_more_and_either_answer_will_do() -> None:
    """By the clock of the script, the answer comes half a second after the first question and with the second."""
    result = run(NtpCheck(), Exchange(FIRST, SECOND, reply(nonce=AGAIN)))
    assert result.detail == "stratum 2, reference 192.0.2.1, offset +0.000 ms ± 0.000 ms"
    late = run(NtpCheck(), Exchange(FIRST, SECOND, reply(0.25)))
    assert late.detail == "stratum 2, reference 192.0.2.1, offset +0.000 ms ± 250.000 ms"


def test_packets_that_do_not_repeat_what_was_sent_are_passed_over() -> None:
    forged = reply(3600.0, nonce=b"guessed?")
    exchange = Exchange(FIRST, forged, Send(b""), Send(request(NONCE)), Send(packet()[:47]), reply())
    assert run(NtpCheck(), exchange).outcome is Outcome.PASS


def test_silence_and_refusal_fail() -> None:
    result = run(NtpCheck(), Exchange(FIRST, SECOND, Hang()))
    assert outcome(result) == failed("timeout", "no answer from 192.0.2.11:80, asked twice")
    result = run(NtpCheck(), Exchange(FIRST, Refuse()))
    assert outcome(result) == failed("refused", "connection refused by 192.0.2.11:80")


def test_a_server_that_is_not_synchronized_or_does_not_want_to_say_fails() -> None:
    result = run(NtpCheck(), Exchange(FIRST, reply(leap=3, stratum=16)))
    assert outcome(result) == failed("status", "not synchronized: leap indicator 3, stratum 16")
    result = run(NtpCheck(), Exchange(FIRST, reply(leap=3, stratum=0, reference=b"RATE")))
    assert outcome(result) == failed("status", "kiss-o'-death RATE: it is asked too often")


def test_a_stratum_may_be_too_high() -> None:
    assert run(NtpCheck(max_stratum=2), Exchange(FIRST, reply())).outcome is Outcome.PASS
    result = run(NtpCheck(max_stratum=1), Exchange(FIRST, reply()))
    assert outcome(result) == failed("content", "stratum 2, must be 1 at most")


@pytest.mark.parametrize("ahead", [-0.1, 0.1])
def test_a_clock_may_be_so_far_from_ours(ahead: float) -> None:
    assert run(NtpCheck(max_offset=0.2), Exchange(FIRST, reply(ahead))).outcome is Outcome.PASS
    result = run(NtpCheck(max_offset=0.05), Exchange(FIRST, reply(ahead)))
    sentence = f"offset {ahead * 1000:+.3f} ms ± 0.000 ms, must be 50ms at most"
    assert outcome(result) == failed("content", sentence)


def test_what_the_networks_delay_leaves_uncertain_counts_for_the_server() -> None:
    """It came half a second after the question: the clock may be right, or half a second ahead."""
    assert run(NtpCheck(max_offset=0.01), Exchange(FIRST, SECOND, reply(0.5))).outcome is Outcome.PASS
    assert run(NtpCheck(max_offset=0.01), Exchange(FIRST, SECOND, reply(0.6))).outcome is Outcome.FAIL


def test_an_error_may_be_too_large() -> None:
    exchange = Exchange(FIRST, reply(root_dispersion=1 << 15))
    result = run(NtpCheck(max_root_dispersion=0.1), exchange)
    assert outcome(result) == failed("content", "root dispersion 0.500000 s, must be 100ms at most")
    exchange = Exchange(FIRST, reply(root_dispersion=1 << 15))
    assert run(NtpCheck(max_root_dispersion=0.5), exchange).outcome is Outcome.PASS


@given(st.binary(max_size=60))
def test_whatever_comes_the_outcome_is_the_servers_own(data: bytes) -> None:
    for answer in (data, b"\x24" + data[:23].ljust(23, b"\0") + NONCE + data[23:].ljust(16, b"\0")):
        result = run(NtpCheck(max_offset=1.0), Exchange(FIRST, Send(answer), SECOND, Hang()))
        assert result.outcome in {Outcome.PASS, Outcome.FAIL}
        assert result.detail.isprintable()


def test_what_nobody_can_guess_is_made_by_chance() -> None:
    made = {new_nonce(8) for _ in range(100)}
    assert len(made) == 100
    assert {len(nonce) for nonce in made} == {8}
