"""Parsers of what directors, hosts and their servers say to an agent, and hosts without one to a director."""

import math
from collections.abc import Callable, Mapping

from feedback import enrolment, orca, report
from feedback.agent import frames, handshake, http, place, prometheus, text, url, websocket
from feedback.agent.process import Finished
from feedback.agent.sources import (
    apache,
    conntrack,
    cpu,
    disk,
    exec,  # noqa: A004 - the source of this name
    file,
    filedescriptors,
    haproxy,
    http_json,
    load,
    memcached,
    memory,
    network,
    nfsd,
    nginx,
    phpfpm,
    pressure,
    processes,
    sockets,
)
from feedback.checks.codecs import http_message
from feedback.director.feeder import Question
from feedback.director.feeds import orca as feed_orca
from feedback.director.feeds.agent_check import AgentCheckFeed
from feedback.director.feeds.feed import Feed
from feedback.director.feeds.orca import OrcaFeed
from feedback.director.feeds.rstatd import RstatdFeed
from feedback.director.feeds.snmp import SnmpFeed
from feedback.errors import FeedbackError
from feedback.secret import Secret
from tests.fuzz.babble import answer
from tests.fuzz.parser import Parser

_KEY = handshake.encode_nonce(bytes(handshake.NONCE_BYTES))
_ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    + handshake.accept_of(_KEY)
    + b"\r\n\r\n"
)


def _websocket(data: bytes, said_before: bytes = b"") -> object:
    """Hear what a director says, in pieces, as long as the connection lasts. Nothing may be raised, but told."""
    client = websocket.WebSocketClient(bytes)
    client.request(url.parse_director_url("ws://192.0.2.1:8600/agent"), None)
    told = [client.feed(said_before)] if said_before else []
    size = 1 + (data[0] if data else 0)
    try:
        for start in range(1, len(data) + size, size):
            told.append(client.feed(data[start : start + size]))
            if told[-1].end is not None:
                break
    except FeedbackError as error:
        raise AssertionError("it is raised, where it should be told") from error
    return told


class _Stream:
    """A server that says something and hangs up."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def write(self, data: bytes) -> None:
        """Listen to nothing."""

    async def read_until(self, separator: bytes, limit: int) -> bytes:
        """Say up to there."""
        del separator
        return await self.read_some(limit)

    async def read_exactly(self, count: int) -> bytes:
        """Say so much."""
        return await self.read_some(count)

    async def read_some(self, limit: int) -> bytes:
        """Say a little."""
        said, self._data = self._data[: min(limit, 7)], self._data[min(limit, 7) :]
        return said


def _now(coroutine: object) -> object:
    """Run what never waits."""
    try:
        coroutine.send(None)  # type: ignore[attr-defined]
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def _sentence(parse: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """Return a parser whose named error is a ValueError with a sentence, and no error of a codec."""

    def parsed(data: bytes) -> object:
        try:
            return parse(data)
        except ValueError as error:
            if type(error) is not ValueError or len(error.args) != 1:
                raise
            return str(error)

    return parsed


def _first_byte(*parsers: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """Return several parsers of texts that are alike as one: the first byte says which it is."""
    return lambda data: parsers[data[0] % len(parsers)](data[1:]) if data else None


def _valid(reported: report.Report) -> report.Report:
    """Return a report that a director would take from an agent. Anything else is a finding."""
    try:
        return report.decode_agent_frame(report.encode(reported))  # type: ignore[return-value]
    except FeedbackError as error:
        raise AssertionError(f"no report: {reported}") from error


def _feed(make: Callable[[], Feed]) -> Callable[[bytes], object]:
    """Return a feed as a parser of what its host says, asked twice."""

    def parse(data: bytes) -> object:
        question = Question(feed=make())
        for part in (data[: len(data) // 2], data):
            answer(question, part)
            if question.report is not None:
                _valid(question.report)
        return question.report

    return parse


def _orca_answer(data: bytes) -> object:
    """Read an answer whose report stands in a header, or in its body."""
    head, _, body = data.partition(b"\n")
    read = http_message.Head(200, "200 OK", (("endpoint-load-metrics", head.decode("latin-1")),) if head else ())
    return _valid(feed_orca.report_of(read, body, {"rps": 500.0, "queue": math.pi}))


def _program(data: bytes) -> object:
    """Read what a program printed, by its status."""
    status = data[0] - 2 if data else 0
    return exec.ratio(exec.interpret(Finished(status, data[1:], data[1:][::-1]), None), None)


_REPORT = report.Report({"cpu": 0.5}, {"disk": "gone"}, 7)

HOSTS: Mapping[str, Parser] = {
    "websocket handshake": Parser(
        _websocket,
        (
            b"\x20" + _ACCEPTED,
            b"\x07HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
        ),
    ),
    "websocket frames": Parser(
        lambda data: _websocket(data, _ACCEPTED),
        (
            b"\x20\x82\x03abc\x89\x01x\x01\x01a\x80\x01b",
            b"\x03\x88\x04\x03\xf5no",
            b"\x40\x82\x7e\x00\x80" + bytes(128),
        ),
    ),
    "websocket close": Parser(frames.decode_close, (b"\x03\xe8bye", b"")),
    "prometheus request": Parser(
        lambda data: prometheus.answer(data, "rs1", _REPORT, drains=False),
        (b"GET /metrics?a=b HTTP/1.1\r\nHost: a\r\n\r\n", b"HEAD http://a/metrics HTTP/1.0\r\n\r\n"),
    ),
    "enrolment token": Parser(
        _sentence(lambda data: str(enrolment.parse_token(data.decode("latin-1")))),
        (str(enrolment.Token(bytes(32), bytes(16))).encode(),),
    ),
    "authority's certificates": Parser(
        _sentence(lambda data: enrolment.certificates_in(data.decode("ascii", "replace"))),
        (b"-----BEGIN CERTIFICATE-----\nMTIz\n-----END CERTIFICATE-----\n" * 2,),
    ),
    "director's URL": Parser(
        _sentence(
            lambda data: handshake.encode_request(url.parse_director_url(data.decode("latin-1")), Secret("t"), _KEY)
        ),
        (b"ws://192.0.2.1:8600/agent", b"wss://[2001:db8::1]:8600/agent?a=b"),
    ),
    "server's URL": Parser(
        _sentence(lambda data: place.parse_http_url(data.decode("latin-1"))), (b"http://127.0.0.1:80/status?auto",)
    ),
    "answer of a server": Parser(
        lambda data: _now(http._read(_Stream(data), 4096)),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
    ),
    "status of a server": Parser(
        _first_byte(
            apache.parse_status,
            nginx.parse_status,
            phpfpm.parse_status,
            lambda data: memcached.stat(data, b"curr_connections"),
            lambda data: haproxy.count(haproxy.find(data, "web", "rs1"), "slim"),
            http_json.utilization,
            lambda data: http_json.number_at(data, ("queue", "0"), "/queue/0"),
            lambda data: file.parse_number(data, "/run/jobs"),
        ),
        (
            b"\0BusyWorkers: 3\nIdleWorkers: 5\n",
            b"\1Active connections: 3 \nserver accepts handled requests\n 1 1 1 \nReading: 0 Writing: 1 Waiting: 2 \n",
            b'\2{"active processes": 1, "idle processes": 2, "listen queue": 0, "total processes": 3}',
            b"\3STAT curr_connections 10\r\nEND\r\n",
            b"\4# pxname,svname,slim,scur\nweb,rs1,10,3\n",
            b'\5{"cpu_utilization": 0.5}',
            b'\6{"queue": ["7"]}',
            b"\x0712.5\n",
        ),
    ),
    "file of the kernel": Parser(
        _first_byte(
            cpu.parse_stat,
            cpu.parse_quota,
            cpu.parse_used,
            load.parse_loadavg,
            lambda data: memory.parse_meminfo(data, swap=True),
            memory.parse_reclaimable,
            network.parse_dev,
            network.parse_default_route,
            network.parse_speed,
            nfsd.parse_threads,
            nfsd.parse_pools,
            processes.parse_threads,
            sockets.parse_drops,
            filedescriptors.parse_file_nr,
            filedescriptors.parse_most,
            lambda data: pressure.parse_pressure(data, "some", "/proc/pressure/cpu"),
            lambda data: disk.parse_busy_milliseconds(data, "/sys/block/sda/stat"),
            lambda data: text.limit(data, "/sys/fs/cgroup/memory.max"),
            lambda data: conntrack.used_ratio(text.value(data, b"count", "a"), text.value(data, b"most", "a")),
        ),
        (
            b"\0cpu  10 0 0 90 0 0 0 0 0 0\ncpu0 10 0 0 90 0\n",
            b"\x01max 100000\n",
            b"\x02usage_usec 17\n",
            b"\x030.50 0.40 0.30 1/200 300\n",
            b"\x04MemTotal: 9 kB\nMemAvailable: 3 kB\nSwapTotal: 4 kB\nSwapFree: 4 kB\n",
            b"\x06Inter-|\n face |\n  eth0: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n",
            b"\x07Iface\tDestination\tGateway\tFlags\neth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\n",
            b"\x0a# pool packets-arrived sockets-enqueued threads-woken threads-timedout\n0 1 2 3 4\n",
            b"\x0d1 0 100\n",
            b"\x0fsome avg10=0.00 avg60=0.00 avg300=0.00 total=9\n",
            b"\x11max\n",
        ),
    ),
    "output of a program": Parser(_program, (b"\x0212", b"\x03OK | a=1%;;;0;9")),
    "orca answer": Parser(
        _orca_answer,
        (b"TEXT cpu_utilization=0.5,rps=100\n", b'\n{"cpuUtilization": 0.5, "named_metrics": {"queue": 4}}'),
    ),
    "orca names": Parser(lambda data: _valid(report.Report(orca.utilizations(orca.parse_orca(data))))),
    "agent_check feed": Parser(_feed(lambda: AgentCheckFeed(port=1)), (b"up ready 75%\n", b"down #disk\n")),
    "orca feed": Parser(
        _feed(lambda: OrcaFeed(port=1)), (b"HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\nTEXT cpu_utilization=0.5",)
    ),
    "rstatd feed": Parser(_feed(lambda: RstatdFeed(rstatd_port=1, cpus=2)), (bytes(24),)),
    "snmp feed": Parser(_feed(lambda: SnmpFeed(community=Secret("public"))), (bytes.fromhex("302a020101"),)),
}
