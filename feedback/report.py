"""The load report and its wire format: what agents and directors say to each other.

One WebSocket, binary frames, each one msgpack map with a `type`. An agent says `hello` first, then `report`s,
`wish`es and at last `goodbye`. A director answers each `wish` with `accepted`, and a `goodbye` by closing the
WebSocket: its Close frame says that everything before the agent's own was read. Unknown fields are ignored, and unknown
words of a `state` or `wish` count as `ready`, so that old and new agree: a newer version only adds what may be passed
over. Agent and director both import this module, and nothing of each other.
"""

import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from feedback.errors import WireError

WIRE_VERSION = 1
MAX_FRAME_BYTES = 128 * 1024  # the largest report that the three limits below allow is smaller
MAX_METRICS = 256
MAX_NAME_LENGTH = 128
MAX_FAILURE_LENGTH = 200
MAX_RATIO = 1e6  # far over any limit; what is more is not a ratio, and might overflow where it is multiplied
NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Wish(StrEnum):
    """What the host asks for its own destinations."""

    READY = "ready"
    DRAIN = "drain"


class HostState(StrEnum):
    """What the agent itself has found of its host: a metric over its threshold, a server that is gone."""

    READY = "ready"
    DRAIN = "drain"
    DOWN = "down"


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first frame of a connection: who speaks, and what the host wants for itself."""

    agent: str
    version: int = WIRE_VERSION
    wish: Wish = Wish.READY
    interval_seconds: float = 1.0


class Report(msgspec.Struct, frozen=True, tag="report"):
    """Metrics of one moment: name -> utilization as a ratio, 0 idle, 1 at the limit (above 1: over it).

    `failures` says in words which sources could not be read. `sent_at` is the agent's own clock, for display. `why`
    says what the host's `state` comes from. A state that has changed is reported at once.
    """

    metrics: Mapping[str, float]
    failures: Mapping[str, str] = {}
    sequence: int = 0
    sent_at: float = 0.0
    state: HostState = HostState.READY
    why: str = ""


class SetWish(msgspec.Struct, frozen=True, tag="wish"):
    """The host changes what it wants."""

    wish: Wish


class Goodbye(msgspec.Struct, frozen=True, tag="goodbye"):
    """The agent was told to end: quiesce this host now."""

    why: str = ""


class Accepted(msgspec.Struct, frozen=True, tag="accepted"):
    """The director has taken a wish."""

    wish: Wish


class Renewed(msgspec.Struct, frozen=True, tag="renewed"):
    """The agent's certificate ends soon: here is a new one (PEM), for the key that it has. Sent over TLS alone.

    authorities: whom the agent is to trust from now on (PEM); "" for those of before.
    """

    certificate: str
    authorities: str = ""


DirectorFrame = Accepted | Renewed
AgentFrame = Hello | Report | SetWish | Goodbye

_encoder = msgspec.msgpack.Encoder()
_agent_frames: msgspec.msgpack.Decoder[AgentFrame] = msgspec.msgpack.Decoder(Hello | Report | SetWish | Goodbye)
_director_frames: msgspec.msgpack.Decoder[DirectorFrame] = msgspec.msgpack.Decoder(Accepted | Renewed)

_WORDS: Mapping[str, frozenset[str]] = {"state": frozenset(HostState), "wish": frozenset(Wish)}
"""Fields whose words a later release may add to. Of both kinds `ready` asks for nothing."""

FrameT = TypeVar("FrameT")


def encode(frame: AgentFrame | DirectorFrame) -> bytes:
    """Return a frame's bytes."""
    return _encoder.encode(frame)


def decode_agent_frame(data: bytes, notice: Callable[[str], None] = lambda _: None) -> AgentFrame:
    """Return the frame an agent sent. Raises WireError for anything else than a valid one, whatever the bytes.

    A newer agent may use a word that this release does not know: `notice` is told of it, and it counts as `ready`.
    """
    try:
        frame = _decode(_agent_frames, data)
    except WireError:
        known, unknown = _with_known_words(data)
        if not unknown:
            raise
        frame = _decode(_agent_frames, known)
        for words in unknown:
            notice(words)
    if isinstance(frame, Report):
        _validate_report(frame)
    elif isinstance(frame, Hello):
        _validate_hello(frame)
    elif isinstance(frame, Goodbye):
        _validate_line("the reason of a goodbye", frame.why)
    return frame


def decode_director_frame(data: bytes) -> DirectorFrame:
    """Return the frame a director sent. Raises WireError for anything else."""
    return _decode(_director_frames, data)


def known_words(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a frame's fields with `ready` for each unknown word, and what was unknown: `state "degraded"`."""
    unknown = {
        field: word
        for field, words in _WORDS.items()
        if isinstance(word := fields.get(field), str) and is_name(word) and word not in words
    }
    return {**fields, **dict.fromkeys(unknown, "ready")}, [f'{field} "{word}"' for field, word in unknown.items()]


def is_name(text: str) -> bool:
    """Tell whether `text` can name an agent or a metric, as in a configuration."""
    return NAME.fullmatch(text) is not None


def is_ratio(value: float) -> bool:
    """Tell whether `value` can be a metric: from 0 to a million."""
    return 0 <= value <= MAX_RATIO  # never true of NaN


def failure_line(text: str) -> str:
    """Return `text` as a failure may stand in a report: one line of printable ASCII, cut at 200 characters."""
    line = " ".join(text.split()).encode("ascii", "backslashreplace").decode("ascii")
    return "".join(character for character in line if character.isprintable())[:MAX_FAILURE_LENGTH]


def _decode(decoder: msgspec.msgpack.Decoder[FrameT], data: bytes) -> FrameT:
    if len(data) > MAX_FRAME_BYTES:
        raise WireError(f"frame of {len(data)} bytes, {MAX_FRAME_BYTES} are allowed")
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"not a frame of this protocol: {error}") from None


def _with_known_words(data: bytes) -> tuple[bytes, list[str]]:
    """Return what `known_words` does of a frame's bytes, which may be anything."""
    if len(data) > MAX_FRAME_BYTES:
        return data, []
    try:
        fields, unknown = known_words(msgspec.msgpack.decode(data, type=dict[str, Any]))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return data, []
    return _encoder.encode(fields) if unknown else data, unknown


def _validate_report(report: Report) -> None:
    """Check what types alone can't say."""
    if len(report.metrics) > MAX_METRICS or len(report.failures) > MAX_METRICS:
        raise WireError(f"more than {MAX_METRICS} metrics in one report")
    for name, value in report.metrics.items():
        _validate_name("metric", name)
        if not is_ratio(value):
            raise WireError(f"metric {name} is {value}, must be a number from 0 to {MAX_RATIO:.0f}")
    for name, failure in report.failures.items():
        _validate_name("metric", name)
        _validate_line(f"the failure of {name}", failure)
    _validate_line("the reason of a state", report.why)
    if not math.isfinite(report.sent_at):
        raise WireError(f"sent_at is {report.sent_at}, must be a finite number of seconds")


def _validate_hello(hello: Hello) -> None:
    _validate_name("agent", hello.agent)
    if not 0.05 <= hello.interval_seconds <= 3600:  # never true of NaN
        raise WireError(f"interval of {hello.interval_seconds} s, must be from 0.05 to 3600")


def _validate_name(whose: str, name: str) -> None:
    if not is_name(name):
        raise WireError(
            f'{whose} name {name[:MAX_NAME_LENGTH]!a} must be letters, digits, ".", "_" and "-", at most '
            f"{MAX_NAME_LENGTH}"
        )


def _validate_line(what: str, text: str) -> None:
    if len(text) > MAX_FAILURE_LENGTH or not (text.isascii() and text.isprintable()):
        raise WireError(f"{what} must be one line of at most {MAX_FAILURE_LENGTH} printable ASCII characters")
