"""What the director knows of agents, in virtual time."""

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.agents import (
    EVENTS_BURST,
    FRAMES_BURST,
    FRAMES_PER_SECOND,
    GOODBYE_HOLD_SECONDS,
    REQUEST_COST,
    Agents,
    AgentView,
    Heard,
)
from feedback.director.link import CutOffError, Link, Refusal
from feedback.director.said import Said
from feedback.errors import WireError
from feedback.model import AgentState
from feedback.report import (
    MAX_FRAME_BYTES,
    Accepted,
    AgentFrame,
    Goodbye,
    Hello,
    HostState,
    Report,
    SetWish,
    Wish,
    decode_director_frame,
    encode,
)


class Host:
    """A director with its agents, a clock to move, and everything that was told."""

    def __init__(self, *known: str, wishes: Mapping[str, Wish] | None = None) -> None:
        self.told: list[str] = []
        self.agents = Agents(known or ("rs1", "rs2"), self._record, wishes)
        self.now = 1000.0
        self.cut: list[tuple[str, CutOffError]] = []

    def _record(self, kind: str, message: str) -> None:
        assert kind == "agent"
        self.told.append(message)

    def link(self, peer: str = "10.2.0.11:4000") -> Link:
        return Link(peer, lambda error: self.cut.append((peer, error)))

    def say(self, link: Link, frame: AgentFrame) -> Heard:
        return self.agents.hear(link, encode(frame), self.now)

    def connect(self, name: str = "rs1", peer: str = "10.2.0.11:4000", **hello: Any) -> Link:
        link = self.link(peer)
        assert self.say(link, Hello(name, **hello)).matters
        return link

    def view(self, name: str = "rs1") -> AgentView:
        return self.agents.view(name, self.now)

    def refused(self, link: Link, data: bytes) -> CutOffError:
        with pytest.raises(CutOffError) as caught:
            self.agents.hear(link, data, self.now)
        return caught.value


@pytest.fixture
def host() -> Host:
    return Host()


def test_an_agent_is_absent_until_it_says_hello_and_then_connected(host: Host) -> None:
    assert host.view() == AgentView()
    host.connect(interval_seconds=2.0)
    assert host.view() == AgentView(state=AgentState.CONNECTED, interval_seconds=2.0)
    assert host.agents.connected() == 1
    assert host.told == ["agent rs1 is connected from 10.2.0.11:4000"]


def test_a_report_is_used_from_its_arrival_and_the_first_one_matters(host: Host) -> None:
    link = host.connect()
    assert host.say(link, Report({"cpu": 0.5}, {"jobs": "exit status 1"})) == Heard(matters=True)
    assert host.say(link, Report({"cpu": 0.6}, {"jobs": "exit status 1"})) == Heard()
    assert host.view() == AgentView(
        state=AgentState.CONNECTED, metrics={"cpu": 0.6}, failures={"jobs": "exit status 1"}, arrived=1000.0
    )
    assert (host.agents.frames, host.agents.reports) == (3, 2)


def test_reports_go_stale_after_three_intervals(host: Host) -> None:
    link = host.connect(interval_seconds=2.0)
    host.say(link, Report({"cpu": 0.5}))
    host.now += 6.0
    assert host.view().metrics == {"cpu": 0.5}
    host.now += 0.1
    assert host.view() == AgentView(state=AgentState.STALE, arrived=1000.0, interval_seconds=2.0)


def test_a_new_connection_has_three_intervals_for_its_first_report(host: Host) -> None:
    host.connect()
    host.now += 3.0
    assert host.view().state is AgentState.CONNECTED
    host.now += 0.1
    assert host.view().state is AgentState.STALE


def test_a_lost_connection_is_absent_at_once_and_its_last_report_is_used_until_it_is_stale(host: Host) -> None:
    link = host.connect()
    host.say(link, Report({"cpu": 0.5}))
    host.agents.lose(link, "it closed the connection", host.now)
    assert host.view() == AgentView(state=AgentState.ABSENT, metrics={"cpu": 0.5}, arrived=1000.0)
    host.now += 3.1
    assert host.view() == AgentView(arrived=1000.0)
    assert host.told[-1] == "agent rs1 is gone: it closed the connection"


def test_losing_a_connection_that_was_never_an_agents_or_is_no_longer_says_nothing(host: Host) -> None:
    link = host.link()
    host.agents.lose(link, "it closed the connection", host.now)
    assert host.told == []


def test_a_reconnecting_agents_last_report_counts_until_it_is_stale(host: Host) -> None:
    link = host.connect()
    host.say(link, Report({"cpu": 0.5}))
    host.agents.lose(link, "reset", host.now)
    host.now += 1.0
    again = host.connect(peer="10.2.0.11:4001")
    assert host.view().metrics == {"cpu": 0.5}
    assert host.say(again, Report({"cpu": 0.6})) == Heard()


# --- who may speak


def test_a_name_that_no_destination_has_is_refused(host: Host) -> None:
    error = host.refused(host.link(), encode(Hello("mallory")))
    assert (error.refusal, str(error)) == (Refusal.UNKNOWN, 'no destination names agent "mallory"')
    assert host.told == ['a connection from 10.2.0.11:4000 was cut off: no destination names agent "mallory"']
    assert host.agents.refused == {Refusal.UNKNOWN: 1}


def test_a_live_connections_name_is_not_taken_over(host: Host) -> None:
    link = host.connect()
    host.now += 2.9
    error = host.refused(host.link("10.9.9.9:1"), encode(Hello("rs1")))
    assert (error.refusal, str(error)) == (
        Refusal.TAKEN,
        'the name "rs1" is taken by the connection from 10.2.0.11:4000',
    )
    assert host.cut == []
    host.say(link, Report({"cpu": 0.5}))
    assert host.view().metrics == {"cpu": 0.5}


@pytest.mark.parametrize(("interval", "patience"), [(0.1, 3.0), (5.0, 15.0)])
def test_a_connection_that_is_silent_for_three_intervals_loses_its_name_to_a_newcomer(
    interval: float, patience: float
) -> None:
    host = Host()
    old = host.connect(interval_seconds=interval)
    host.now += patience
    new = host.connect(peer="10.2.0.11:4001")
    ((peer, error),) = host.cut
    assert (peer, error.refusal) == ("10.2.0.11:4000", Refusal.TAKEN)
    assert str(error) == f"10.2.0.11:4001 takes over from 10.2.0.11:4000, silent for {patience:.1f} s"
    assert host.told[-2:] == [
        f"agent rs1 from 10.2.0.11:4000 was cut off: {error}",
        "agent rs1 is connected from 10.2.0.11:4001",
    ]
    host.agents.lose(old, "reset", host.now)  # what the old connection's end says comes too late to matter
    assert host.view().state is AgentState.CONNECTED
    assert host.refused(old, encode(Report({"cpu": 9.0}))).refusal is Refusal.ORDER
    host.say(new, Report({"cpu": 0.1}))
    assert host.view().metrics == {"cpu": 0.1}


def test_pings_keep_a_name_and_count_against_the_rate(host: Host) -> None:
    link = host.connect()
    host.now += 2.9
    host.agents.ping(link, host.now)
    host.now += 2.9
    assert host.refused(host.link("10.9.9.9:1"), encode(Hello("rs1"))).refusal is Refusal.TAKEN
    while host.agents.connected():
        with contextlib.suppress(CutOffError):
            host.agents.ping(link, host.now)
    assert host.told[-1] == "agent rs1 from 10.2.0.11:4000 was cut off: more than 40 frames a second"
    assert host.view().state is AgentState.ABSENT


def test_a_ping_before_the_hello_is_out_of_order(host: Host) -> None:
    with pytest.raises(CutOffError, match="first frame must be a hello"):
        host.agents.ping(host.link(), host.now)


@pytest.mark.parametrize("frame", [Report({"cpu": 0.5}), SetWish(Wish.DRAIN), Goodbye()])
def test_whatever_comes_before_the_hello_is_refused(host: Host, frame: AgentFrame) -> None:
    error = host.refused(host.link(), encode(frame))
    assert (error.refusal, str(error)) == (Refusal.ORDER, "the first frame must be a hello")


def test_a_second_hello_cuts_the_connection_off(host: Host) -> None:
    link = host.connect()
    assert host.refused(link, encode(Hello("rs1"))).refusal is Refusal.ORDER
    assert host.view().state is AgentState.ABSENT
    assert host.told[-1] == "agent rs1 from 10.2.0.11:4000 was cut off: a second hello on one connection"


def test_a_version_that_there_has_never_been_is_refused(host: Host) -> None:
    error = host.refused(host.link(), encode(Hello("rs1", version=0)))
    assert (error.refusal, str(error)) == (
        Refusal.VERSION,
        "it speaks version 0 of the protocol, this director 1 and newer ones",
    )


def newer(frame: AgentFrame, **fields: object) -> bytes:
    """Return what an agent of a later release may say."""
    return msgspec.msgpack.encode({**msgspec.msgpack.decode(encode(frame)), "added": [1, {"a": None}], **fields})


def test_a_newer_agent_is_welcome_with_its_version_and_fields(host: Host) -> None:
    host.agents.hear(host.link(), newer(Hello("rs1"), version=2), host.now)
    assert host.view().state is AgentState.CONNECTED


def test_a_newer_agents_unknown_state_counts_as_ready_and_the_rest_of_its_report_counts(host: Host) -> None:
    link = host.connect()
    for number in range(1, 4):
        report = newer(Report({"cpu": 0.5}, sequence=number), state="degraded", why="a disk is slow")
        host.agents.hear(link, report, host.now)
    assert (host.view().metrics, host.view().said.state) == ({"cpu": 0.5}, HostState.READY)
    told = [line for line in host.told if "degraded" in line]
    assert told == ['agent rs1 says state "degraded", which this director does not know: it counts as ready']
    assert host.agents.unknown_words == 3


def test_an_unknown_state_ends_one_that_was_known(host: Host) -> None:
    link = host.connect()
    host.say(link, Report({}, sequence=1, state=HostState.DOWN, why="gone"))
    assert host.agents.hear(link, newer(Report({}, sequence=2), state="degraded"), host.now).matters
    assert host.view().said.state is HostState.READY


def test_a_newer_agents_unknown_wish_counts_as_ready_and_is_answered_so(host: Host) -> None:
    link = host.link()
    host.agents.hear(link, newer(Hello("rs1"), wish="rest"), host.now)
    heard = host.agents.hear(link, newer(SetWish(Wish.DRAIN), wish="sleep"), host.now)
    assert decode_director_frame(heard.answer) == Accepted(Wish.READY)
    assert host.view().asks == "ready"
    assert [line.split(",")[0] for line in host.told[1:]] == [
        'agent rs1 says wish "rest"',
        'agent rs1 says wish "sleep"',
    ]


def test_how_many_unknown_words_are_told_is_bounded(host: Host) -> None:
    link = host.connect()
    before = len(host.agents._agents["rs1"].unknown)
    for number in range(1, 40):
        host.agents.hear(link, newer(Report({}, sequence=number), state=f"s{number}"), host.now)
    assert (before, len(host.agents._agents["rs1"].unknown), host.agents.unknown_words) == (0, 16, 39)


def test_an_unknown_word_of_nobody_is_refused_with_its_frame(host: Host) -> None:
    assert host.refused(host.link(), newer(Report({}), state="degraded")).refusal is Refusal.ORDER
    assert host.agents.unknown_words == 0


def test_garbage_cuts_off_and_is_counted(host: Host) -> None:
    link = host.connect()
    error = host.refused(link, b"\xc1 what")
    assert error.refusal is Refusal.GARBAGE
    assert "not a frame of this protocol" in str(error)
    assert host.view().state is AgentState.ABSENT
    assert host.agents.refused == {Refusal.GARBAGE: 1}


def test_a_frame_that_is_too_large_cuts_off(host: Host) -> None:
    link = host.connect()
    assert host.refused(link, bytes(MAX_FRAME_BYTES + 1)).refusal is Refusal.SIZE


def test_more_frames_than_the_rate_allows_cut_off(host: Host) -> None:
    link = host.connect()
    allowed = int(FRAMES_BURST - REQUEST_COST)
    for _ in range(allowed):
        host.say(link, Report({"cpu": 0.5}))
    error = host.refused(link, encode(Report({"cpu": 0.5})))
    assert (error.refusal, str(error)) == (Refusal.RATE, "more than 40 frames a second")


def test_the_fastest_agent_is_never_too_fast_and_may_stall_for_six_seconds(host: Host) -> None:
    link = host.connect(interval_seconds=0.05)
    for _ in range(1000):
        host.now += 0.05
        host.say(link, Report({"cpu": 0.5}))
    host.now += 6.0
    for _ in range(120):
        host.say(link, Report({"cpu": 0.5}))


def test_an_agent_that_connects_again_and_again_is_refused_and_then_welcome(host: Host) -> None:
    for _ in range(int(FRAMES_BURST / REQUEST_COST)):
        host.agents.lose(host.connect(), "it closed the connection", host.now)
    error = host.refused(host.link(), encode(Hello("rs1")))
    assert (error.refusal, str(error)) == (Refusal.RATE, 'agent "rs1" connects too often')
    host.now += REQUEST_COST / FRAMES_PER_SECOND
    host.connect()


# --- what hosts ask for


def test_a_wish_is_answered_and_holds_over_a_lost_connection(host: Host) -> None:
    link = host.connect()
    heard = host.say(link, SetWish(Wish.DRAIN))
    assert heard.matters
    assert decode_director_frame(heard.answer) == Accepted(Wish.DRAIN)
    host.agents.lose(link, "reset", host.now)
    host.now += 100_000
    assert host.view().asks == "drain"
    assert host.agents.wishes() == {"rs1": Wish.DRAIN}
    assert host.told[1] == "agent rs1 asks for its host to be drained"


def test_a_hello_brings_the_wish_of_that_moment(host: Host) -> None:
    link = host.connect(wish=Wish.DRAIN)
    assert host.view().asks == "drain"
    host.agents.lose(link, "reset", host.now)
    host.connect()
    assert host.view().asks == "ready"
    assert host.agents.wishes() == {}
    assert host.told[-1] == "agent rs1 says that its host is ready again"


def test_wishes_outlive_the_director() -> None:
    host = Host(wishes={"rs1": Wish.DRAIN, "gone": Wish.DRAIN})
    assert host.view("rs1").asks == "drain"
    assert host.view("rs2").asks == "ready"
    assert host.agents.wishes() == {"rs1": Wish.DRAIN}


def test_a_goodbye_holds_until_the_agent_is_back(host: Host) -> None:
    link = host.connect()
    assert host.say(link, Goodbye("the host reboots")).matters
    host.agents.lose(link, "it closed the connection", host.now)
    host.now += GOODBYE_HOLD_SECONDS - 1
    host.agents.tick(host.now)
    assert host.view().asks == "goodbye"
    host.connect(peer="10.2.0.11:4001")
    assert host.view().asks == "ready"
    assert host.told == [
        "agent rs1 is connected from 10.2.0.11:4000",
        "agent rs1 says goodbye: the host reboots",
        "agent rs1 is gone: it closed the connection",
        "agent rs1 is back from 10.2.0.11:4001",
    ]


def test_a_goodbye_does_not_keep_a_host_out_for_ever(host: Host) -> None:
    link = host.connect()
    host.say(link, Goodbye())
    host.agents.lose(link, "it closed the connection", host.now)
    host.now += GOODBYE_HOLD_SECONDS
    assert host.view().asks == "ready"
    host.agents.tick(host.now)
    host.agents.tick(host.now)
    assert host.told[1:] == [
        "agent rs1 says goodbye",
        "agent rs1 is gone: it closed the connection",
        "agent rs1 said goodbye 10 minutes ago and has not come back: its checks alone decide",
    ]


# --- configuration


def test_an_agent_that_the_configuration_names_no_more_is_cut_off_and_forgotten(host: Host) -> None:
    host.connect(wish=Wish.DRAIN)
    host.agents.set_known(["rs2", "rs3"], host.now)
    assert [str(error) for _, error in host.cut] == ['no destination names agent "rs1" any more']
    assert host.view() == AgentView()
    assert host.agents.wishes() == {}
    host.connect("rs3")
    host.agents.set_known(["rs1", "rs2", "rs3"], host.now)
    assert host.view().asks == "ready"
    assert host.view("rs3").state is AgentState.CONNECTED


def test_an_absent_agent_leaves_the_configuration_in_silence(host: Host) -> None:
    host.agents.set_known(["rs2"], host.now)
    assert (host.told, host.cut) == ([], [])


# --- what time alone changes


def test_silence_is_told_once_and_so_is_its_end(host: Host) -> None:
    link = host.connect()
    host.say(link, Report({"cpu": 0.5}))
    for _ in range(5):
        host.now += 1
        host.agents.tick(host.now)
    host.say(link, Report({"cpu": 0.5}))
    host.agents.tick(host.now)
    assert host.told[1:] == ["agent rs1 is connected, but has not reported for 4 s", "agent rs1 reports again"]


def test_silence_that_ends_with_the_connection_is_not_told_to_be_over(host: Host) -> None:
    link = host.connect()
    host.now += 4
    host.agents.tick(host.now)
    host.agents.lose(link, "reset", host.now)
    host.agents.tick(host.now)
    assert host.told[1:] == ["agent rs1 is connected, but has not reported for 4 s", "agent rs1 is gone: reset"]


def test_sources_that_fail_are_told_when_they_change(host: Host) -> None:
    link = host.connect()
    failures = {"a": "no file", "b": "timeout"}
    for said in (failures, failures, {"c": "1", "d": "2", **failures}, {}, {}):
        host.say(link, Report({}, said))
        host.agents.tick(host.now)
    assert host.told[1:] == [
        "agent rs1 can't read a: no file; b: timeout",
        "agent rs1 can't read a: no file; b: timeout; c: 1; and 1 more",
        "agent rs1 can read everything again",
    ]


def test_one_agent_can_not_wash_the_other_events_away(host: Host) -> None:
    link = host.connect()
    for count in range(60):
        host.say(link, Report({}, {f"source{count}": "broken"}))
        host.agents.tick(host.now)
    assert len(host.told) == EVENTS_BURST
    host.connect("rs2")
    assert host.told[-1] == "agent rs2 is connected from 10.2.0.11:4000"
    host.now += 10
    host.agents.lose(link, "reset", host.now)
    assert host.told[-1] == "agent rs1 is gone: reset (41 events before this one are left out)"


def test_a_flood_of_refusals_is_counted_whole_and_told_in_part(host: Host) -> None:
    for _ in range(500):
        host.refused(host.link(), b"\xc1")
    assert host.agents.refused == {Refusal.GARBAGE: 500}
    assert len(host.told) == EVENTS_BURST


# --- whatever comes

names = st.sampled_from(["rs1", "rs2", "mallory"])
frames = st.one_of(
    st.builds(
        Hello, names, version=st.sampled_from([1, 1, 2, 0]), wish=st.sampled_from(Wish), interval_seconds=st.just(1.0)
    ),
    st.builds(Report, st.dictionaries(st.sampled_from(["cpu", "memory"]), st.floats(0, 2))),
    st.builds(SetWish, st.sampled_from(Wish)),
    st.just(Goodbye()),
)
payloads = st.one_of(frames.map(encode), st.binary(max_size=40), st.just(msgspec.msgpack.encode({"type": "hello"})))
steps = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.one_of(payloads, st.just("lose"), st.just("ping"), st.just("tick")),
        st.floats(0, 5),
    ),
    max_size=60,
)


@given(steps)
def test_no_sequence_of_frames_does_more_than_cut_connections_off(
    sequence: list[tuple[int, bytes | str, float]],
) -> None:
    host = Host()
    links = [host.link(f"10.0.0.{number}:1") for number in range(4)]
    for number, what, pause in sequence:
        host.now += pause
        try:
            if what == "lose":
                host.agents.lose(links[number], "reset", host.now)
                links[number] = host.link(f"10.0.0.{number}:1")
            elif what == "ping":
                host.agents.ping(links[number], host.now)
            elif isinstance(what, bytes):
                host.agents.hear(links[number], what, host.now)
            else:
                host.agents.tick(host.now)
        except WireError:
            links[number] = host.link(f"10.0.0.{number}:1")
        holders = [link.name for link in links if link.name is not None]
        assert host.agents.connected() <= len(set(holders))
        assert host.view("mallory") == AgentView()
        assert all(host.view(name).state is AgentState.ABSENT for name in {"rs1", "rs2"} - set(holders))


def test_the_documentation_lists_every_reason_for_a_refusal() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (?:HTTP \d{3}, )?(?:HTTP )?(\d{3,4}|alert) \|$", text, re.MULTILINE))
    assert rows.keys() == set(Refusal)


# --- certificates, and what was said before


def test_a_certificate_s_names_are_all_that_it_may_speak_for(host: Host) -> None:
    link = Link("10.2.0.11:4000", lambda _: None, frozenset({"rs1", "mail"}))
    error = host.refused(link, encode(Hello("rs2")))
    assert (error.refusal, str(error)) == (Refusal.NAME, 'its certificate is for mail, rs1, and not for agent "rs2"')
    assert host.view("rs2").state is AgentState.ABSENT
    assert host.say(link, Hello("rs1")).matters


def test_a_certificate_without_names_may_speak_for_nobody(host: Host) -> None:
    error = host.refused(Link("10.2.0.11:4000", lambda _: None, frozenset()), encode(Hello("rs1")))
    assert str(error) == 'its certificate is for no name, and not for agent "rs1"'


@pytest.mark.parametrize("sequence", [6, 7])
def test_a_report_that_was_sent_before_ends_the_connection(host: Host, sequence: int) -> None:
    link = host.connect()
    host.say(link, Report({"cpu": 0.5}, sequence=7))
    error = host.refused(link, encode(Report({"cpu": 0.1}, sequence=sequence)))
    assert (error.refusal, str(error)) == (Refusal.ORDER, f"report {sequence} came after report 7")
    assert host.view().metrics == {"cpu": 0.5}


def test_an_agent_that_begins_anew_counts_anew_and_one_may_count_nothing(host: Host) -> None:
    link = host.connect()
    for sequence in (7, 0, 0, 8):
        host.say(link, Report({"cpu": 0.5}, sequence=sequence))
    host.agents.lose(link, "it closed the connection", host.now)
    host.say(host.connect(), Report({"cpu": 0.5}, sequence=1))


def test_what_comes_of_certificates_is_told_and_not_at_any_rate(host: Host) -> None:
    for _ in range(100):
        host.agents.note("10.2.0.11 has got a certificate for rs1", host.now)
    assert host.told == ["10.2.0.11 has got a certificate for rs1"] * round(EVENTS_BURST)


def test_a_clock_that_goes_backwards_is_the_agent_s_own_affair(host: Host) -> None:
    link = host.connect()
    for sequence, sent_at in enumerate((1e9, 1e9 - 3600, -1e300), 1):
        host.say(link, Report({"cpu": sequence / 10}, sequence=sequence, sent_at=sent_at))
    assert host.view().metrics == {"cpu": 0.3}
    assert host.view().arrived == host.now


# --- what agents have found of their hosts


def test_a_state_that_changes_matters_and_one_that_stays_does_not(host: Host) -> None:
    link = host.connect()
    assert host.say(link, Report({})).matters
    down = Report({}, state=HostState.DOWN, why="nobody listens")
    assert host.say(link, down) == Heard(matters=True)
    assert host.view().said == Said(HostState.DOWN, "nobody listens")
    assert host.say(link, down) == Heard()
    assert host.say(link, Report({})) == Heard(matters=True)
    assert host.view().said == Said()
    assert host.told[-2:] == [
        "agent rs1 says that its host is down (nobody listens)",
        "agent rs1 says that its host is ready",
    ]


def test_a_state_that_changes_too_often_waits_for_the_next_tick_and_is_not_cut_off_for_it(host: Host) -> None:
    link = host.connect()
    host.say(link, Report({}))
    states = [Report({}, state=state) for state in (HostState.DOWN, HostState.READY)]
    matters = [host.say(link, states[number % 2]).matters for number in range(60)]
    assert matters == [True] * 20 + [False] * 40
    assert host.view().said == Said()


def test_what_an_agent_has_found_outlives_its_connection_for_a_while(host: Host) -> None:
    link = host.connect(interval_seconds=30.0)
    host.say(link, Report({}, state=HostState.DRAIN, why="busy"))
    host.agents.lose(link, "reset", host.now)
    host.now += 89.9
    host.agents.tick(host.now)
    assert host.view().said == Said(HostState.DRAIN, "busy"), "three intervals, where that is longer"
    host.now += 0.1
    host.agents.tick(host.now)
    assert host.view().said == Said()
    assert host.told[-1] == (
        "agent rs1 said that its host is drain (busy), and reports no more: its checks alone decide"
    )
