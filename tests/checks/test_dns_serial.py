"""The `serial` option of the `dns` check against scripts: authorities, neighbours, and how long one may be behind."""

import weakref
from typing import Any

import dns.flags
import dns.rcode
import pytest

from feedback.checks import dns_client, dns_serial, verdict
from feedback.checks.codecs.dns_message import make_question
from feedback.checks.dns import DnsCheck
from feedback.checks.dns_serial import Serial
from feedback.checks.serials import HALF
from feedback.errors import CheckFailed, LocalFault
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.testing import Exchange, Hang, Part, Receive, Refuse, ScriptedNet, Send, run_check
from tests.checks.dns_answers import IDENTIFIER, SOA, message, soa

QUERY = Receive(IDENTIFIER + make_question("example.com").query)
AUTHORITY = "192.0.2.53"
FIRST = Target(Endpoint("192.0.2.11", 53), "rs1", "dns")
SECOND = Target(Endpoint("192.0.2.12", 53), "rs2", "dns")
THIRD = Target(Endpoint("192.0.2.13", 53), "rs3", "dns")


@pytest.fixture(autouse=True)
def _known_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_client, "new_identifier", lambda: IDENTIFIER)


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what the checks of other tests know of the same zone."""
    monkeypatch.setattr(dns_serial, "_memories", weakref.WeakValueDictionary())


def check(**wanted: Any) -> DnsCheck:
    return DnsCheck(query_name="example.com", serial=Serial(**wanted))


def like_authority(**wanted: Any) -> DnsCheck:
    return check(authority=AUTHORITY, **wanted)


def says(serial: int) -> Exchange:
    return Exchange(QUERY, Send(soa(serial)))


def run(wanted: DnsCheck, *script: Part, target: Target = FIRST, now: float = 0.0) -> CheckResult:
    """Run a check once at a time of the clock."""
    net = ScriptedNet(*script, timeout_seconds=now + 1.0)
    net.wait(now)
    coroutine = wanted.probe(target, net)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result = verdict.passed(stop.value, 0.0)
    except (CheckFailed, LocalFault) as error:
        result = verdict.failed(error, net.words, 0.0)
    net.assert_closed()
    assert net._script == [], "the check has asked for less than the script has"
    return result


def serial_words(result: CheckResult) -> str:
    assert result.outcome is Outcome.PASS, result
    return result.detail.partition("; ")[2]


def test_a_destination_with_the_authoritys_serial_passes() -> None:
    result = run(like_authority(), says(7), says(7))
    assert result.detail == f"NOERROR: {SOA.format(7)}; serial 7, like the authority 192.0.2.53:53"


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("192.0.2.53", Endpoint("192.0.2.53", 53)),
        ("192.0.2.53:5353", Endpoint("192.0.2.53", 5353)),
        ("2001:db8::53", Endpoint("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", Endpoint("2001:db8::53", 5353)),
    ],
)
def test_the_authority_has_an_address_and_maybe_a_port(
    monkeypatch: pytest.MonkeyPatch, text: str, endpoint: Endpoint
) -> None:
    asked = []
    connect_udp = ScriptedNet.connect_udp

    def noted(net: ScriptedNet, target: Target | Endpoint, **options: Any) -> Any:
        asked.append(target)
        return connect_udp(net, target, **options)

    monkeypatch.setattr(ScriptedNet, "connect_udp", noted)
    assert run(check(authority=text), says(7), says(7)).outcome is Outcome.PASS
    assert asked == [FIRST, endpoint]


@pytest.mark.parametrize(
    ("serial", "reference", "words"),
    [
        (5, 7, "serial 5 is 2 behind the authority 192.0.2.53:53, which has 7, must be the same"),
        (4294967295, 1, "serial 4294967295 is 2 behind the authority 192.0.2.53:53, which has 1, must be the same"),
        (9, 7, "serial 9 is 2 ahead of the authority 192.0.2.53:53, which has 7"),
        (
            0,
            HALF,
            f"serial 0 can't be compared with the authority 192.0.2.53:53, which has {HALF}: half of all lie between",
        ),
    ],
)
def test_another_serial_fails(serial: int, reference: int, words: str) -> None:
    result = run(like_authority(), says(serial), says(reference))
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, "content", words)


def test_a_destination_may_be_behind_a_little() -> None:
    assert serial_words(run(like_authority(max_behind=2), says(5), says(7))) == (
        "serial 5, 2 behind the authority 192.0.2.53:53"
    )
    result = run(like_authority(max_behind=2), says(4), says(7))
    assert result.detail == "serial 4 is 3 behind the authority 192.0.2.53:53, which has 7, must be 2 at most"


def test_a_destination_may_be_behind_for_a_while() -> None:
    wanted = like_authority(max_behind_for=60.0, cache=1000.0)
    assert run(wanted, says(5), says(5), now=0.0).outcome is Outcome.PASS
    assert run(wanted, says(4), now=10.0).outcome is Outcome.PASS
    assert run(wanted, says(4), now=70.0).outcome is Outcome.PASS
    result = run(wanted, says(4), now=71.0)
    sentence = (
        "serial 4 is 1 behind the authority 192.0.2.53:53, which has 5, for 61 s, must be the same, or for 1m at most"
    )
    assert (result.outcome, result.detail) == (Outcome.FAIL, sentence)
    assert run(wanted, says(5), now=80.0).outcome is Outcome.PASS


def test_one_that_follows_a_busy_zone_a_little_late_is_never_behind_for_long() -> None:
    wanted = like_authority(max_behind_for=60.0, cache=1.0)
    for step in range(10):
        assert run(wanted, says(step), says(step + 1), now=step * 50.0).outcome is Outcome.PASS


def test_the_authoritys_answer_is_good_for_a_while() -> None:
    wanted = like_authority(cache=30.0)
    assert run(wanted, says(7), says(7), now=0.0).outcome is Outcome.PASS
    assert run(wanted, says(7), now=30.0, target=SECOND).outcome is Outcome.PASS
    assert run(wanted, says(6), now=30.0).outcome is Outcome.FAIL
    assert run(wanted, says(7), says(8), now=30.1).outcome is Outcome.FAIL


def test_a_destination_that_is_ahead_of_what_is_known_has_it_asked_again() -> None:
    wanted = like_authority()
    assert run(wanted, says(7), says(7), now=0.0).outcome is Outcome.PASS
    assert run(wanted, says(8), says(8), now=1.0).outcome is Outcome.PASS
    assert run(wanted, says(9), says(8), now=2.0).outcome is Outcome.FAIL


AA = dns.flags.QR | dns.flags.AA


@pytest.mark.parametrize(
    ("authority", "words"),
    [
        (Exchange(QUERY, QUERY, Hang()), "no answer from 192.0.2.53:53, asked twice"),
        (Exchange(QUERY, Refuse()), "connection refused by 192.0.2.53:53"),
        (
            Exchange(QUERY, Send(message(question="example.com. IN SOA", rcode=dns.rcode.REFUSED))),
            "it answers REFUSED",
        ),
        (Exchange(QUERY, Send(soa(7, flags=dns.flags.QR))), "it has no authority over the zone"),
        (Exchange(QUERY, Send(message(question="example.com. IN SOA", flags=AA))), "it has no authority over the zone"),
        (Exchange(QUERY, Send(soa(7, flags=AA | dns.flags.TC))), "its answer is truncated"),
        (Exchange(QUERY, Send(soa(7)[:-1])), "the answer is broken: it ends too early"),
    ],
)
def test_an_authority_that_can_t_be_asked_is_not_the_destinations_fault(authority: Exchange, words: str) -> None:
    result = run(like_authority(), says(5), authority)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "local")
    assert result.detail == f"the authority 192.0.2.53:53 did not tell the serial of example.com.: {words}"


def test_the_authoritys_silence_is_over_before_the_checks_time_is() -> None:
    result = run_check(like_authority(), says(5), Exchange(QUERY, QUERY, Hang()), timeout_seconds=10.0)
    assert result.outcome is Outcome.UNKNOWN
    assert result.duration_seconds == pytest.approx(8.0)


def test_a_destination_that_fails_is_down_whatever_the_authority_does() -> None:
    result = run(like_authority(), Exchange(QUERY, Refuse()))
    assert (result.outcome, result.reason) == (Outcome.FAIL, "refused")


def test_another_answer_of_the_authority_counts_after_one_that_did_not_come() -> None:
    wanted = like_authority()
    assert run(wanted, says(7), Exchange(QUERY, Refuse()), now=0.0).outcome is Outcome.UNKNOWN
    assert run(wanted, says(7), says(7), now=1.0).outcome is Outcome.PASS


def test_a_check_waits_while_another_one_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = like_authority()
    assert wanted._comparison is not None
    reference = wanted._comparison._memory.reference
    reference.being_asked = True
    wait, waits = ScriptedNet.wait, 0

    def wait_and_see(net: ScriptedNet, seconds: float) -> None:
        nonlocal waits
        wait(net, seconds)
        waits += bool(seconds)
        if waits == 3:
            reference.note(7, asked_at=0.01)
            reference.being_asked = False

    monkeypatch.setattr(ScriptedNet, "wait", wait_and_see)
    assert run(wanted, says(7), Exchange(Hang())).outcome is Outcome.PASS
    assert waits == 3


def test_it_does_not_wait_until_its_own_time_is_over() -> None:
    wanted = like_authority()
    assert wanted._comparison is not None
    wanted._comparison._memory.reference.being_asked = True
    result = run(wanted, says(7), Exchange(Hang()))
    assert (result.outcome, result.detail) == (
        Outcome.UNKNOWN,
        "the authority 192.0.2.53:53 did not tell the serial of example.com.: another check waits for it, too",
    )


def test_when_the_one_that_asked_is_gone_the_next_one_asks() -> None:
    wanted = like_authority()
    net = ScriptedNet(says(7), Exchange(QUERY, Hang()))

    class Stuck(Exception):  # noqa: N818 - stands for what ends a check from outside
        pass

    def stuck(_net: ScriptedNet, _seconds: float) -> None:
        raise Stuck

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptedNet, "wait", stuck)
        with pytest.raises(Stuck):
            wanted.probe(FIRST, net).send(None)
    assert run(wanted, says(7), says(7)).outcome is Outcome.PASS


def test_without_an_authority_the_newest_of_the_services_destinations_counts() -> None:
    wanted = check()
    assert serial_words(run(wanted, says(5))) == "serial 5, like itself, as no other is known"
    assert serial_words(run(wanted, says(7), target=SECOND)) == "serial 7, like the newest of 2 destinations"
    result = run(wanted, says(5))
    sentence = "serial 5 is 2 behind the newest of 2 destinations, which has 7, must be the same"
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, "content", sentence)


def test_destinations_of_other_services_do_not_count() -> None:
    wanted = check()
    other = Target(Endpoint("192.0.2.12", 53), "rs2", "other")
    assert run(wanted, says(7), target=other).outcome is Outcome.PASS
    assert serial_words(run(wanted, says(5))) == "serial 5, like itself, as no other is known"


def test_a_destination_that_has_not_answered_of_late_does_not_count() -> None:
    wanted = check(cache=10.0)
    assert run(wanted, says(7), target=SECOND, now=0.0).outcome is Outcome.PASS
    assert run(wanted, says(5), now=10.0).outcome is Outcome.FAIL
    assert run(wanted, says(5), now=10.1).outcome is Outcome.PASS


def test_serials_without_a_newest_say_nothing_of_anybody() -> None:
    wanted = check()
    assert run(wanted, says(0), target=FIRST).outcome is Outcome.PASS
    assert run(wanted, says(1_500_000_000), target=SECOND).outcome is Outcome.PASS
    result = run(wanted, says(3_000_000_000), target=THIRD)
    assert (result.outcome, result.detail) == (
        Outcome.UNKNOWN,
        "the destinations' serials are too far apart to say which is the newest: 0, 1500000000, 3000000000",
    )


def test_checks_that_want_the_same_know_the_same_and_others_do_not() -> None:
    first, again = check(max_behind_for=60.0), check(max_behind_for=300.0)
    assert run(first, says(7), target=SECOND).outcome is Outcome.PASS
    assert serial_words(run(again, says(5))).startswith("serial 5, 2 behind")
    elsewhere = DnsCheck(query_name="example.com", port=5353, serial=Serial())
    assert serial_words(run(elsewhere, says(5))) == "serial 5, like itself, as no other is known"


def test_what_was_known_is_forgotten_with_the_last_check_that_knew_it() -> None:
    assert run(check(), says(7), target=SECOND).outcome is Outcome.PASS
    assert serial_words(run(check(), says(5))) == "serial 5, like itself, as no other is known"


def test_an_authority_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r'^authority: "ns1.example.com" must be an IP address and a port'):
        Serial(authority="ns1.example.com")
