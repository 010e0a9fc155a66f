"""The HTTP API: what operators, scripts, the dashboard and Prometheus may ask of the director.

Reading is open to whoever reaches the port. Changes and agents need the token, where one is configured.
"""

import asyncio
import ipaddress
import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from feedback.director.agents import Agents
from feedback.director.control import Control, UnknownNameError
from feedback.director.counts import Counts
from feedback.director.dashboard import add_dashboard
from feedback.director.metrics import CONTENT_TYPE, families, text_of
from feedback.director.openapi import AdminChange, describe
from feedback.director.receive import Receiver, bearer
from feedback.director.snapshot import DestinationView, ServiceView
from feedback.director.stream import Streams
from feedback.enrolment import ENROL_PATH
from feedback.errors import ConfigError, FeedbackError
from feedback.model import Admin
from feedback.secret import Secret

if TYPE_CHECKING:
    from feedback.director.secure import Tls  # what it imports, few directors need

log = logging.getLogger(__name__)

AGENT_PATH = "/agent"
MAX_BODY_BYTES = 16 * 1024
BODY_SECONDS = 5.0
CHANGES = frozenset({"PUT", "POST"})

ViewT = TypeVar("ViewT", ServiceView, DestinationView)


def make_app(
    control: Control, receiver: Receiver, counts: Counts, token: Secret | None = None, tls: "Tls | None" = None
) -> web.Application:
    """Return the application. Without a `token` it must listen on loopback only, but for where it speaks TLS."""
    api = _Api(control, receiver.agents, counts, tls)
    streams = Streams(control.events)
    app = web.Application(middlewares=[_answer_errors, _guard(token)], client_max_size=MAX_BODY_BYTES)
    app.router.add_get(AGENT_PATH, receiver.handle)
    app.router.add_get("/healthz", api.health)
    app.router.add_get("/metrics", api.metrics)
    app.router.add_get("/api/v1/openapi.json", api.openapi)
    app.router.add_get("/api/v1/services", api.services)
    app.router.add_get("/api/v1/services/{service}", api.service)
    app.router.add_put("/api/v1/services/{service}/destinations/{destination}/admin", api.admin)
    app.router.add_post("/api/v1/reload", api.reload)
    app.router.add_get("/api/v1/events", streams.handle)
    add_dashboard(app)
    if tls is not None and tls.store is not None:
        from feedback.director.enrolling import add_enrolment  # noqa: PLC0415 - as above

        add_enrolment(app, tls.store, receiver.agents)
    app.on_response_prepare.append(_never_cache)
    app.on_shutdown.append(lambda _: receiver.close())
    app.on_shutdown.append(lambda _: streams.close())
    return app


class _Api:
    """The requests that are answered at once."""

    def __init__(self, control: Control, agents: Agents, counts: Counts, tls: "Tls | None") -> None:
        self._tls = tls
        self._control = control
        self._agents = agents
        self._counts = counts
        self._description = msgspec.json.encode(describe())

    async def health(self, _: web.Request) -> web.Response:
        """GET /healthz."""
        trouble = self._control.trouble()
        return _error(503, trouble) if trouble else _json({"status": "ok"})

    async def metrics(self, _: web.Request) -> web.Response:
        """GET /metrics: collected in turns and written in a thread, so that checks and agents are not held up."""
        collected = []
        snapshot, now = self._control.snapshot(), time.monotonic()
        ends = {} if self._tls is None else self._tls.ends()
        for family in families(snapshot, self._counts, self._agents, self._control.events, now, ends):
            collected.append(family)
            await asyncio.sleep(0)
        return web.Response(body=await asyncio.to_thread(text_of, collected), headers={"Content-Type": CONTENT_TYPE})

    async def openapi(self, _: web.Request) -> web.Response:
        """GET /api/v1/openapi.json."""
        return web.Response(body=self._description, content_type="application/json")

    async def services(self, _: web.Request) -> web.Response:
        """GET /api/v1/services."""
        return _json(self._control.snapshot())

    async def service(self, request: web.Request) -> web.Response:
        """GET /api/v1/services/{service}."""
        return _json(self._service(request.match_info["service"]))

    async def admin(self, request: web.Request) -> web.Response:
        """PUT .../admin: answers with the destination as it is then."""
        service, destination = request.match_info["service"], request.match_info["destination"]
        self._destination(service, destination)
        state = await _read_admin(request)
        await self._control.set_admin(service, destination, state)
        return _json(self._destination(service, destination))

    async def reload(self, _: web.Request) -> web.Response:
        """POST /api/v1/reload."""
        await self._control.reload()
        return _json({"status": "reloaded"})

    def _service(self, name: str) -> ServiceView:
        return _find(self._control.snapshot().services, name, "there is no service")

    def _destination(self, service: str, name: str) -> DestinationView:
        return _find(self._service(service).destinations, name, f"service {service} has no destination")


def _find(views: Sequence[ViewT], name: str, nothing: str) -> ViewT:
    """Return the view of that name. Raises UnknownNameError, which names those there are."""
    for view in views:
        if view.name == name:
            return view
    raise UnknownNameError(f'{nothing} "{name}"; there are: {", ".join(view.name for view in views) or "none"}')


async def _read_admin(request: web.Request) -> Admin:
    """Return the wanted state. Raises HTTPBadRequest with what would be right."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
        return msgspec.json.decode(body, type=AdminChange).state
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not come within {BODY_SECONDS:g} s") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        states = ", ".join(f'"{state}"' for state in Admin)
        raise web.HTTPBadRequest(text=f'the body must be {{"state": one of {states}}}: {error}') from None


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever went wrong into its status and one sentence."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if request.path == AGENT_PATH:  # plain text, which agents log; after an upgrade there is no next request
            error.force_close()
            raise
        return _http_error(request, error)
    except UnknownNameError as error:
        return _error(404, str(error))
    except ConfigError as error:
        return _json({"error": "the configuration is refused, the old one goes on", "problems": error.problems}, 422)
    except FeedbackError as error:
        return _error(503, str(error))
    except Exception:
        log.exception("request failed method=%s path=%r", request.method, request.path)
        return _error(500, "the director made a mistake: its log says which")


def _http_error(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """Answer aiohttp's own errors as all others."""
    sentence = error.text or error.reason
    if isinstance(error, web.HTTPMethodNotAllowed):
        sentence = f"{request.method} is not possible here: {', '.join(sorted(error.allowed_methods))} are"
    elif isinstance(error, web.HTTPNotFound):
        sentence = f"there is nothing at {request.path}: /api/v1/openapi.json says what there is"
    elif isinstance(error, web.HTTPRequestEntityTooLarge):
        sentence = f"the body is larger than {MAX_BODY_BYTES} bytes"
    headers = {name: error.headers[name] for name in ("Allow", "WWW-Authenticate") if name in error.headers}
    return _error(error.status, sentence, headers)


def _guard(token: Secret | None) -> Middleware:
    """Return the middleware that lets only those in who may."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token is None and not request.secure and not _is_local_name(request.host):
            raise web.HTTPMisdirectedRequest(
                text="without a token the director answers only to an IP address or localhost in the URL"
            )
        if request.method in CHANGES:
            _refuse_foreign_page(request)
            if request.path == ENROL_PATH:  # it has a token of its own
                return await handler(request)
            if token is None and not _comes_from_here(request):
                raise web.HTTPForbidden(text="without token_file, changes are taken from the director's own host alone")
            if token is not None and not token.matches(bearer(request)):
                raise web.HTTPUnauthorized(
                    text="changes need the director's token: Authorization: Bearer",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        return await handler(request)

    return guard


def _comes_from_here(request: web.Request) -> bool:
    """Tell whether a request comes from this host: from loopback, or from the address that it is sent to."""
    transport = request.transport
    if transport is None:
        return False
    peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    return bool(peer and own) and (peer[0] == own[0] or ipaddress.ip_address(peer[0]).is_loopback)


def _is_local_name(host: str) -> bool:
    """Tell whether a Host header can't come from a name that somebody else has pointed at this address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _refuse_foreign_page(request: web.Request) -> None:
    """Refuse a change that a browser sends on behalf of another site's page; browsers name it in Origin."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("//")[2] != request.host:
        raise web.HTTPForbidden(text="changes are not taken from another site's page")


async def _never_cache(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"


def _json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )


def _error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return _json({"error": sentence}, status, headers)
