import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.place import parse_http_url
from feedback.agent.source import SourceError
from feedback.agent.sources.http_json import HttpJsonSource, number_at, utilization
from feedback.checks.codecs.json_pointer import parse_pointer
from tests.agent.servers import saying, served


@pytest.mark.parametrize(
    ("report", "ratio"),
    [
        (b'{"application_utilization": 0.7, "cpu_utilization": 0.2, "mem_utilization": 0.9}', 0.7),
        (b'{"applicationUtilization": 0.7, "cpuUtilization": 0.2}', 0.7),
        (b'{"application_utilization": 0, "cpu_utilization": 0.2, "mem_utilization": 0.9}', 0.2),
        (b'{"cpu_utilization": 1.2, "named_metrics": {"queue": 7}}', 1.2),
        (b'{"mem_utilization": 0.5, "eps": 3}', 0.5),
        (b'{"cpu_utilization": 0.0}', 0),
        (b"TEXT cpu_utilization=0.3,rps_fractional=100", 0.3),
    ],
)
def test_of_a_load_report_the_applications_own_word_decides_and_then_the_cpus(report: bytes, ratio: float) -> None:
    assert utilization(report) == ratio


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (
            b'{"rps_fractional": 5, "named_metrics": {"queue": 7}}',
            "has none of application_utilization, cpu_utilization, mem_utilization: give a pointer, like /eps",
        ),
        (
            b'{"cpu_utilization": -1}',
            "cpu_utilization is '-1', must be a number from 0; give a pointer where it is no load report",
        ),
    ],
)
def test_a_load_report_that_says_no_utilization_is_told_in_words(report: bytes, why: str) -> None:
    with pytest.raises(SourceError) as caught:
        utilization(report)
    assert str(caught.value).endswith(why)


def at(body: object, pointer: str) -> float:
    return number_at(msgspec.json.encode(body), parse_pointer(pointer), pointer or "the top")


def test_a_pointer_leads_to_any_number() -> None:
    stats = {"queue": {"length": 50, "a/b": [1, 2.5]}, "text": "7.5", "busy": True, "idle": False}
    assert at(stats, "/queue/length") == 50
    assert at(stats, "/queue/a~1b/1") == 2.5
    assert at(stats, "/text") == 7.5
    assert (at(stats, "/busy"), at(stats, "/idle")) == (1, 0)
    assert at(3, "") == 3


@pytest.mark.parametrize(
    ("body", "pointer", "why"),
    [
        ({"a": 1}, "/b", "there is nothing at /b"),
        ([1], "/1", "there is nothing at /1"),
        ({"a": "high"}, "/a", 'at /a there is "high", must be a number from 0'),
        ({"a": None}, "/a", "at /a there is null, must be a number from 0"),
        ({"a": -1}, "/a", "at /a there is -1, must be a number from 0"),
        ({"a": "nan"}, "/a", 'at /a there is "nan", must be a number from 0'),
        ({"a": [1]}, "/a", "at /a there is [1], must be a number from 0"),
        ({"a": 10**400}, "/a", "must be a number from 0"),
        ([], "", "at the top there is [], must be a number from 0"),
    ],
)
def test_what_is_no_number_is_shown(body: Any, pointer: str, why: str) -> None:
    text = repr(body).replace("'", '"').replace("None", "null").encode()
    with pytest.raises(SourceError) as caught:
        number_at(text, parse_pointer(pointer), pointer or "the top")
    assert str(caught.value).endswith(why)


def test_what_is_no_json_is_told_in_words() -> None:
    with pytest.raises(SourceError, match=r"^the body is not JSON: "):
        number_at(b"<html>", (), "")


@given(st.binary(), st.sampled_from(["", "/a"]))
def test_any_bytes_are_a_value_or_one_named_error(data: bytes, pointer: str) -> None:
    with contextlib.suppress(SourceError):
        assert number_at(data, parse_pointer(pointer), pointer) >= 0
    with contextlib.suppress(SourceError):
        assert utilization(data) >= 0


def source(place: object, **options: Any) -> HttpJsonSource:
    return HttpJsonSource(url=parse_http_url(f"http://{place}/load"), **options)


def json(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body


@pytest.mark.loopback
async def test_a_service_that_reports_to_envoy_needs_nothing_new() -> None:
    async with served(saying(json(b'{"application_utilization": 0.25, "rps_fractional": 100}'))) as place:
        assert (await source(place).sample()).ratio == 0.25
        assert (await source(place, pointer="/rps_fractional", limit=400).sample()).ratio == 0.25


@pytest.mark.loopback
async def test_a_load_report_may_stand_in_envoys_header() -> None:
    header = b"HTTP/1.1 200 OK\r\nendpoint-load-metrics: TEXT cpu_utilization=0.5,named_metrics.queue=4\r\n\r\nhello"
    async with served(saying(header)) as place:
        assert (await source(place).sample()).ratio == 0.5


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (json(b"<html>"), "the load report has '<html>' where JSON or name=value should be; give a pointer where it "),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "the answer is 503 Service Unavailable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "the connection was closed in the middle of the body"),
        (b"220 mail.example.com ESMTP\r\n", ""),
        (b"", "the connection was closed before the answer was over"),
    ],
)
async def test_what_does_not_answer_rightly_is_named_by_its_url(answer: bytes, why: str) -> None:
    async with served(saying(answer)) as place:
        with pytest.raises(SourceError) as caught:
            await source(place).sample()
    assert str(caught.value).startswith(f"http://{place}/load: ")
    assert why in str(caught.value)


@pytest.mark.loopback
async def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feedback.agent.scrape.MAX_BODY_BYTES", 1000)
    async with served(saying(json(b"[" * 2000))) as place:
        with pytest.raises(SourceError, match=r"an answer of more than 1000 bytes$"):
            await source(place).sample()
