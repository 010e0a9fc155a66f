"""Several requests to one server, and redirects on the way: on one connection as long as the server keeps it."""

from collections.abc import Callable, Sequence

import msgspec

from feedback.checks.check import Passed
from feedback.checks.codecs.http_body import Body
from feedback.checks.codecs.http_message import HEAD_LIMIT_BYTES, Head
from feedback.checks.codecs.http_redirect import Origin, way
from feedback.checks.http_answer import may_follow, read_head, split
from feedback.checks.http_request import HttpRequest
from feedback.errors import CheckFailed, Reason
from feedback.net import Net, Stream

DRAINED_STATUS = 404

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods of requests that may be asked once more when there was no answer (RFC 9110, 9.2.2)."""

_GONE = frozenset({Reason.CLOSED, Reason.RESET, Reason.TLS})


class Manner(msgspec.Struct, frozen=True):
    """How a check speaks. `name_of`: the name that a server must have a certificate for, by the Host of a request."""

    version: str
    keep_alive: bool
    disable_on_404: bool
    name_of: Callable[[str], str]


class Question(msgspec.Struct, frozen=True):
    """A request as it stands, or where redirects have led it. `name` and `led` say in a failure which it is."""

    request: HttpRequest
    origin: Origin
    method: str
    name: str
    follow: int
    led: str = ""

    @property
    def words(self) -> str:
        """What to call it, "" where there is no other."""
        return ", ".join(filter(None, [self.name, self.led]))

    def redirected(self, head: Head) -> "Question | None":
        """Return what to ask instead where an answer is a redirect to follow. Raises CheckFailed."""
        if not self.request.follow:
            return None
        found = way(head, self.method, self.origin)
        if found is None:
            return None
        if not self.follow:
            raise CheckFailed(
                Reason.STATUS, f"{head.line} leads on to {found.path} after {_redirects(self.request.follow)}"
            )
        there = msgspec.structs.replace(self.origin, host=found.host, path=found.path)
        shown = found.path if found.host == self.origin.host else f"{found.host}{found.path}"
        return Question(self.request, there, found.method, self.name, self.follow - 1, f"redirected to {shown}")

    def line(self, head: Head) -> str:
        """Return the status for people, and how many redirects it took."""
        count = self.request.follow - self.follow
        return f"{head.line} after {_redirects(count)}" if count else head.line


def _redirects(count: int) -> str:
    return "1 redirect" if count == 1 else f"{count} redirects"


class Dialogue:
    """What is still to be asked, and what was answered."""

    def __init__(self, net: Net, questions: Sequence[Question], manner: Manner) -> None:
        self._net = net
        self._left = list(reversed(questions))
        self._manner = manner
        self._lines: list[str] = []
        self._drained = False

    @property
    def next(self) -> Question | None:
        """What is to be asked next, None when all is answered."""
        return self._left[-1] if self._left else None

    async def go_on(self, stream: Stream, *, reusable: bool) -> bool:
        """Ask on a connection as long as the server keeps it, and it will do for what comes next.

        Return whether the next run of the check can use it, where that is wanted: `reusable`.
        """
        fresh = True
        while True:
            question = self._left[-1]
            self._net.stage(question.words)
            keep = reusable or (self._manner.keep_alive and (len(self._left) > 1 or question.follow > 0))
            data = await self._ask(stream, question, keep, fresh)
            if not data and not fresh:
                return False  # the server has just closed what it had kept (RFC 9112, 9.3.1): once more on a new one
            _, data = await read_head(stream, data)
            head, body = split(data, question.request.body_limit, question.method)
            self._left.pop()
            if (instead := question.redirected(head)) is not None:
                self._left.append(instead)
            else:
                await self._judge(stream, question, head, body)
            suits_next = self._suits_next(question)
            if not (keep and (suits_next or reusable) and await may_follow(stream, head, body)):
                return False
            if not suits_next:
                return True
            fresh = False

    async def _ask(self, stream: Stream, question: Question, keep: bool, fresh: bool) -> bytes:
        """Return the first bytes of the answer; b"" where a connection that was kept is gone."""
        origin, manner = question.origin, self._manner
        message = question.request.message(question.method, origin.path, origin.host, manner.version, keep=keep)
        try:
            await stream.write(message)
            return await stream.read_some(HEAD_LIMIT_BYTES)
        except CheckFailed as error:
            if fresh or error.reason not in _GONE:
                raise
            return b""

    async def _judge(self, stream: Stream, question: Question, head: Head, body: Body) -> None:
        request = question.request
        if head.status in request.statuses:
            await request.expected.compare(stream, head, body)
        elif self._manner.disable_on_404 and head.status == DRAINED_STATUS:
            self._drained = True
            self._lines.clear()
            self._left.clear()
        else:
            raise request.wrong_status(head)
        self._lines.append(question.line(head))

    def _suits_next(self, question: Question) -> bool:
        """Return whether a connection will do for what comes next: what must not be asked twice needs a new one."""
        upcoming, name_of = self.next, self._manner.name_of
        return (
            upcoming is not None
            and upcoming.method in IDEMPOTENT
            and name_of(upcoming.origin.host) == name_of(question.origin.host)
        )

    def outcome(self, extra: str) -> str | Passed:
        """Return what the check returns; `extra` ends the detail."""
        detail = ", ".join(self._lines) + extra
        return drained(detail) if self._drained else detail


def drained(detail: str) -> Passed:
    """Return what a check returns whose server drains itself."""
    return Passed(f"{detail}: drained by its server", weight_ratio=0.0)
