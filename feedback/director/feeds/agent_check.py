"""The feed `agent_check`: agents for HAProxy, loadbalancer.org's, or any script behind inetd. Pure."""

from typing import Annotated

import msgspec

from feedback.checks.codecs import agent_words
from feedback.checks.codecs.agent_words import Words
from feedback.director.feeds.feed import Feed
from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint
from feedback.net import Net, Stream
from feedback.options import Port
from feedback.report import HostState, Report, failure_line

LINE_LIMIT_BYTES = 1024
METRIC = "agent_check"


class Heard(msgspec.Struct, frozen=True):
    """What an agent has said until now: what it does not repeat goes on holding. why: its words behind the #."""

    words: Words = Words()
    why: str = ""


class AgentCheckFeed(Feed, name=METRIC):
    """What an agent says in HAProxy's agent-check protocol: a line of words on each connection.

    `75%` is taken for what is idle: the metric `agent_check` is 0.25 then. `drain` and `maint` drain the host, `down`,
    `fail` and `stopped` take it out, with the words behind # as the reason; `ready` and `up` take that back. What a
    line does not say stays as it was, as in HAProxy, but not for longer than the agent can be reached.
    """

    port: Annotated[Port, "port on which the agent answers"]
    send: Annotated[str | None, "what to say first, as HAProxy's agent-send"] = None

    def __post_init__(self) -> None:
        self._heard = Heard()

    async def ask(self, endpoint: Endpoint, net: Net) -> Report:
        """Connect, and read a line."""
        async with net.connect_tcp(endpoint) as stream:
            if self.send is not None:
                await stream.write(self.send.encode())
            line = await _read_line(stream)
        self._heard = after(self._heard, line)
        return report_of(self._heard)

    def forget(self) -> None:
        """Let no word outlive its agent."""
        self._heard = Heard()


async def _read_line(stream: Stream) -> str:
    """Return the first line, which a CR or an LF ends. One that is cut off may say something else than was meant."""
    data = b""
    while b"\n" not in data and b"\r" not in data:
        received = await stream.read_some(LINE_LIMIT_BYTES)
        data += received
        if not received:
            raise CheckFailed(Reason.CLOSED, f"the connection was closed after {len(data)} bytes without a line's end")
        if len(data) > LINE_LIMIT_BYTES:
            raise CheckFailed(Reason.LIMIT, f"a line of more than {LINE_LIMIT_BYTES} bytes")
    return data.splitlines()[0].decode("latin-1") if data[:1] not in {b"\r", b"\n"} else ""


def after(before: Heard, line: str) -> Heard:
    """Return what holds after a line: of several words for one thing the last one, and so a new one before an old."""
    words = agent_words.parse(f"{_written(before.words)} {line}")
    comment = line.partition("#")[2].strip()
    return Heard(words, comment or (before.why if words.down and words.down == before.words.down else ""))


def _written(words: Words) -> str:
    """Return words that say what was said; what was not understood is not said again."""
    said = [words.down, "drain" if words.drains else ""]
    if words.share is not None:
        said.append(f"{round(words.share * 100)}%")
    elif words.weight is not None:
        said.append(f"weight:{words.weight}")
    return " ".join(said)


def report_of(heard: Heard) -> Report:
    """Return what an agent of ours would report."""
    words, failures = heard.words, {}
    metrics = {} if words.share is None else {METRIC: max(0.0, 1 - words.share)}
    if words.unknown:
        failures[METRIC] = failure_line(f'the agent says "{words.unknown}", which is no word of agent-check')
    elif words.weight is not None:
        failures[METRIC] = f"the agent says weight:{words.weight}, which is no share of anything: it must say N%"
    state, said = HostState.READY, ""
    if words.down:
        state, said = HostState.DOWN, words.down
    elif words.drains:
        state, said = HostState.DRAIN, "drain"
    why = f"its agent says {said}" + (f": {heard.why}" if heard.why else "") if said else ""
    return Report(metrics=metrics, failures=failures, state=state, why=failure_line(why))
