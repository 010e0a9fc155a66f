"""The `http` check against a real web server."""

from collections.abc import Iterator

import pytest

from feedback.checks.http import HttpCheck
from feedback.model import Endpoint, Outcome
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
