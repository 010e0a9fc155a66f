import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.place import Place, parse_http_url
from feedback.agent.source import Source, SourceError
from feedback.agent.sources.haproxy import HaproxySource, count, find
from feedback.model import Endpoint
from tests.agent.failing import failure, names_what_hangs, refuses_garbage, says_who_is_away, settles
from tests.checks.servers import process

TEXT = b"""# pxname,svname,qcur,qmax,scur,smax,slim,stot,qlimit,
web,FRONTEND,,,3,4,100,9,,
web,"a ""quoted"", one",1,0,0,0,,0,5,
web,BACKEND,2,0,0,0,10,0,,

"""

CONFIG = """
global
  stats socket {directory}/admin.sock mode 600 level user
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend web
  maxconn 50
  bind 127.0.0.1:{port}
  stats enable
  stats uri /stats
  default_backend workers
backend workers
  server one 127.0.0.1:{port} maxconn 4 maxqueue 8
"""


def test_a_row_is_found_by_proxy_and_server() -> None:
    assert find(TEXT, "web", "FRONTEND")["slim"] == "100"
    assert find(TEXT, "web", 'a "quoted", one')["qlimit"] == "5"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TEXT, "HAProxy has no mail/FRONTEND; its proxies are web"),
        (b"# pxname,svname\n", "HAProxy has no mail/FRONTEND; its proxies are none"),
        (b"", "not HAProxy's statistics: b''"),
        (b"Permission denied\n", "not HAProxy's statistics: b'Permission denied\\n'"),
    ],
)
def test_what_is_not_there_is_told(text: bytes, why: str) -> None:
    with pytest.raises(SourceError) as caught:
        find(text, "mail", "FRONTEND")
    assert str(caught.value) == why


def test_a_number_is_one_and_nothing_is_0() -> None:
    assert (count({"qcur": "7"}, "qcur"), count({"qcur": ""}, "qcur"), count({}, "qcur")) == (7, 0, 0)
    with pytest.raises(SourceError, match=r"^HAProxy's qcur is '-1', must be a number$"):
        count({"qcur": "-1"}, "qcur")


@given(st.binary() | st.binary().map(b"# pxname,svname,scur\n".__add__))
def test_any_statistics_are_read_or_refused(text: bytes) -> None:
    with pytest.raises(SourceError):
        find(text, "web", "FRONTEND")


@given(st.text())
def test_any_number_is_read_or_refused(text: str) -> None:
    try:
        assert count({"qcur": text}, "qcur") >= 0
    except SourceError as error:
        assert "must be a number" in str(error)  # noqa: PT017 - most examples raise it


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"measure": "queue"}, "server: a frontend has no queue: must be BACKEND or the name of a server"),
        ({"url": parse_http_url("http://a/stats")}, "url: must end with ;csv, like http://a/stats;csv"),
    ],
)
def test_options_that_do_not_go_together_are_told(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        HaproxySource(proxy="web", **options)  # type: ignore[arg-type]


def at(place: Place) -> Source:
    return HaproxySource(proxy="web", address=place)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, subprocess.Popen[bytes]]]:
    directory = tmp_path_factory.mktemp("haproxy")
    port = process.free_port()
    (directory / "haproxy.cfg").write_text(CONFIG.format(directory=directory, port=port))
    command = [process.program("haproxy", "haproxy"), "-db", "-q", "-f", "haproxy.cfg"]
    with process.running(command, directory, process.accepts(Endpoint("127.0.0.1", port))) as haproxy:
        yield directory, port, haproxy


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("options", "ratio"),
    [
        ({"proxy": "web"}, 0.02),  # the one that asks
        ({"proxy": "web", "limit": 10}, 0.1),
        ({"proxy": "workers", "server": "one", "measure": "queue"}, 0),
        ({"proxy": "workers", "server": "BACKEND", "measure": "queue", "limit": 9}, 0),
    ],
)
async def test_sessions_and_queues_are_a_share_of_the_limit(
    server: tuple[Path, int, subprocess.Popen[bytes]], options: dict[str, object], ratio: float
) -> None:
    directory, port, _ = server
    by_page = HaproxySource(url=parse_http_url(f"http://127.0.0.1:{port}/stats;csv"), **options)  # type: ignore[arg-type]
    await settles(by_page, ratio)
    by_socket = HaproxySource(address=Place(path=f"{directory}/admin.sock"), **options)  # type: ignore[arg-type]
    assert (await by_socket.sample()).ratio <= ratio


@pytest.mark.loopback
async def test_a_queue_without_a_limit_is_told(server: tuple[Path, int, subprocess.Popen[bytes]]) -> None:
    place = Place(path=f"{server[0]}/admin.sock")
    source = HaproxySource(proxy="workers", server="BACKEND", measure="queue", address=place)
    assert await failure(source) == f"{place}: the server has no limit for its queue: set limit"


@pytest.mark.loopback
async def test_an_haproxy_that_hangs_is_told_and_one_that_is_back_is_sampled(
    server: tuple[Path, int, subprocess.Popen[bytes]],
) -> None:
    await names_what_hangs(at(Place(path=f"{server[0]}/admin.sock")), server[2])


@pytest.mark.loopback
async def test_what_is_no_haproxy_is_told() -> None:
    await says_who_is_away(at)
    await refuses_garbage(at, b"# pxname,svname,scur,slim\nweb,FRONTEND,x,1\n")
