"""GET /api/v1/events: the event log as JSON, or as Server-Sent Events that go on for as long as somebody listens."""

import asyncio

import msgspec
from aiohttp import web

from feedback.director.events import Event, EventLog, Subscription

MAX_LISTENERS = 64
KEEPALIVE_SECONDS = 15.0
WRITE_SECONDS = 30.0
"""How long a listener may leave everything unread that it was sent."""


class Streams:
    """Answers with events, and ends every stream when the director does."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer as the Accept header wants it: events after `?after=`, or after Last-Event-ID."""
        after = _number(request.query.get("after", "0"), "after")
        if "text/event-stream" not in request.headers.get("Accept", ""):
            events = self._events.events(after)
            return web.Response(body=msgspec.json.encode({"events": events}), content_type="application/json")
        after = _number(request.headers.get("Last-Event-ID", str(after)), "Last-Event-ID")
        return await self._stream(request, after)

    async def close(self) -> None:
        """End every stream; browsers come back by themselves."""
        for task in self._tasks:
            task.cancel()

    async def _stream(self, request: web.Request, after: int) -> web.StreamResponse:
        if len(self._tasks) >= MAX_LISTENERS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_LISTENERS} listen already: try again later")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._tell(request, response, after), name=f"events to {request.remote}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse, after: int) -> None:
        """Send what is kept, and then what comes, until the listener goes."""
        with self._events.subscribe() as subscription:
            try:
                await response.prepare(request)
                await _send(response, b"retry: 2000\n\n")
                for event in self._events.events(after):
                    await _send(response, _frame(event))
                    after = event.sequence
                while True:
                    await _send(response, await _next(subscription, after))
            except (ConnectionError, TimeoutError):
                return


async def _next(subscription: Subscription, after: int) -> bytes:
    """Return the next events as frames; a comment where there is nothing for so long that a proxy may give up."""
    try:
        async with asyncio.timeout(KEEPALIVE_SECONDS):
            events, missed = await subscription.next()
    except TimeoutError:
        return b":\n\n"
    lost = b'event: missed\ndata: {"missed":%d}\n\n' % missed if missed else b""
    return lost + b"".join(_frame(event) for event in events if event.sequence > after)


async def _send(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(data)


def _frame(event: Event) -> bytes:
    return b"id: %d\ndata: %b\n\n" % (event.sequence, msgspec.json.encode(event))


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise web.HTTPBadRequest(text=f"{name} must be the sequence of an event, a whole number from 0 up")
    return int(text)
