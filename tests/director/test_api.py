"""The HTTP API over real sockets, with a fake director behind it."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from feedback.director import listen, stream
from feedback.director.listen import serving
from feedback.director.weights import Terms
from feedback.errors import FeedbackError, TableError
from feedback.model import Admin
from feedback.secret import Secret
from tests.director.fake_control import BROKEN
from tests.director.served import Served, served, until

pytestmark = pytest.mark.loopback

TOKEN = "a-token-of-some-length"
ADMIN = "/api/v1/services/web/destinations/rs2/admin"


@pytest.fixture
async def director() -> AsyncIterator[Served]:
    async with served() as director:
        yield director


@pytest.fixture
async def guarded() -> AsyncIterator[Served]:
    async with served(token=Secret(TOKEN)) as director:
        yield director


TERMS = {
    "utilization": 0.62,
    "aim": 0.58,
    "error": -0.07,
    "follow_seconds": 120.0,
    "wanted_weight": 86.5,
    "tolerance_ratio": 0.025,
    "bound": "tolerance",
}


# --- reading


async def test_services_have_the_shape_that_users_rely_on(director: Served) -> None:
    director.control.change("web", "rs1", weighing=msgspec.convert(TERMS, Terms))
    status, answer = await director.ask("GET", "/api/v1/services")
    assert status == 200
    assert answer == {
        "director": "lvs1",
        "services": [
            {
                "name": "web",
                "address": "192.0.2.10:80",
                "protocol": "tcp",
                "scheduler": "wlc",
                "forwarding": "masquerade",
                "fallback": None,
                "fallback_in_table": False,
                "overloaded": False,
                "overflow": None,
                "overflow_in_table": False,
                "policy_failure": "",
                "destinations": [
                    {
                        "name": name,
                        "address": address,
                        "health": "up",
                        "admin": "enabled",
                        "in_table": True,
                        "weight": 87,
                        "base_weight": 100,
                        "utilization": 0.625,
                        "metrics": {"cpu": 0.625, "memory": 0.25},
                        "agent": "connected",
                        "active_connections": 12,
                        "inactive_connections": 3,
                        "checks": [
                            {
                                "name": "http",
                                "health": "up",
                                "outcome": "pass",
                                "reason": "",
                                "detail": "200 OK",
                                "duration_seconds": 0.002,
                                "weight_ratio": None,
                            }
                        ],
                        "why": "up; weight 87 of base 100",
                        "failures": {},
                        "weighing": None if name == "rs2" else TERMS,
                    }
                    for name, address in (("rs1", "10.2.0.11:8080"), ("rs2", "10.2.0.12:8080"))
                ],
            }
        ],
    }


async def test_one_service_can_be_read_alone(director: Served) -> None:
    _, whole = await director.ask("GET", "/api/v1/services")
    assert await director.ask("GET", "/api/v1/services/web") == (200, whole["services"][0])


async def test_an_unknown_service_is_answered_with_those_there_are(director: Served) -> None:
    assert await director.ask("GET", "/api/v1/services/wbe") == (
        404,
        {"error": 'there is no service "wbe"; there are: web'},
    )


async def test_nothing_is_cached_and_nothing_is_guessed(director: Served) -> None:
    async with director.session.get(director.url + "/api/v1/services") as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Type"].startswith("application/json")


async def test_healthz_says_what_keeps_the_director_from_its_work(director: Served) -> None:
    assert await director.ask("GET", "/healthz") == (200, {"status": "ok"})
    director.control.sorrow = "the table can't be read: Operation not permitted"
    assert await director.ask("GET", "/healthz") == (503, {"error": director.control.sorrow})


async def test_metrics_are_prometheus_text(director: Served) -> None:
    async with director.session.get(director.url + "/metrics") as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert 'feedback_destination_weight{destination="rs1",service="web"} 87.0\n' in await response.text()


async def test_the_description_names_every_path_and_only_those(director: Served) -> None:
    _, description = await director.ask("GET", "/api/v1/openapi.json")
    served_paths = {
        (resource.canonical, route.method.lower())
        for route in director.app.router.routes()
        if (resource := route.resource) is not None and route.method != "HEAD"
    }
    described = {(path, method) for path, item in description["paths"].items() for method in item}
    pages = {("/", "get"), ("/dashboard.css", "get"), ("/dashboard.js", "get"), ("/agent", "get")}
    assert described == served_paths - pages - {("/api/v1/openapi.json", "get")}


async def test_the_description_describes_the_answers(director: Served) -> None:
    _, description = await director.ask("GET", "/api/v1/openapi.json")
    _, answer = await director.ask("GET", "/api/v1/services")
    schemas = description["components"]["schemas"]
    assert schemas["Snapshot"]["properties"].keys() == answer.keys()
    assert schemas["DestinationView"]["properties"].keys() == answer["services"][0]["destinations"][0].keys()
    assert set(schemas["Admin"]["enum"]) == set(Admin)
    references = set(_references(description))
    assert references
    assert {f"#/components/schemas/{name}" for name in schemas} >= references


def _references(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _references(value)


# --- changes


@pytest.mark.parametrize("state", ["drain", "maintenance", "enabled"])
async def test_an_admin_state_is_set_and_answered_with_the_destination(director: Served, state: str) -> None:
    status, answer = await director.ask("PUT", ADMIN, json={"state": state})
    assert (status, answer["name"], answer["admin"]) == (200, "rs2", state)
    assert [seen.admin for seen in director.control.services[0].destinations] == ["enabled", state]


@pytest.mark.parametrize(
    "body",
    [b"", b"drain", b"[]", b'"drain"', b"{}", b'{"state": "off"}', b'{"state": "drain", "weight": 3}', b"[" * 9000],
)
async def test_a_body_that_is_no_admin_state_is_refused_with_the_allowed_ones(director: Served, body: bytes) -> None:
    status, answer = await director.ask("PUT", ADMIN, data=body)
    assert status == 400
    assert answer["error"].startswith('the body must be {"state": one of "enabled", "drain", "maintenance"}: ')
    assert {seen.admin for seen in director.control.services[0].destinations} == {"enabled"}


async def test_a_body_that_is_too_large_is_refused(director: Served) -> None:
    assert await director.ask("PUT", ADMIN, data=b" " * 20_000) == (
        413,
        {"error": "the body is larger than 16384 bytes"},
    )


async def test_a_body_that_never_comes_is_not_waited_for(director: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feedback.director.api.BODY_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection(director.where.address, director.where.port)
    writer.write(f"PUT {ADMIN} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/v1/services/web/destinations/rs9/admin", 'service web has no destination "rs9"; there are: rs1, rs2'),
        ("/api/v1/services/x/destinations/rs1/admin", 'there is no service "x"; there are: web'),
    ],
)
async def test_an_unknown_destination_is_answered_with_those_there_are(
    director: Served, path: str, sentence: str
) -> None:
    assert await director.ask("PUT", path, json={"state": "drain"}) == (404, {"error": sentence})


async def test_a_change_that_the_director_can_not_make_is_its_sentence(director: Served) -> None:
    director.control.failure = TableError("the table can't be read: Operation not permitted")
    assert await director.ask("PUT", ADMIN, json={"state": "drain"}) == (
        503,
        {"error": "the table can't be read: Operation not permitted"},
    )


async def test_a_mistake_of_the_director_is_logged_and_not_shown(
    director: Served, caplog: pytest.LogCaptureFixture
) -> None:
    director.control.services = ()
    director.control.snapshot = lambda: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    assert await director.ask("GET", "/api/v1/services") == (
        500,
        {"error": "the director made a mistake: its log says which"},
    )
    assert "ZeroDivisionError" in caplog.text


async def test_reload_reads_the_configuration_again(director: Served) -> None:
    assert await director.ask("POST", "/api/v1/reload") == (200, {"status": "reloaded"})
    assert director.control.reloads == 1


async def test_a_broken_configuration_is_refused_with_every_problem(director: Served) -> None:
    director.control.failure = BROKEN
    assert await director.ask("POST", "/api/v1/reload") == (
        422,
        {"error": "the configuration is refused, the old one goes on", "problems": list(BROKEN.problems)},
    )


async def test_another_method_is_answered_with_the_right_ones(director: Served) -> None:
    async with director.session.delete(director.url + ADMIN) as response:
        assert (response.status, response.headers["Allow"]) == (405, "PUT")
        assert await response.json() == {"error": "DELETE is not possible here: PUT are"}


async def test_another_path_is_answered_with_where_to_look(director: Served) -> None:
    assert await director.ask("GET", "/api/v2") == (
        404,
        {"error": "there is nothing at /api/v2: /api/v1/openapi.json says what there is"},
    )


# --- who may


async def test_changes_need_the_token_and_reading_does_not(guarded: Served) -> None:
    refused = (401, {"error": "changes need the director's token: Authorization: Bearer"})
    wrong = {"Authorization": "Bearer another-token-than-this"}
    basic = {"Authorization": f"Basic {TOKEN}"}
    for headers in ({}, wrong, basic):
        assert await guarded.ask("PUT", ADMIN, json={"state": "drain"}, headers=headers) == refused
        assert await guarded.ask("POST", "/api/v1/reload", headers=headers) == refused
    assert (await guarded.ask("GET", "/api/v1/services"))[0] == 200
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert (await guarded.ask("PUT", ADMIN, json={"state": "drain"}, headers=right))[0] == 200
    assert guarded.control.reloads == 0


async def test_the_token_is_never_logged(guarded: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        await guarded.ask("POST", "/api/v1/reload", headers={"Authorization": f"Bearer {TOKEN}"})
        await guarded.ask("POST", "/api/v1/reload", headers={"Authorization": f"Bearer {TOKEN}x"})
    assert TOKEN not in caplog.text


async def test_a_page_of_another_site_can_change_nothing(director: Served) -> None:
    for origin in ("http://evil.example", "null", "http://["):
        assert await director.ask("POST", "/api/v1/reload", headers={"Origin": origin}) == (
            403,
            {"error": "changes are not taken from another site's page"},
        )
    own = {"Origin": director.url}
    assert (await director.ask("POST", "/api/v1/reload", headers=own))[0] == 200
    assert director.control.reloads == 1


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8600", "127.0.0.1.evil.example", "", "[::1"])
async def test_a_name_that_somebody_pointed_at_loopback_gets_no_answer(director: Served, host: str) -> None:
    status, answer = await director.ask("GET", "/api/v1/services", headers={"Host": host})
    assert status == 421
    assert answer == {"error": "without a token the director answers only to an IP address or localhost in the URL"}


@pytest.mark.parametrize("host", ["localhost", "localhost:8600", "127.0.0.1", "[::1]:8600", "a.localhost"])
async def test_loopback_by_its_own_names_gets_an_answer(director: Served, host: str) -> None:
    assert (await director.ask("GET", "/healthz", headers={"Host": host}))[0] == 200


async def test_with_a_token_any_name_is_answered(guarded: Served) -> None:
    assert (await guarded.ask("GET", "/healthz", headers={"Host": "lvs1.example:8600"}))[0] == 200


# --- events


async def test_events_are_listed_and_can_be_asked_for_after_a_sequence(director: Served) -> None:
    director.control.events.record("removed", "rs2 removed from web", "web", "rs2")
    director.control.events.record("config", "reloaded")
    status, answer = await director.ask("GET", "/api/v1/events")
    assert status == 200
    assert answer["events"][0] == {
        "sequence": 1,
        "at": 1_700_000_000.0,
        "kind": "removed",
        "message": "rs2 removed from web",
        "service": "web",
        "destination": "rs2",
    }
    _, answer = await director.ask("GET", "/api/v1/events?after=1")
    assert [event["sequence"] for event in answer["events"]] == [2]


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "9" * 30, "²"])
async def test_what_is_no_sequence_is_refused(director: Served, after: str) -> None:
    sentence = "after must be the sequence of an event, a whole number from 0 up"
    assert await director.ask("GET", "/api/v1/events", params={"after": after}) == (400, {"error": sentence})


@contextlib.asynccontextmanager
async def streaming(director: Served, path: str = "/api/v1/events", **headers: str) -> AsyncIterator[Any]:
    """Yield a function that returns the next frame that is neither a comment nor the retry."""
    accept = {"Accept": "text/event-stream", **headers}
    async with asyncio.timeout(5), director.session.get(director.url + path, headers=accept) as response:
        assert response.headers["Content-Type"] == "text/event-stream"

        async def frame() -> dict[str, str]:
            while True:
                text = (await response.content.readuntil(b"\n\n")).decode()
                fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
                if "data" in fields:
                    return fields

        yield frame


async def test_a_stream_tells_what_is_kept_and_then_what_comes(director: Served) -> None:
    director.control.events.record("config", "before")
    async with streaming(director) as frame:
        first = await frame()
        assert (first["id"], msgspec.json.decode(first["data"])["message"]) == ("1", "before")
        director.control.events.record("config", "after")
        second = await frame()
        assert (second["id"], msgspec.json.decode(second["data"])["message"]) == ("2", "after")
        assert director.control.events.listeners == 1


async def test_a_stream_goes_on_after_the_last_event_that_came(director: Served) -> None:
    for number in range(4):
        director.control.events.record("config", str(number))
    async with streaming(director, **{"Last-Event-ID": "3"}) as frame:
        assert (await frame())["id"] == "4"
    async with streaming(director, "/api/v1/events?after=2") as frame:
        assert (await frame())["id"] == "3"


async def test_a_listener_that_has_missed_events_is_told_how_many(
    director: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedback.director.events.MAX_WAITING", 2)
    async with streaming(director) as frame:
        await until(lambda: director.control.events.listeners == 1)
        for number in range(5):
            director.control.events.record("config", str(number))
        assert await frame() == {"event": "missed", "data": '{"missed":3}'}
        assert (await frame())["id"] == "4"


async def test_a_quiet_stream_shows_that_it_lives(director: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEPALIVE_SECONDS", 0.01)
    accept = {"Accept": "text/event-stream"}
    async with asyncio.timeout(5), director.session.get(director.url + "/api/v1/events", headers=accept) as response:
        assert await response.content.readuntil(b"\n\n") == b"retry: 2000\n\n"
        assert await response.content.readuntil(b"\n\n") == b":\n\n"


async def test_a_listener_that_goes_is_forgotten(director: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEPALIVE_SECONDS", 0.01)
    async with streaming(director):
        pass
    await until(lambda: director.control.events.listeners == 0)


async def test_listeners_are_limited(director: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_LISTENERS", 1)
    async with streaming(director):
        accept = {"Accept": "text/event-stream"}
        assert await director.ask("GET", "/api/v1/events", headers=accept) == (
            503,
            {"error": "1 listen already: try again later"},
        )


async def test_the_end_of_the_director_ends_its_streams() -> None:
    async with asyncio.timeout(5), contextlib.AsyncExitStack() as stack:
        director = await stack.enter_async_context(served())
        accept = {"Accept": "text/event-stream"}
        response = await director.session.get(director.url + "/api/v1/events", headers=accept)
        await response.content.readuntil(b"\n\n")
        closing = asyncio.create_task(stack.pop_all().aclose())
        assert await response.content.read() == b""
        await closing


# --- the listener


async def test_an_address_that_is_taken_is_a_sentence(director: Served) -> None:
    with pytest.raises(FeedbackError, match=f"^can't listen on {director.where}: Address already in use$"):
        async with serving(director.app, director.where):
            raise AssertionError("it must not serve")


async def test_a_connection_that_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "IDLE_SECONDS", 0.05)
    async with asyncio.timeout(5), served() as director:
        reader, writer = await asyncio.open_connection(director.where.address, director.where.port)
        writer.write(b"GET /healthz HT")
        assert await reader.read() == b""
        writer.close()


async def test_connections_beyond_half_of_the_descriptors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4, 4))
    async with asyncio.timeout(5), served() as director:
        first, *others = [await asyncio.open_connection(director.where.address, director.where.port) for _ in range(3)]
        assert await others[-1][0].read() == b""
        first[1].write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert await first[0].readline() == b"HTTP/1.1 200 OK\r\n"
        for _, writer in (first, *others):
            writer.close()
