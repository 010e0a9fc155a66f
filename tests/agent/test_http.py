import asyncio
import gzip
import ssl
from pathlib import Path

import pytest

from feedback.agent import http
from feedback.agent.place import HttpUrl, Place, parse_http_url
from feedback.agent.source import SourceError
from feedback.agent.stream import Tls
from feedback.secret import Secret
from tests.agent.servers import saying, served, silence
from tests.checks.servers.process import free_port
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

OK = b"HTTP/1.1 200 OK\r\n"


def url_of(place: Place, target: str = "/status") -> HttpUrl:
    return parse_http_url(f"http://{place}{target}")


async def fetch(*parts: bytes, limit_bytes: int = 1000) -> http.Answer:
    async with served(saying(*parts)) as place:
        return await http.get(url_of(place), limit_bytes=limit_bytes)


async def refusal(*parts: bytes, limit_bytes: int = 1000) -> str:
    """Return why an answer is none, without the URL that goes before it."""
    with pytest.raises(SourceError) as caught:
        await fetch(*parts, limit_bytes=limit_bytes)
    where, _, why = str(caught.value).partition("/status: ")
    assert where.startswith("http://127.0.0.1:")
    return why


@pytest.mark.parametrize(
    "parts",
    [
        [OK + b"Content-Length: 5\r\n\r\nhello"],
        [OK + b"Content-Length: 5\r\n\r\n", b"he", b"llo"],
        [OK + b"\r\nhello"],
        [OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"],
        [OK[:9], OK[9:], b"Transfer-Encoding: chunked\r\n\r\n2", b"\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"],
        [b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello"],
        [b"HTTP/1.0 200 OK\r\n\r\nhello"],
    ],
)
async def test_an_answer_is_read_however_it_comes(parts: list[bytes]) -> None:
    answer = await fetch(*parts)
    assert (answer.head.status, answer.body) == (200, b"hello")


async def test_what_is_asked_names_the_host_and_brings_the_headers() -> None:
    heard: list[bytes] = []
    async with served(saying(OK + b"\r\n", heard=heard)) as place:
        headers = http.basic_authorization("agent", Secret("s3cret"))
        await http.get(url_of(place, "/status?auto"), headers=headers)
    first, *fields = heard[0].decode().split("\r\n")
    assert first == "GET /status?auto HTTP/1.1"
    assert {f"Host: {place}", "Connection: close", "Authorization: Basic YWdlbnQ6czNjcmV0"} <= set(fields)


async def test_a_unix_socket_is_asked_instead_of_the_host(tmp_path: Path) -> None:
    heard: list[bytes] = []
    async with served(saying(OK + b"Content-Type: Text/Plain; a=b\r\n\r\n7", heard=heard), tmp_path / "s") as place:
        answer = await http.get(parse_http_url("http://localhost/status"), socket=place)
    assert (answer.body, answer.content_type) == (b"7", "text/plain")
    assert b"\r\nHost: localhost\r\n" in heard[0]
    with pytest.raises(
        SourceError, match=f"^can't connect to http://localhost/status at {place}t: No such file or dir"
    ):
        await http.get(parse_http_url("http://localhost/status"), socket=Place(path=f"{place.path}t"))


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([b"HTTP/1.1 403 Forbidden\r\n\r\nno"], "the answer is 403 Forbidden"),
        ([b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"], "the answer is 302 Found"),
        ([b"SSH-2.0-OpenSSH\r\n"], 'the answer is not HTTP: "SSH-2.0-OpenSSH\\r\\n"'),
        ([OK], "the connection was closed before the answer was over"),
        ([OK + b"Content-Length: 5\r\n\r\nhel"], "the connection was closed in the middle of the body"),
        ([OK + b"Content-Length: 1001\r\n\r\n" + bytes(1001)], "an answer of more than 1000 bytes"),
        ([OK + b"\r\n" + bytes(1001)], "an answer of more than 1000 bytes"),
        ([OK + b"A: " + bytes(17000)], "the answer's headers are longer than 16384 bytes"),
        ([gzip.compress(b"hello")], r'the answer is not HTTP: "\x1f\x8b'),
    ],
)
async def test_an_answer_that_is_none_is_told_in_words(parts: list[bytes], why: str) -> None:
    assert (await refusal(*parts)).startswith(why)


async def test_a_port_without_a_server_is_told() -> None:
    port = free_port()
    with pytest.raises(SourceError) as caught:
        await http.get(parse_http_url(f"http://127.0.0.1:{port}/status"))
    assert str(caught.value) == f"can't connect to http://127.0.0.1:{port}/status: Connection refused"


async def test_a_server_that_is_silent_is_left_when_the_time_is_over() -> None:
    async with served(silence) as place:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await http.get(url_of(place))


async def test_tls_goes_by_the_authorities_that_are_given(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server", "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    async with served(saying(OK + b"\r\nhello"), tls=context) as place:
        url = parse_http_url(f"https://{place}/status")
        assert (await http.get(url, tls=Tls(ca_file=authority.ca_file))).body == b"hello"
        assert (await http.get(url, tls=Tls(verify=False))).body == b"hello"
        with pytest.raises(SourceError, match=f"^can't connect to {url}: .*unable to get local issuer certificate"):
            await http.get(url)
        with pytest.raises(SourceError, match=f"^can't connect to {url}: .*mismatch.*'localhost'"):
            await http.get(url, tls=Tls(ca_file=authority.ca_file, name="localhost"))
        with pytest.raises(SourceError, match=f"^can't connect to {url}: No such file or directory"):
            await http.get(url, tls=Tls(ca_file=str(tmp_path / "none")))
