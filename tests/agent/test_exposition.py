import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.exposition import Matcher, Series, parse_series, values_of
from feedback.agent.source import SourceError

BODY = b"""\
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400",} 3 1395066363000
msdos_file_access_time_seconds{path="C:\\\\DIR\\\\FILE.TXT",error="Cannot find file:\\n\\"FILE.TXT\\""} 1.458255915e9
metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
odd{quantile="0.5"} NaN
odd{quantile="0.9"} 7
nothing NaN
foo_bucket{le="0.1"} 8 # {trace_id="oHg5SJYRHA0"} 0.054
prefix_http_requests_total 99
http_requests_total_more 98
  http_requests_total 97
spaced\t  { a = "1" , b="2" }  5\r
unicode{name="Z\xc3\xbcrich"} 6
last 1"""


def values(text: str) -> list[float]:
    return values_of(BODY, parse_series(text))


@pytest.mark.parametrize(
    ("series", "found"),
    [
        ("http_requests_total", [1027, 3]),
        ('http_requests_total{code="200"}', [1027]),
        ('http_requests_total{code="200", method="post",}', [1027]),
        ('http_requests_total{code!="200"}', [3]),
        ('http_requests_total{code=~"2..|3.."}', [1027]),
        ('http_requests_total{code!~"2.*"}', [3]),
        ('http_requests_total{code=~".*",handler=""}', [1027, 3]),
        ('http_requests_total{handler!="x"}', [1027, 3]),
        ('msdos_file_access_time_seconds{path="C:\\\\DIR\\\\FILE.TXT"}', [1.458255915e9]),
        ('msdos_file_access_time_seconds{error="Cannot find file:\\n\\"FILE.TXT\\""}', [1.458255915e9]),
        ("metric_without_timestamp_and_labels", [12.47]),
        ("metric_without_timestamp_and_labels{}", [12.47]),
        ("something_weird", [math.inf]),
        ("odd", [7]),
        ("foo_bucket", [8]),
        ('spaced{a="1",b="2"}', [5]),
        ('unicode{name="Zürich"}', [6]),
        ("last", [1]),
    ],
)
def test_the_series_that_match_are_found(series: str, found: list[float]) -> None:
    assert values(series) == found


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ("http_requests", "there is no series http_requests"),
        ('http_requests_total{code="500"}', 'there is no series http_requests_total{code="500"}'),
        ('http_requests_total{code=~"0"}', 'there is no series http_requests_total{code=~"0"}'),
        ("nothing", "the series nothing has no number, but NaN"),
    ],
)
def test_a_series_that_says_nothing_is_named(series: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        values(series)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "line",
    [
        b"up ",
        b"up one",
        b"up 1 2 3",
        b'up{a="1" 5',
        b'up{a="1"',
        b"up{a=1} 5",
        b'up{a=~"1"} 5',
        b'up{a="1"b="2"} 5',
        b'up{a="1} 5',
        b'up{a="' + b"x" * 5000 + b'"} 5',
    ],
)
def test_a_line_that_is_not_of_the_format_is_shown(line: bytes) -> None:
    with pytest.raises(
        SourceError, match=r"^(the line up b'.*' is not of Prometheus' text format|there is no series up)$"
    ):
        values_of(line, Series("up"))


def test_what_only_looks_like_a_number_is_shown() -> None:
    with pytest.raises(SourceError, match=r"^the series up is b'1e5e5', which is not a number$"):
        values_of(b"up 1e5e5\n", Series("up"))


def test_a_series_is_read_with_what_its_labels_must_be() -> None:
    text = 'up{job="a", b!="c",d=~"e",f!~"g\\"\\\\d"}'
    assert parse_series(f" {text} ") == Series(
        "up",
        (Matcher("job", "=", "a"), Matcher("b", "!=", "c"), Matcher("d", "=~", "e"), Matcher("f", "!~", 'g"\\d')),
        text,
    )
    assert str(parse_series("up")) == str(Series("up")) == "up"


@pytest.mark.parametrize(
    "text", [None, 5, "", "{}", "1up", "up{", "up}", "up{a}", "up{a=1}", 'up{a="1"b="2"}', "up down", "u" * 1001]
)
def test_what_is_no_series_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a series, like http_requests_total or http_requests_total\{code="):
        parse_series(text)


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^must have a regular expression for a: missing \), unterminated subpattern"):
        parse_series('up{a=~"("}')


@given(
    st.lists(st.sampled_from([b"up", b"{", b"}", b'a="1"', b",", b" ", b"\n", b"1", b"\\", b'"', b"#", b"\xff", b"e"]))
)
def test_any_bytes_are_values_or_one_named_error(parts: list[bytes]) -> None:
    with contextlib.suppress(SourceError):
        assert not any(map(math.isnan, values_of(b"".join(parts), Series("up", (Matcher("a", "=~", "1|"),)))))


labels = st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,9}", fullmatch=True), st.text(max_size=20), max_size=4)


@given(labels, st.floats(allow_nan=False))
def test_what_an_exporter_writes_is_read_and_found(given_labels: dict[str, str], number: float) -> None:
    def escape(text: str) -> str:
        return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    written = ",".join(f'{name}="{escape(value)}"' for name, value in given_labels.items())
    body = f"up{{{written}}} {number}\n".encode("utf-8", "surrogatepass")
    matchers = tuple(Matcher(name, "=", value) for name, value in given_labels.items())
    if all(value.isprintable() for value in given_labels.values()):
        assert values_of(body, Series("up", matchers)) == [number]
        assert parse_series(f"up{{{written}}}").matchers == matchers
