"""The `http` check against a real web server."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from feedback.checks.http import HttpCheck
from feedback.checks.http_request import HttpRequest
from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.nginx import PLACES, nginx
from tests.checks.peers import check_once

pytestmark = pytest.mark.loopback

SIZE_BYTES = 200_000


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Endpoint]]:
    directory = tmp_path_factory.mktemp("nginx")
    (directory / "files").mkdir()
    (directory / "files" / "large.txt").write_text("a" * SIZE_BYTES + "the end")
    server = f"server {{ listen {{listen}}; {PLACES} }}".replace("files/", f"{directory}/files/")
    chunked = f"server {{ listen {{listen}}; gzip off; chunked_transfer_encoding on; ssi on; ssi_types *; {PLACES} }}"
    chunked = chunked.replace("files/", f"{directory}/files/")
    with nginx(directory, {"v4": server, "v6": server, "chunked": chunked}) as endpoints:
        yield endpoints


@pytest.mark.parametrize("name", ["v4", "v6"])
@pytest.mark.parametrize(
    "check",
    [
        HttpCheck(),
        HttpCheck(body="I'm alive"),
        HttpCheck(body_regex="^I.*e$"),
        HttpCheck(expect_headers={"Server": "^nginx/", "content-length": "^10$"}),
        HttpCheck(path="/broken", status="500-599", body="it is not"),
        HttpCheck(method="HEAD"),
        HttpCheck(path="/host", method="POST", host="a.example", headers={"X-Check": "yes"}, body="a.example POST yes"),
        HttpCheck(path="/file/large.txt", body="aaa"),
        HttpCheck(path="/file/large.txt", body="the end", body_limit=2 * SIZE_BYTES),
    ],
)
async def test_what_is_expected_passes(web: dict[str, Endpoint], name: str, check: HttpCheck) -> None:
    outcome, reason, detail = await check_once(check, web[name])
    assert (outcome, reason) == (Outcome.PASS, "")
    assert detail in {"200 OK", "500 Internal Server Error"}


@pytest.mark.parametrize("name", ["v4", "v6"])
async def test_requests_and_redirects_go_on_in_the_same_connection(web: dict[str, Endpoint], name: str) -> None:
    further = (HttpRequest(path="/count", body="2"), HttpRequest(path="/moved-here", follow=1, body="4"))
    check = HttpCheck(path="/count", body="1", requests=further)
    assert await check_once(check, web[name]) == (Outcome.PASS, "", "200 OK, 200 OK, 200 OK after 1 redirect")


@pytest.mark.parametrize("name", ["v4", "v6"])
async def test_a_connection_is_used_by_as_many_runs_as_it_may(web: dict[str, Endpoint], name: str) -> None:
    before = peers.descriptors()
    results = await peers.check_often(HttpCheck(path="/first", reuse=2), web[name], 6)
    assert [result.detail for result in results] == ["201 Created", "202 Accepted", "202 Accepted"] * 2
    assert peers.descriptors().keys() == before.keys()


async def test_without_reuse_each_run_has_its_own_connection(web: dict[str, Endpoint]) -> None:
    results = await peers.check_often(HttpCheck(path="/first"), web["v4"], 3)
    assert [result.detail for result in results] == ["201 Created"] * 3


async def test_a_kept_connection_that_the_server_has_closed_is_replaced(web: dict[str, Endpoint]) -> None:
    """The second request that such a server sees on a connection is the end of it, without a word."""
    results = await peers.check_often(HttpCheck(path="/once", reuse=9), web["v4"], 4)
    assert [result.detail for result in results] == ["200 OK"] * 4


@pytest.mark.parametrize("options", [{"keep_alive": False}, {"version": "1.0"}])
async def test_each_may_have_a_connection_of_its_own(web: dict[str, Endpoint], options: dict[str, Any]) -> None:
    further = (HttpRequest(path="/count", body="1"), HttpRequest(path="/moved-here", follow=1, body="1"))
    check = HttpCheck(path="/count", body="1", requests=further, **options)
    assert (await check_once(check, web["v4"]))[2] == "200 OK, 200 OK, 200 OK after 1 redirect"


async def test_a_server_that_closes_without_a_word_is_asked_again_and_then_it_fails(web: dict[str, Endpoint]) -> None:
    result = await check_once(HttpCheck(requests=(HttpRequest(path="/gone"),)), web["v4"])
    closed = "request 2, GET /gone: the connection was closed after 0 bytes of an answer"
    assert result == (Outcome.FAIL, "closed", closed)


@pytest.mark.parametrize("algorithm", [hashlib.md5, hashlib.sha256])
async def test_a_large_body_has_the_digest_of_its_file(
    web: dict[str, Endpoint], algorithm: Callable[[bytes], Any]
) -> None:
    digest = algorithm(b"a" * SIZE_BYTES + b"the end").hexdigest()
    check = HttpCheck(path="/file/large.txt", digest=digest, body_limit=2 * SIZE_BYTES)
    assert await check_once(check, web["v4"]) == (Outcome.PASS, "", "200 OK")


async def test_an_encoding_that_was_not_asked_for_is_named(web: dict[str, Endpoint]) -> None:
    result = await check_once(HttpCheck(path="/encoded", body="dead"), web["v4"])
    assert result[2].endswith("it is encoded, which was not asked for: gzip")


async def test_a_redirect_passes_and_is_not_followed(web: dict[str, Endpoint]) -> None:
    result = await check_once(HttpCheck(path="/moved"), web["v4"])
    assert result == (Outcome.PASS, "", "302 Moved Temporarily")


async def test_the_host_is_the_address_by_default(web: dict[str, Endpoint]) -> None:
    check = HttpCheck(path="/host", body="127.0.0.1 GET")
    assert (await check_once(check, web["v4"]))[0] is Outcome.PASS


@pytest.mark.parametrize(
    ("check", "reason", "words"),
    [
        (HttpCheck(path="/broken"), "status", "status 500 Internal Server Error, must be 200-399"),
        (HttpCheck(path="/file/missing"), "status", "status 404 Not Found, must be 200-399"),
        (HttpCheck(body="dead"), "content", 'no "dead" in the body'),
        (HttpCheck(expect_headers={"Server": "^apache"}), "content", "header server is"),
        (HttpCheck(expect_headers={"X-Missing": "."}), "content", "the answer has no header x-missing"),
        (HttpCheck(path="/file/large.txt", body="the end"), "limit", "in the first 65536 bytes of a larger body"),
        (HttpCheck(path="/gone"), "closed", "the connection was closed after 0 bytes of an answer"),
    ],
)
async def test_anything_else_fails(web: dict[str, Endpoint], check: HttpCheck, reason: str, words: str) -> None:
    outcome, seen, detail = await check_once(check, web["v4"])
    assert (outcome, seen) == (Outcome.FAIL, reason)
    assert words in detail


async def test_a_body_in_chunks_is_put_together(web: dict[str, Endpoint]) -> None:
    coded = HttpCheck(
        path="/file/large.txt",
        expect_headers={"Transfer-Encoding": "chunked"},
        body_regex="athe end$",
        body_limit=2 * SIZE_BYTES,
    )
    assert await check_once(coded, web["chunked"]) == (Outcome.PASS, "", "200 OK")
