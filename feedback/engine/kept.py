"""TCP connections that stay open from one run of a check to its next."""

import time
from types import TracebackType
from typing import Protocol

from feedback.engine.stream import READABLE, TcpStream
from feedback.engine.waiting import Awaited, Owner
from feedback.model import Endpoint
from feedback.net import Egress

IDLE_SECONDS = 60.0
"""A connection that nobody has used for so long is closed. Most servers do so earlier."""


class Kept:
    """The idle connections of one check of one target, at most one to each endpoint.

    What happens to an idle connection ends it, and nobody hears of that: it is dropped when the peer closes it or says
    what nobody asked for, when its time is over, and when the engine closes.
    """

    __slots__ = ("_closed", "_idle")

    def __init__(self) -> None:
        self._idle: dict[Endpoint, _Idle] = {}
        self._closed = False

    def take(self, endpoint: Endpoint, owner: Owner) -> TcpStream | None:
        """Return a connection that stands, which is `owner`'s from now on; None without one."""
        idle = self._idle.get(endpoint)
        return None if idle is None else idle.end(owner)

    def put(self, stream: TcpStream) -> None:
        """Keep a connection that its owner needs no more; close it if it is of no use."""
        other = self._idle.get(stream.endpoint)
        if self._closed or other is not None or not stream.is_quiet():
            stream.close()
        else:
            self._idle[stream.endpoint] = _Idle(stream, self._idle)

    def close(self) -> None:
        """Close all, and keep no more."""
        self._closed = True
        for idle in tuple(self._idle.values()):
            idle.cancel()


class _Idle:
    """A connection that waits for its next run; the owner of its stream until then."""

    awaited: Awaited | None = None

    def __init__(self, stream: TcpStream, siblings: "dict[Endpoint, _Idle]") -> None:
        self.engine = stream.owner.engine
        self._stream = stream
        self._siblings = siblings
        self._expiry = self.engine.deadlines.add(time.monotonic() + IDLE_SECONDS, self)
        stream.owner = self

    async def pause(self) -> None:
        """Do nothing: nobody reads meanwhile."""

    def resume(self) -> None:
        """Drop the connection when it ends, or when there is something to read."""
        if self._stream.events & READABLE:
            self.cancel()

    def expire(self) -> None:
        """Drop the connection: nobody has used it for too long."""
        self.cancel()

    def cancel(self) -> None:
        """Close the connection. Harmless when that is done, or when it is in use again."""
        if self._leave():
            self._stream.close()

    def end(self, owner: Owner) -> TcpStream | None:
        """Return the connection for its next run, or None when it turns out to be of no use."""
        self._leave()
        if not self._stream.is_quiet():
            self._stream.close()
            return None
        self._stream.begin_reuse(owner)
        return self._stream

    def _leave(self) -> bool:
        """Be kept no more; return whether it was until now."""
        self._expiry.discard(self)
        endpoint = self._stream.endpoint
        if self._siblings.get(endpoint) is not self:
            return False
        del self._siblings[endpoint]
        return True


class KeepingOwner(Owner, Protocol):
    """A run of a check, with what the runs before have kept: None where nothing can be, or no more.

    afresh: it has begun again, after one of them turned out to be broken.
    """

    kept: Kept | None
    afresh: bool


class ReusableTcp:
    """A connection for one block: a kept one, or else a new one. It is kept at the end of a block that ends well."""

    def __init__(
        self, owner: KeepingOwner, endpoint: Endpoint, brief: bool, egress: Egress | None, reuses: int
    ) -> None:
        self._owner = owner
        self._endpoint = endpoint
        self._brief = brief
        self._egress = egress
        self._reuses = reuses
        self._stream: TcpStream

    async def __aenter__(self) -> TcpStream:
        owner = self._owner
        kept = None if owner.kept is None or owner.afresh else owner.kept.take(self._endpoint, owner)
        owner.awaited = self._stream = kept or TcpStream(owner, self._endpoint, self._brief, self._egress)
        return self._stream if kept else await self._stream.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stream, kept = self._stream, self._owner.kept
        if kind is None and kept is not None and stream.keep and stream.reuses < self._reuses:
            kept.put(stream)
        else:
            stream.close()
