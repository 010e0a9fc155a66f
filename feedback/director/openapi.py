"""The API's own description (OpenAPI 3.1), from the very types that it answers with."""

from typing import Any

import msgspec

from feedback import __version__
from feedback.director.events import Event
from feedback.director.snapshot import DestinationView, ServiceView, Snapshot
from feedback.model import Admin


class AdminChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator wants of a destination."""

    state: Admin


class Events(msgspec.Struct, frozen=True):
    """Events, oldest first."""

    events: tuple[Event, ...]


class Status(msgspec.Struct, frozen=True):
    """What was done, or how it is, in a word."""

    status: str


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, in a sentence; the mistakes in a configuration one by one."""

    error: str
    problems: tuple[str, ...] = ()


def describe() -> dict[str, Any]:
    """Return the description."""
    types = (Snapshot, ServiceView, DestinationView, AdminChange, Events, Status, Error)
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(types, schemas, strict=True))

    def answers(kind: Any, *errors: int) -> dict[str, Any]:
        return {
            "200": _content("done", schema_of[kind]),
            **{str(status): _content(_ERRORS[status], schema_of[Error]) for status in errors},
        }

    return {
        "openapi": "3.1.0",
        "info": {
            "title": "feedback director",
            "version": __version__,
            "description": "Health checks and load feedback for Linux Virtual Server.",
        },
        "paths": {
            "/api/v1/services": {"get": _operation("Everything as of the last tick", answers(Snapshot))},
            "/api/v1/services/{service}": {
                "get": _operation("One service", answers(ServiceView, 404), _path("service"))
            },
            "/api/v1/services/{service}/destinations/{destination}/admin": {
                "put": {
                    **_operation(
                        "Set a destination's admin state; answers when the table has followed",
                        answers(DestinationView, 400, 401, 403, 404, 503),
                        _path("service"),
                        _path("destination"),
                    ),
                    "requestBody": {**_content("the wanted state", schema_of[AdminChange]), "required": True},
                    "security": [{"token": []}],
                }
            },
            "/api/v1/reload": {
                "post": {
                    **_operation("Read the configuration again", answers(Status, 401, 403, 422)),
                    "security": [{"token": []}],
                }
            },
            "/api/v1/events": {
                "get": _operation(
                    "The event log; a stream with Accept: text/event-stream",
                    {
                        **answers(Events, 400),
                        "200": {
                            "description": "events, oldest first",
                            "content": {
                                "application/json": {"schema": schema_of[Events]},
                                "text/event-stream": {"schema": {"type": "string"}},
                            },
                        },
                    },
                    {
                        "name": "after",
                        "in": "query",
                        "description": "only events of a higher sequence",
                        "schema": {"type": "integer", "minimum": 0},
                    },
                )
            },
            "/healthz": {"get": _operation("Whether the director does its work", answers(Status, 503))},
            "/metrics": {
                "get": _operation(
                    "Prometheus metrics",
                    {"200": {"description": "metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}},
                )
            },
        },
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "where one is set"}},
        },
    }


_ERRORS = {
    400: "the request is not understood",
    401: "the token is missing or wrong",
    403: "refused",
    404: "there is no such name",
    422: "the configuration is refused; the old one goes on",
    503: "the director can't do it now",
}


def _operation(summary: str, responses: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "parameters": list(parameters), "responses": responses}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _content(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
