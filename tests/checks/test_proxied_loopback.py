"""Checks that begin with a PROXY protocol header, against nginx and HAProxy that insist on one."""

from collections.abc import Iterator

import pytest

from feedback.checks.check import Check
from feedback.checks.codecs.proxy_protocol import Form
from feedback.checks.http import HttpCheck
from feedback.checks.http_request import HttpRequest
from feedback.checks.https import HttpsCheck
from feedback.checks.tcp import TcpCheck
from feedback.model import Endpoint, Outcome
from tests.checks.nginx import nginx
from tests.checks.peers import check_once
from tests.checks.servers.haproxy import bundle, haproxy
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

NGINX = """
server {
  listen {listen} proxy_protocol TLS;
  location / { return 200 "$proxy_protocol_addr $proxy_protocol_port, in truth $remote_addr $remote_port\\n"; }
}
"""

OWN = r"^(\S+ \d+), in truth \1$"
"""What nginx says when the header names the connection's own end."""

NOBODY = r"^[0:.]* 0?, in truth"
"""What nginx says when the header names none: whatever stands there, it is no client."""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[dict[str, Endpoint]]:
    pair = authority.issue("proxied", "IP:127.0.0.1,IP:::1")
    tls = f"ssl; ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key}"
    plain = NGINX.replace("TLS", "")
    servers = {"nginx": plain, "nginx 6": plain, "nginx tls": NGINX.replace("TLS", tls)}
    binds = {
        "haproxy": "accept-proxy",
        "haproxy 6": "accept-proxy",
        "haproxy tls": f"accept-proxy ssl crt {bundle(pair)}",
    }
    directory = tmp_path_factory.mktemp("proxied")
    with nginx(directory / "nginx", servers) as first, haproxy(directory / "haproxy", binds) as (_, second):
        yield first | second


@pytest.mark.parametrize("form", ["v1", "v2", "v1-unknown", "v2-own"])
@pytest.mark.parametrize("server", ["nginx", "haproxy"])
async def test_every_form_is_accepted(web: dict[str, Endpoint], authority: Authority, server: str, form: Form) -> None:
    for name in (server, f"{server} 6"):
        check = HttpCheck(proxy_protocol=form, requests=(HttpRequest(),))
        assert await check_once(check, web[name]) == (Outcome.PASS, "", "200 OK, 200 OK")
        assert await check_once(TcpCheck(proxy_protocol=form), web[name]) == (Outcome.PASS, "", "connected")
    outcome, _, detail = await check_once(
        HttpsCheck(proxy_protocol=form, ca_file=authority.ca_file), web[f"{server} tls"]
    )
    assert outcome is Outcome.PASS
    assert detail.startswith("200 OK, certificate expires in ")


@pytest.mark.parametrize("name", ["nginx", "nginx 6"])
@pytest.mark.parametrize(("form", "said"), [("v1", OWN), ("v2-own", OWN), ("v2", NOBODY), ("v1-unknown", NOBODY)])
async def test_the_server_sees_what_the_header_says(web: dict[str, Endpoint], name: str, form: Form, said: str) -> None:
    assert await check_once(HttpCheck(proxy_protocol=form, body_regex=said), web[name]) == (Outcome.PASS, "", "200 OK")


@pytest.mark.parametrize("name", ["nginx", "nginx 6", "haproxy", "haproxy 6"])
async def test_without_a_header_such_a_server_does_not_answer(web: dict[str, Endpoint], name: str) -> None:
    outcome, reason, _ = await check_once(HttpCheck(), web[name])
    assert outcome is Outcome.FAIL
    assert reason in {"closed", "reset"}


@pytest.mark.parametrize("check", [HttpCheck(proxy_protocol="v1"), HttpCheck(proxy_protocol="v2", body="in truth")])
async def test_it_fails_in_words_wherever_the_dialogue_is_spoiled(web: dict[str, Endpoint], check: Check) -> None:
    await fails_at_every_step(check, web["nginx"], 1)
