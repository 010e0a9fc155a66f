import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from feedback.agent.exposition import parse_series
from feedback.agent.place import parse_http_url
from feedback.agent.source import SourceError
from feedback.agent.sources.memory import MemorySource
from feedback.agent.sources.prometheus import PrometheusSource, Scraped, combined, per_second, share
from tests.agent.servers import Talk, served, silence
from tests.checks.servers.node_exporter import node_exporter
from tests.checks.servers.process import free_port
from tests.checks.tls_files import Authority
from tests.director.served import served as served_director

URL = parse_http_url("http://127.0.0.1:9100/metrics")


def test_several_series_are_added_up_or_the_largest_counts() -> None:
    assert combined([1.0, 5.0, 2.0], "sum") == 8
    assert combined([1.0, 5.0, 2.0], "max") == 5


def test_a_counter_is_what_it_grew_by_in_a_second() -> None:
    assert per_second(Scraped(100, 10.0), Scraped(130, 12.0)) == 15


def test_a_counter_that_went_back_has_begun_anew() -> None:
    assert per_second(Scraped(100, 10.0), Scraped(30, 12.0)) == 15


def test_a_value_is_a_share_of_what_means_full() -> None:
    assert share(50, 200, free=False) == 0.25
    assert share(50, 200, free=True) == 0.75
    assert share(300, 200, free=True) == 0
    assert share(-5, 200, free=False) == 0


@pytest.mark.parametrize("full", [0, -1, float("nan")])
def test_nothing_is_a_share_of_nothing(full: float) -> None:
    with pytest.raises(SourceError, match=r"^what means full is (0|-1|nan), must be more than 0$"):
        share(5, full, free=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 5, "over": parse_series("up")}, "limit: can't stand beside over: either means full"),
        ({"rate": True, "free": True}, "free: can't stand beside rate: of a counter nothing is left"),
        ({"headers": {"X Y": "1"}}, "headers: has 'X Y', must have names and lines of ASCII"),
        ({"headers": {"X": "1\r\nY: 2"}}, "headers: has 'X', must have names and lines of ASCII"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        PrometheusSource(url=URL, series=parse_series("up"), **options)
    assert str(caught.value) == message


class Exporter:
    """Answers with `body`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.body = b""
        self.heard: list[bytes] = []
        self.url = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(self.body), self.body))

    def source(self, series: str, **options: Any) -> PrometheusSource:
        return PrometheusSource(url=parse_http_url(self.url), series=parse_series(series), **options)


@contextlib.asynccontextmanager
async def exporting(
    body: bytes, talk: Talk | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Exporter]:
    exporter = Exporter()
    exporter.body = body
    async with served(talk or exporter.talk, tls=tls) as place:
        exporter.url = f"{'https' if tls else 'http'}://{place}/metrics"
        yield exporter


@pytest.mark.loopback
async def test_a_gauge_is_divided_by_a_limit_or_by_another_series() -> None:
    async with exporting(b'active{pool="www"} 3\nactive{pool="api"} 5\nchildren{pool="www"} 12\n') as exporter:
        assert (await exporter.source("active", limit=16).sample()).ratio == 0.5
        assert (await exporter.source("active", limit=10, combine="max").sample()).ratio == 0.5
        over = parse_series("children")
        assert (await exporter.source('active{pool="www"}', over=over).sample()).ratio == 0.25
        assert (await exporter.source('active{pool="www"}', over=over, free=True).sample()).ratio == 0.75


@pytest.mark.loopback
async def test_a_counter_is_read_twice_the_first_time_and_once_from_then_on() -> None:
    async with exporting(b"requests_total 100\n") as exporter:
        source = exporter.source("requests_total", rate=True, limit=1e-6)
        assert (await source.sample()).ratio == 0
        assert len(exporter.heard) == 2
        exporter.body = b"requests_total 200\n"
        assert (await source.sample()).ratio > 1
        assert len(exporter.heard) == 3


@pytest.mark.loopback
async def test_a_token_and_headers_are_shown_and_the_token_read_anew(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("sixteen-letters-1\n")
    token.chmod(0o600)
    async with exporting(b"up 1\n") as exporter:
        source = exporter.source("up", token_file=str(token), headers={"X-Scope-OrgID": "web"})
        await source.sample()
        assert b"\r\nAuthorization: Bearer sixteen-letters-1\r\n" in exporter.heard[0]
        assert b"\r\nX-Scope-OrgID: web\r\n" in exporter.heard[0]
        token.write_text("sixteen-letters-2\n")
        await source.sample()
        assert b"\r\nAuthorization: Bearer sixteen-letters-2\r\n" in exporter.heard[1]
        token.unlink()
        with pytest.raises(SourceError, match=r"^/.*/token can't be read: No such file or directory$"):
            await source.sample()


@pytest.mark.loopback
async def test_a_series_that_is_not_there_is_named_with_the_url() -> None:
    async with exporting(b"up 1\n") as exporter:
        with pytest.raises(SourceError, match=r"^http://127\.0\.0\.1:[0-9]+/metrics: there is no series down$"):
            await exporter.source("down").sample()


@pytest.mark.loopback
async def test_over_tls_the_certificate_must_be_right(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server", "IP:127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    async with exporting(b"up 0.5\n", tls=tls) as exporter:
        assert (await exporter.source("up", ca_file=authority.ca_file).sample()).ratio == 0.5
        assert (await exporter.source("up", verify=False).sample()).ratio == 0.5
        with pytest.raises(SourceError, match=r"^can't connect to https://.*: unable to get local issuer certificate$"):
            await exporter.source("up").sample()


@pytest.mark.loopback
async def test_an_exporter_that_hangs_is_left_when_the_time_is_over() -> None:
    async with exporting(b"", silence) as exporter:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await exporter.source("up").sample()


@pytest.mark.loopback
async def test_an_exporter_that_is_not_there_is_named() -> None:
    url = parse_http_url(f"http://127.0.0.1:{free_port()}/metrics")
    with pytest.raises(SourceError, match=r"^can't connect to http://.*/metrics: Connection refused$"):
        await PrometheusSource(url=url, series=parse_series("up")).sample()


@pytest.fixture(scope="module")
def exporter_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with node_exporter(tmp_path_factory.mktemp("exporter")) as endpoint:
        yield f"http://{endpoint}/metrics"


@pytest.mark.loopback
async def test_the_node_exporter_says_what_the_agent_measures_itself(exporter_url: str) -> None:
    source = PrometheusSource(
        url=parse_http_url(exporter_url),
        series=parse_series("node_memory_MemAvailable_bytes"),
        over=parse_series("node_memory_MemTotal_bytes"),
        free=True,
    )
    assert (await source.sample()).ratio == pytest.approx((await MemorySource().sample()).ratio, abs=0.05)


@pytest.mark.loopback
async def test_a_counter_of_the_node_exporter_becomes_a_share_of_the_cores(exporter_url: str) -> None:
    source = PrometheusSource(
        url=parse_http_url(exporter_url),
        series=parse_series('node_cpu_seconds_total{mode!~"idle|iowait"}'),
        rate=True,
        limit=os.cpu_count(),
    )
    assert 0 <= (await source.sample()).ratio < 2


@pytest.mark.loopback
async def test_the_directors_own_metrics_can_be_read() -> None:
    async with served_director() as director:
        source = PrometheusSource(
            url=parse_http_url(director.url + "/metrics"),
            series=parse_series('feedback_destination_weight{destination="rs1"}'),
            limit=100,
        )
        assert (await source.sample()).ratio == 0.87
