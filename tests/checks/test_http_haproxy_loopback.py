"""The `http` check against HAProxy, with each step of the dialogue spoiled, and against one that hangs."""

import subprocess
from collections.abc import Iterator

import pytest

from feedback.checks.check import Check
from feedback.checks.http import HttpCheck
from feedback.checks.http_request import HttpRequest
from feedback.checks.https import HttpsCheck
from feedback.checks.runner import run_once
from feedback.model import Endpoint, Outcome
from feedback.net import Target
from feedback.secret import Secret
from tests.checks import peers
from tests.checks.peers import check_once
from tests.checks.servers.haproxy import bundle, haproxy
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

Web = dict[str, Endpoint]


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[tuple[subprocess.Popen[bytes], Web]]:
    good = bundle(authority.issue("haproxy", "DNS:www.example.com,IP:127.0.0.1"))
    other = bundle(authority.issue("haproxy-other", "DNS:other.example.com"))
    binds = {"v4": "", "v6": "", "tls": f"ssl crt {good} crt {other}", "other": f"ssl crt {other}"}
    with haproxy(tmp_path_factory.mktemp("haproxy"), binds) as server:
        yield server


@pytest.fixture(scope="module")
def web(running: tuple[subprocess.Popen[bytes], Web]) -> Web:
    return running[1]


@pytest.mark.parametrize("name", ["v4", "v6"])
@pytest.mark.parametrize(
    ("check", "detail"),
    [
        (HttpCheck(body="alive"), "200 OK"),
        (HttpCheck(version="1.0", body="HTTP/1.0"), "200 OK"),
        (HttpCheck(path="/health", json={"/status": "ok", "/up": True}, json_regex={"/status": "^o"}), "200 OK"),
        (HttpCheck(path="/old", location="^/health$"), "302 Found"),
        (HttpCheck(path="/old", follow=1, json={"/status": "ok"}), "200 OK after 1 redirect"),
        (HttpCheck(path="/old", follow=1, version="1.0"), "200 OK after 1 redirect"),
        (HttpCheck(path="/moved", location="^http://www.example.com/moved$"), "301 Moved Permanently"),
        (HttpCheck(send="a=b", body="POST a=b"), "200 OK"),
        (HttpCheck(path="/private", user="checker", password=Secret("secret")), "200 OK"),
        (
            HttpCheck(
                path="/health",
                requests=(
                    HttpRequest(path="/private", status=401),
                    HttpRequest(path="/private", user="checker", password=Secret("secret"), body="alive"),
                    HttpRequest(method="HEAD"),
                    HttpRequest(send="q=lvs", body="q=lvs"),
                    HttpRequest(path="/old", follow=3, json={"/up": True}),
                ),
            ),
            "200 OK, 401 Unauthorized, 200 OK, 200 OK, 200 OK, 200 OK after 1 redirect",
        ),
    ],
)
async def test_what_is_expected_passes(web: Web, name: str, check: Check, detail: str) -> None:
    assert await check_once(check, web[name]) == (Outcome.PASS, "", detail)


@pytest.mark.parametrize(
    ("check", "reason", "detail"),
    [
        (HttpCheck(path="/gone"), "status", "status 404 Not Found, must be 200-399"),
        (HttpCheck(path="/private"), "status", "status 401 Unauthorized, must be 200-399"),
        (
            HttpCheck(path="/private", user="checker", password=Secret("wrong")),
            "auth",
            "the login of checker was refused: 401 Unauthorized",
        ),
        (
            HttpCheck(requests=(HttpRequest(), HttpRequest(path="/gone"))),
            "status",
            "request 3, GET /gone: status 404 Not Found, must be 200-399",
        ),
        (HttpCheck(path="/health", json={"/up": False}), "content", "JSON /up is true, must be false"),
        (
            HttpCheck(path="/old", location="/new"),
            "content",
            '302 Found leads to "/health", must lead to /new',
        ),
    ],
)
async def test_anything_else_fails(web: Web, check: Check, reason: str, detail: str) -> None:
    assert await check_once(check, web["v4"]) == (Outcome.FAIL, reason, detail)


async def test_a_404_drains(web: Web) -> None:
    result = await run_once(HttpCheck(path="/gone", disable_on_404=True), Target(web["v4"]), 10.0)
    assert (result.outcome, result.detail) == (Outcome.PASS, "404 Not Found: drained by its server")
    assert result.weight_ratio == 0.0


async def test_a_redirect_to_another_name_goes_on_at_the_same_server(web: Web) -> None:
    """The port that it names is the service's, not the one that is checked."""
    target = Target(web["v4"], vip=Endpoint("192.0.2.1", 80))
    result = await run_once(HttpCheck(path="/moved", follow=3), target, 10.0)
    assert (result.reason, result.detail) == (
        "status",
        "redirected to /moved: 301 Moved Permanently leads on to /moved after 3 redirects",
    )
    lost = await check_once(HttpCheck(path="/moved", follow=1), web["v4"])
    assert lost[1:] == (
        "content",
        "301 Moved Permanently leads to http://www.example.com/moved, which is another service",
    )


async def test_names_of_their_own_have_certificates_of_their_own(web: Web, authority: Authority) -> None:
    check = HttpsCheck(
        ca_file=authority.ca_file,
        host="www.example.com",
        requests=(HttpRequest(host="other.example.com"), HttpRequest(host="www.example.com")),
    )
    outcome, _, detail = await check_once(check, web["tls"])
    assert outcome is Outcome.PASS
    assert detail.startswith("200 OK, 200 OK, 200 OK, certificate expires in ")
    outcome, reason, detail = await check_once(check, web["other"])
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert detail.startswith("request 1, GET /: certificate of ")


@pytest.mark.parametrize(
    "check",
    [
        HttpCheck(body="alive"),
        HttpCheck(version="1.0", body="alive"),
        HttpCheck(path="/health", json={"/status": "ok"}, requests=(HttpRequest(body="alive"),)),
        HttpCheck(path="/old", follow=1, json={"/status": "ok"}),
        HttpCheck(path="/old", location="/health"),
        HttpCheck(send="a=b", body="a=b"),
    ],
)
async def test_it_fails_in_words_wherever_the_dialogue_is_spoiled(web: Web, check: Check) -> None:
    await fails_at_every_step(check, web["v4"], 2)


async def test_it_fails_in_words_wherever_the_dialogue_over_tls_is_spoiled(web: Web) -> None:
    """The request may come with the handshake's last word, in one step: so there are three that are there always."""
    await fails_at_every_step(HttpsCheck(verify=False, body="alive"), web["tls"], 3)


async def test_a_server_that_hangs_fails_at_the_deadline(running: tuple[subprocess.Popen[bytes], Web]) -> None:
    server, web = running
    with stopped(server):
        result = await check_once(HttpCheck(), web["v4"], 0.3)
        assert result == (Outcome.FAIL, "timeout", f"no answer from {web['v4']} within 0.3 s")
        several = HttpCheck(requests=(HttpRequest(),))
        result = await check_once(several, web["v6"], 0.3)
        assert result == (Outcome.FAIL, "timeout", f"request 1, GET /: no answer from {web['v6']} within 0.3 s")
    assert (await check_once(HttpCheck(), web["v4"]))[0] is Outcome.PASS


async def test_a_port_on_which_nobody_listens_fails() -> None:
    with peers.unheard() as bound:
        endpoint = peers.endpoint_of(bound)
        result = await check_once(HttpCheck(requests=(HttpRequest(),)), endpoint)
        assert result == (Outcome.FAIL, "refused", f"request 1, GET /: connection refused by {endpoint}")
