"""Every built-in source keeps to the contract that plugin authors' sources must keep to."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from feedback.agent.config_file import _Metric
from feedback.agent.exposition import parse_series
from feedback.agent.place import Place, parse_http_url
from feedback.agent.source import Source
from feedback.options import fields_of
from feedback.registry import SOURCES
from feedback.testing import conform_source
from feedback.testing.sources import RESERVED
from tests.agent.failing import conforms
from tests.agent.servers import saying, served

pytestmark = pytest.mark.loopback

BUILT_IN = [name for name, source in SOURCES.all().items() if source.__module__.startswith("feedback.")]

HERE: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "conntrack": lambda _: {},
    "cpu": lambda _: {},
    "disk": lambda _: {},
    "exec": lambda _: {"command": ["echo", "0.5"]},
    "exim": lambda path: {"directory": str(path), "limit": 4},
    "file": lambda _: {"path": "/proc/sys/kernel/pid_max"},
    "filedescriptors": lambda _: {},
    "load": lambda _: {},
    "memory": lambda _: {},
    "network": lambda _: {"interface": "lo", "capacity": 1e9},
    "opensmtpd": lambda path: {"directory": str(path), "limit": 4},
    "postfix": lambda path: {"directory": str(path), "limit": 4, "queues": ("incoming",)},
    "pressure": lambda _: {},
    "processes": lambda _: {},
    "sendmail": lambda path: {"directories": (str(path),), "limit": 4},
    "swap": lambda _: {},
}
"""Those that any host has, with their options."""

PAGES: Mapping[str, tuple[bytes, Callable[[Place], dict[str, Any]]]] = {
    "http_json": (b'{"load": 0.5}', lambda place: {"url": parse_http_url(f"http://{place}/"), "pointer": "/load"}),
    "prometheus": (
        b"up 0.5\n",
        lambda place: {"url": parse_http_url(f"http://{place}/"), "series": parse_series("up")},
    ),
    "nginx": (
        b"Active connections: 2 \nserver accepts handled requests\n 3 3 4 \nReading: 0 Writing: 1 Waiting: 1 \n",
        lambda place: {"url": parse_http_url(f"http://{place}/"), "limit": 10},
    ),
}
"""Those that read a page."""

BESIDE_THEIR_SERVERS = {"apache", "haproxy", "memcached", "mysql", "phpfpm", "postgresql", "rabbitmq", "redis"}
"""Those whose own tests have a real server, with `names_what_hangs`."""

ELSEWHERE = {"nfsd", "sockets", "systemd"}
"""Those that have a test below, or in their own tests."""


def test_none_is_forgotten() -> None:
    assert {*HERE, *PAGES, *BESIDE_THEIR_SERVERS, *ELSEWHERE} == set(BUILT_IN)


@pytest.mark.parametrize("name", HERE)
def test_a_source_of_the_host_conforms(name: str, tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    conform_source(SOURCES.get(name), **HERE[name](tmp_path))


@pytest.mark.parametrize("name", PAGES)
async def test_a_source_that_reads_a_page_conforms(name: str) -> None:
    body, options = PAGES[name]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with served(saying(head + body)) as place:
        await asyncio.to_thread(conform_source, SOURCES.get(name), **options(place))


@pytest.mark.parametrize("name", sorted(BESIDE_THEIR_SERVERS))
def test_a_source_of_a_server_conforms_beside_a_real_one(name: str) -> None:
    test = Path(__file__).with_name(f"test_{name}.py").read_text()
    assert "await names_what_hangs(" in test
    assert "await says_who_is_away(" in test


def test_the_source_of_listening_sockets_conforms() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        conform_source(SOURCES.get("sockets"), port=server.getsockname()[1])


async def test_a_server_that_is_not_there_is_told_in_words() -> None:
    systemd: type[Source] = SOURCES.get("systemd")
    await conforms(systemd(unit="nginx", bus="/nonexistent"), failing=True)  # type: ignore[call-arg]


def test_the_names_that_every_metric_has_are_the_agent_s() -> None:
    assert {field.name for field in fields_of(_Metric)} == RESERVED
