import contextlib
import math
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.errors import WireError
from feedback.report import (
    MAX_FAILURE_LENGTH,
    MAX_FRAME_BYTES,
    MAX_METRICS,
    MAX_NAME_LENGTH,
    Accepted,
    AgentFrame,
    Goodbye,
    Hello,
    HostState,
    Report,
    SetWish,
    Wish,
    decode_agent_frame,
    decode_director_frame,
    encode,
    failure_line,
    is_name,
)

names = st.text(alphabet=string.ascii_letters + string.digits + "._-", min_size=1, max_size=MAX_NAME_LENGTH)
ratios = st.floats(min_value=0, max_value=1e6)
lines = st.text(alphabet=string.printable[:95], max_size=MAX_FAILURE_LENGTH)
wishes = st.sampled_from(Wish)
frames: st.SearchStrategy[AgentFrame] = st.one_of(
    st.builds(Hello, agent=names, wish=wishes, interval_seconds=st.floats(min_value=0.05, max_value=3600)),
    st.builds(
        Report,
        metrics=st.dictionaries(names, ratios, max_size=8),
        failures=st.dictionaries(names, lines, max_size=8),
        sequence=st.integers(min_value=0, max_value=2**63 - 1),
        sent_at=st.floats(allow_nan=False, allow_infinity=False),
        state=st.sampled_from(HostState),
        why=lines,
    ),
    st.builds(SetWish, wish=wishes),
    st.builds(Goodbye, why=lines),
)


@given(frames)
def test_what_an_agent_says_arrives_as_it_was(frame: AgentFrame) -> None:
    assert decode_agent_frame(encode(frame)) == frame


@given(wishes)
def test_what_a_director_says_arrives_as_it_was(wish: Wish) -> None:
    assert decode_director_frame(encode(Accepted(wish))) == Accepted(wish)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_frame_or_one_named_error(data: bytes) -> None:
    for decode in (decode_agent_frame, decode_director_frame):
        with contextlib.suppress(WireError):
            decode(data)


@given(frames, st.data())
def test_a_damaged_frame_is_a_frame_or_one_named_error(frame: AgentFrame, data: st.DataObject) -> None:
    damaged = bytearray(encode(frame))
    place = data.draw(st.integers(min_value=0, max_value=len(damaged) - 1))
    damaged[place] = data.draw(st.integers(min_value=0, max_value=255))
    with contextlib.suppress(WireError):
        decode_agent_frame(bytes(damaged))


def test_unknown_fields_are_ignored_so_that_newer_agents_are_understood() -> None:
    newer = msgspec.msgpack.encode({"type": "report", "metrics": {"cpu": 0.5}, "orca": {"rps": 12}})
    assert decode_agent_frame(newer) == Report(metrics={"cpu": 0.5})


@pytest.mark.parametrize(
    ("fields", "frame", "unknown"),
    [
        (
            {"type": "report", "metrics": {"cpu": 1}, "state": "degraded", "why": "x"},
            Report({"cpu": 1.0}, why="x"),
            ['state "degraded"'],
        ),
        ({"type": "hello", "agent": "rs1", "version": 3, "wish": "rest"}, Hello("rs1", 3), ['wish "rest"']),
        ({"type": "wish", "wish": "rest", "state": "down"}, SetWish(Wish.READY), ['wish "rest"']),
    ],
)
def test_an_unknown_word_of_a_newer_agent_counts_as_ready_and_is_noticed(
    fields: dict[str, object], frame: AgentFrame, unknown: list[str]
) -> None:
    noticed: list[str] = []
    assert decode_agent_frame(msgspec.msgpack.encode(fields), noticed.append) == frame
    assert noticed == unknown


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "report", "metrics": {}, "state": 7},
        {"type": "report", "metrics": {}, "state": "two words"},
        {"type": "report", "metrics": {}, "state": "x" * 129},
        {"type": "report", "metrics": [], "state": "degraded"},
        {"type": "report", "metrics": {"cpu": -1}, "state": "degraded"},
        {"type": "wish", "wish": None},
        ["wish", "rest"],
    ],
)
def test_what_is_wrong_beside_an_unknown_word_is_refused(fields: object) -> None:
    with pytest.raises(WireError):
        decode_agent_frame(msgspec.msgpack.encode(fields))


def test_whole_numbers_are_ratios_too() -> None:
    assert decode_agent_frame(msgspec.msgpack.encode({"type": "report", "metrics": {"cpu": 1}})) == Report(
        metrics={"cpu": 1.0}
    )


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (Report(metrics={"cpu": -0.1}), "metric cpu is -0.1, must be a number from 0 to 1000000"),
        (Report(metrics={"cpu": math.nan}), "metric cpu is nan, must be a number from 0 to 1000000"),
        (Report(metrics={"cpu": math.inf}), "metric cpu is inf, must be a number from 0 to 1000000"),
        (
            Report(metrics={"": 1.0}),
            'metric name \'\' must be letters, digits, ".", "_" and "-", at most 128',
        ),
        (
            Report(metrics={}, failures={"a\nb": "x"}),
            'metric name \'a\\nb\' must be letters, digits, ".", "_" and "-", at most 128',
        ),
        (
            Report(metrics={}, failures={"cpu": "two\nlines"}),
            "the failure of cpu must be one line of at most 200 printable ASCII characters",
        ),
        (
            Report(metrics={}, why="two\nlines"),
            "the reason of a state must be one line of at most 200 printable ASCII characters",
        ),
        (Report(metrics={f"m{n}": 0.0 for n in range(257)}), "more than 256 metrics in one report"),
        (Report(metrics={}, failures={f"m{n}": "" for n in range(257)}), "more than 256 metrics in one report"),
        (Report(metrics={}, sent_at=math.nan), "sent_at is nan, must be a finite number of seconds"),
        (Hello(agent="a b"), 'agent name \'a b\' must be letters, digits, ".", "_" and "-", at most 128'),
        (Hello(agent="rs1", interval_seconds=math.nan), "interval of nan s, must be from 0.05 to 3600"),
        (Hello(agent="rs1", interval_seconds=0.01), "interval of 0.01 s, must be from 0.05 to 3600"),
        (
            Goodbye("x" * 201),
            "the reason of a goodbye must be one line of at most 200 printable ASCII characters",
        ),
    ],
)
def test_what_types_alone_cannot_say_is_refused_in_words(frame: AgentFrame, message: str) -> None:
    with pytest.raises(WireError) as caught:
        decode_agent_frame(encode(frame))
    assert str(caught.value) == message


def test_a_frame_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(WireError, match=f"frame of {MAX_FRAME_BYTES + 1} bytes, {MAX_FRAME_BYTES} are allowed"):
        decode_agent_frame(bytes(MAX_FRAME_BYTES + 1))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(WireError):
        decode_agent_frame(b"\x81\xa4type" + b"\x91" * 100_000)


def test_the_largest_report_that_is_allowed_fits_into_a_frame() -> None:
    every = [f"{n:0{MAX_NAME_LENGTH}}" for n in range(MAX_METRICS)]
    largest = Report(
        metrics=dict.fromkeys(every, 0.123456789),
        failures=dict.fromkeys(every, "x" * MAX_FAILURE_LENGTH),
        why="x" * MAX_FAILURE_LENGTH,
    )
    assert decode_agent_frame(encode(largest)) == largest


@given(st.text())
def test_any_text_becomes_a_failure_that_may_be_sent(text: str) -> None:
    report = Report(metrics={}, failures={"cpu": failure_line(text)})
    assert decode_agent_frame(encode(report)) == report


def test_a_failure_keeps_its_words_on_one_line() -> None:
    assert failure_line("no such\n  file: \u00e4\x00") == "no such file: \\xe4"


@given(st.text())
def test_names_are_the_ones_that_a_configuration_allows(text: str) -> None:
    allowed = string.ascii_letters + string.digits + "._-"
    good = 0 < len(text) <= MAX_NAME_LENGTH and all(character in allowed for character in text)
    assert is_name(text) == good
