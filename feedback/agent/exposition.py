"""What an exporter answers to Prometheus: the text format, and which of its series are meant. Pure.

https://prometheus.io/docs/instrumenting/exposition_formats/ and OpenMetrics 1.0, whose lines are alike in what is read
here: `name{label="value",...} number`, maybe a timestamp, maybe an exemplar behind `#`.
"""

import math
import re
from collections.abc import Iterator

import msgspec

from feedback.agent.source import SourceError

MAX_LABELS_LENGTH = 4096
MAX_SERIES_LENGTH = 1000

# Every part gives nothing back (`+`), so that no answer can make the search slow.
_NAME = r"[A-Za-z_:][A-Za-z0-9_:]*+"
_LABEL = r'\s*+([A-Za-z_][A-Za-z0-9_]*+)\s*+(=~|!~|!=|=)\s*+"((?:[^"\\\n]|\\.)*+)"\s*+'
_SERIES = re.compile(rf"\s*+({_NAME})?+\s*+(?:\{{(.*)\}})?+\s*+", re.DOTALL)
_ONE_LABEL = re.compile(_LABEL)
_REST = re.compile(  # number, timestamp, exemplar
    rb"[ \t]*+([-+0-9.eE]++|[-+]?+(?:Inf|NaN))(?:[ \t]++[-+0-9.eE]++)?+[ \t]*+(?:#.*+)?+\r?+", re.IGNORECASE
)
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

_FORM = 'must be a series, like http_requests_total or http_requests_total{code="500"}'


class Matcher(msgspec.Struct, frozen=True):
    """What one label must be: `=` the value, `!=` another, `=~` what the pattern matches as a whole, `!~` what not."""

    label: str
    operator: str
    value: str


class Series(msgspec.Struct, frozen=True):
    """The series that are meant: those of a name whose labels match. A label that is not there is empty."""

    name: str
    matchers: tuple[Matcher, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        return self.text or self.name


def parse_series(value: object) -> Series:
    """Read `name` or `name{label="value",other=~"pattern"}`. Raises ValueError with the rest of a sentence."""
    text = value if isinstance(value, str) else ""
    found = _SERIES.fullmatch(text)
    if found is None or found[1] is None or len(text) > MAX_SERIES_LENGTH:
        raise ValueError(_FORM)
    labels = _read_labels(found[2] or "")
    if labels is None:
        raise ValueError(_FORM)
    for label in labels:
        _check_pattern(label)
    return Series(found[1], tuple(labels), text.strip())


def _check_pattern(matcher: Matcher) -> None:
    if matcher.operator in {"=~", "!~"}:
        try:
            re.compile(matcher.value)
        except re.error as error:
            raise ValueError(f"must have a regular expression for {matcher.label}: {error}") from None


def values_of(body: bytes, series: Series) -> list[float]:
    """Return the values of the series that are meant, those that are no number (NaN) left out.

    Lines of other series are not looked at. Raises SourceError where there is no such series, or a line is broken.
    """
    found = [number for labels, number in _samples(body, series.name) if _matches(labels, series.matchers)]
    if not found:
        raise SourceError(f"there is no series {series}")
    values = [number for number in found if not math.isnan(number)]
    if not values:
        raise SourceError(f"the series {series} has no number, but NaN")
    return values


def _samples(body: bytes, name: str) -> Iterator[tuple[dict[str, str], float]]:
    """Yield labels and number of every sample of a name."""
    for line in _lines(body, name.encode()):
        labels, rest = _split_labels(line)
        number = _REST.fullmatch(rest)
        if labels is None or number is None:
            raise SourceError(f"the line {name} {line[:60]!r} is not of Prometheus' text format")
        try:
            yield labels, float(number[1])
        except ValueError:
            raise SourceError(f"the series {name} is {number[1][:40]!r}, which is not a number") from None


def _lines(body: bytes, name: bytes) -> Iterator[bytes]:
    """Yield what stands behind the name in its lines. Others are passed over by the fastest search there is."""
    at = body.find(name)
    while at >= 0:
        end = body.find(b"\n", at)
        end = len(body) if end < 0 else end
        if body[at - 1 : at] in {b"", b"\n"} and body[at + len(name) : at + len(name) + 1] in {b" ", b"\t", b"{"}:
            yield body[at + len(name) : end].lstrip(b" \t")
        at = body.find(name, end)


def _split_labels(line: bytes) -> tuple[dict[str, str] | None, bytes]:
    """Return a sample's labels, None where they are broken, and what stands behind them."""
    if not line.startswith(b"{"):
        return {}, line
    text = line[1 : MAX_LABELS_LENGTH + 1].decode("utf-8", "surrogateescape")
    labels: dict[str, str] = {}
    at = 0
    while (found := _ONE_LABEL.match(text, at)) and found[2] == "=":
        labels[found[1]] = _unescape(found[3])
        at = found.end()
        if text[at : at + 1] != ",":
            break
        at += 1
    at += len(text[at:]) - len(text[at:].lstrip(" \t"))
    if text[at : at + 1] != "}":
        return None, b""
    return labels, line[1 + len(text[: at + 1].encode("utf-8", "surrogateescape")) :]


def _read_labels(text: str) -> list[Matcher] | None:
    """Read what stands between the braces of a series that is asked for; None where it is broken."""
    matchers: list[Matcher] = []
    at = 0
    while text[at:].strip():
        found = _ONE_LABEL.match(text, at)
        if found is None or text[found.end() : found.end() + 1] not in {"", ","}:
            return None
        matchers.append(Matcher(found[1], found[2], _unescape(found[3])))
        at = found.end() + 1
    return matchers


def _unescape(text: str) -> str:
    return re.sub(r"\\[\\\"n]", lambda found: _ESCAPES[found[0]], text)


def _matches(labels: dict[str, str], matchers: tuple[Matcher, ...]) -> bool:
    return all(_holds(matcher, labels.get(matcher.label, "")) for matcher in matchers)


def _holds(matcher: Matcher, value: str) -> bool:
    if matcher.operator in {"=", "!="}:
        return (value == matcher.value) == (matcher.operator == "=")
    return (re.fullmatch(matcher.value, value) is not None) == (matcher.operator == "=~")
