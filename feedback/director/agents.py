"""What the director knows of agents: who is connected, what each reported last, and what its host asks for. Pure.

A name belongs to the connection that said hello with it, until that one has been silent for three intervals. Nothing
a connection sends can do more than cut it off: what is wrong, too much, too often or in another's name ends it, with a
reason that is counted and told.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec

from feedback.director.desired import Asks
from feedback.director.estimate import STALE_AFTER_INTERVALS, STALE_AFTER_SECONDS, fresh
from feedback.director.link import Bucket, CutOffError, Link, Refusal
from feedback.director.said import READY, Said
from feedback.errors import WireError
from feedback.model import AgentState
from feedback.report import (
    MAX_FRAME_BYTES,
    WIRE_VERSION,
    Accepted,
    AgentFrame,
    Goodbye,
    Hello,
    Report,
    SetWish,
    Wish,
    decode_agent_frame,
    encode,
    failure_line,
)

GOODBYE_HOLD_SECONDS = 600.0
"""How long a goodbye keeps a host out that does not come back: longer than a reboot, and not for ever."""

SAID_HOLD_SECONDS = 60.0
"""How long what an agent has found of its host holds when it reports no more: then its checks alone decide."""

FRAMES_PER_SECOND = 40.0
FRAMES_BURST = 240.0
"""Twice the shortest interval's rate, and what a stalled connection delivers at once after six seconds."""
REQUEST_COST = 20.0
"""A hello, a wish and a goodbye each cause a tick and an event, and so count as this many reports."""

LOOKS_PER_SECOND = 1.0
LOOKS_BURST = 20.0
"""How often changes of one host's state may bring the next tick forward."""

EVENTS_PER_SECOND = 0.1
EVENTS_BURST = 20.0
"""How much one agent, or all refused ones together, may make the director tell."""
MAX_FAILURES_TOLD = 3
MAX_UNKNOWN_TOLD = 16
"""Words of a newer protocol that are told of one agent, each once."""
MAX_NAMES_TOLD = 3


class Heard(msgspec.Struct, frozen=True):
    """What comes of a frame: bytes to answer with, and whether the director should look at once."""

    answer: bytes = b""
    matters: bool = False


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one agent at one moment.

    `metrics` and `failures` are the newest report's while it is fresh, whether or not the connection still stands.
    `arrived` is when that report came, in the director's monotonic seconds. `said` is what it said of its host.
    """

    state: AgentState = AgentState.ABSENT
    metrics: Mapping[str, float] = {}
    failures: Mapping[str, str] = {}
    arrived: float | None = None
    interval_seconds: float = 1.0
    asks: Asks = "ready"
    said: Said = READY


class Teller:
    """Tells what agents do, but not all of it at any rate: theirs must not wash the other events away."""

    def __init__(self, record: Callable[[str, str], None]) -> None:
        self._record = record
        self._bucket = Bucket(EVENTS_PER_SECOND, EVENTS_BURST)
        self._untold = 0

    def tell(self, message: str, now: float) -> None:
        """Record an event, or count it for the next one to mention."""
        if not self._bucket.take(1, now):
            self._untold += 1
            return
        self._record(
            "agent", f"{message} ({self._untold} events before this one are left out)" if self._untold else message
        )
        self._untold = 0


class _Agent:
    """What is kept of one name that the configuration knows."""

    __slots__ = (
        "arrived",
        "bucket",
        "connected",
        "failing",
        "goodbye",
        "interval",
        "link",
        "looks",
        "name",
        "report",
        "said",
        "silent",
        "teller",
        "unknown",
        "wish",
    )

    def __init__(self, name: str, teller: Teller, wish: Wish = Wish.READY) -> None:
        self.name = name
        self.teller = teller
        self.wish = wish
        self.link: Link | None = None
        self.connected = 0.0
        self.interval = 1.0
        self.report: Report | None = None
        self.said = READY
        self.arrived: float | None = None
        self.goodbye: float | None = None
        self.bucket = Bucket(FRAMES_PER_SECOND, FRAMES_BURST)
        self.looks = Bucket(LOOKS_PER_SECOND, LOOKS_BURST)
        self.silent = False  # whether its silence has been told
        self.failing: frozenset[str] = frozenset()  # the sources whose failure has been told
        self.unknown: set[str] = set()  # words of a newer protocol that have been told

    def tell(self, what: str, now: float) -> None:
        self.teller.tell(f"agent {self.name} {what}", now)

    def is_fresh(self, now: float) -> bool:
        return self.arrived is not None and fresh(self.arrived, now, self.interval)

    def is_silent(self, now: float) -> bool:
        """Say whether it is connected, has had the time to report, and has nothing fresh to show."""
        return self.link is not None and not self.is_fresh(now) and not fresh(self.connected, now, self.interval)

    def asks(self, now: float) -> Asks:
        if self.goodbye is not None and now - self.goodbye < GOODBYE_HOLD_SECONDS:
            return "goodbye"
        return "drain" if self.wish is Wish.DRAIN else "ready"


class Agents:
    """Every agent that the configuration names.

    `record(kind, message)` is told what changed. `wishes` are those that outlived a restart of the director.
    """

    def __init__(
        self, known: Iterable[str], record: Callable[[str, str], None], wishes: Mapping[str, Wish] | None = None
    ) -> None:
        kept = wishes or {}
        self._agents = {name: _Agent(name, Teller(record), kept.get(name, Wish.READY)) for name in known}
        self._record = record
        self._refusals = Teller(record)
        self.frames = 0
        self.reports = 0
        self.unknown_words = 0
        self.refused: Counter[Refusal] = Counter()

    def set_known(self, names: Iterable[str], now: float) -> None:
        """Know these names from now on. The agents that are gone from the configuration are cut off and forgotten."""
        wanted = set(names)
        for name in self._agents.keys() - wanted:
            link = self._agents[name].link
            if link is not None:
                self.cut_off(link, CutOffError(Refusal.UNKNOWN, f'no destination names agent "{name}" any more'), now)
            del self._agents[name]
        for name in wanted - self._agents.keys():
            self._agents[name] = _Agent(name, Teller(self._record))

    def hear(self, link: Link, data: bytes, now: float) -> Heard:
        """Take a frame. Raises CutOffError when the connection must end; it is lost then."""
        self.frames += 1
        unknown: list[str] = []
        try:
            heard = self._take(link, _decode(data, unknown.append), now)
        except CutOffError as error:
            self._end(link, error, now)
            raise
        if unknown:
            self._note_unknown(link, unknown, now)
        return heard

    def ping(self, link: Link, now: float) -> None:
        """Take a ping. Raises CutOffError as `hear` does."""
        try:
            self._charge(link, 1, now)
        except CutOffError as error:
            self._end(link, error, now)
            raise

    def lose(self, link: Link, why: str, now: float) -> None:
        """Take notice that a connection has ended, if it was an agent's until now."""
        agent = self._forget(link)
        if agent is not None:
            agent.tell(f"is gone: {why}", now)

    def cut_off(self, link: Link, error: CutOffError, now: float) -> None:
        """End a connection from the director's side."""
        self._end(link, error, now)
        link.cut(error)

    def refuse(self, who: str, error: CutOffError, now: float) -> None:
        """Count a refusal and tell it, unless too many were told lately."""
        self.refused[error.refusal] += 1
        self._refusals.tell(f"{who} was cut off: {error}", now)

    def note(self, message: str, now: float) -> None:
        """Tell what has come of a certificate, unless too much was told lately."""
        self._refusals.tell(message, now)

    def view(self, name: str, now: float) -> AgentView:
        """Return what is known of the agent called `name`; of one that nobody names: that it is absent."""
        agent = self._agents.get(name)
        if agent is None:
            return AgentView()
        report = agent.report if agent.is_fresh(now) else None
        if agent.link is None:
            state = AgentState.ABSENT
        else:
            state = AgentState.STALE if agent.is_silent(now) else AgentState.CONNECTED
        return AgentView(
            state=state,
            metrics=report.metrics if report else {},
            failures=report.failures if report else {},
            arrived=agent.arrived,
            interval_seconds=agent.interval,
            asks=agent.asks(now),
            said=agent.said,
        )

    def wishes(self) -> dict[str, Wish]:
        """Return the wishes that must outlive the director: those that are not `ready`, by agent."""
        return {name: agent.wish for name, agent in self._agents.items() if agent.wish is not Wish.READY}

    def metrics(self, now: float) -> dict[str, Mapping[str, float]]:
        """Return what is reported of each host, by agent, as far as it is fresh."""
        return {
            name: agent.report.metrics for name, agent in self._agents.items() if agent.report and agent.is_fresh(now)
        }

    def connected(self) -> int:
        """Return how many agents are connected."""
        return sum(agent.link is not None for agent in self._agents.values())

    def tick(self, now: float) -> None:
        """Tell what time alone has changed: goodbyes that are over, agents that fell silent, sources that fail."""
        for agent in self._agents.values():
            if agent.goodbye is not None and now - agent.goodbye >= GOODBYE_HOLD_SECONDS:
                agent.goodbye = None
                minutes = GOODBYE_HOLD_SECONDS / 60
                agent.tell(f"said goodbye {minutes:g} minutes ago and has not come back: its checks alone decide", now)
            _let_go(agent, now)
            _tell_silence(agent, now)
            _tell_failures(agent, now)

    def _end(self, link: Link, error: CutOffError, now: float) -> None:
        who = f"a connection from {link.peer}" if link.name is None else f"agent {link.name} from {link.peer}"
        self.refuse(who, error, now)
        self._forget(link)

    def _holder(self, link: Link) -> _Agent | None:
        """Return the agent whose connection this is."""
        agent = self._agents.get(link.name) if link.name is not None else None
        return agent if agent is not None and agent.link is link else None

    def _forget(self, link: Link) -> _Agent | None:
        """Take the name away from a connection. Return the agent that it was the connection of."""
        agent = self._holder(link)
        if agent is not None:
            agent.link = None
        return agent

    def _take(self, link: Link, frame: AgentFrame, now: float) -> Heard:
        if isinstance(frame, Hello):
            return self._hello(link, frame, now)
        if isinstance(frame, Report):
            agent = self._charge(link, 1, now)
            _check_order(link, frame)
            self.reports += 1
            return _keep_report(agent, frame, now)
        agent = self._charge(link, REQUEST_COST, now)
        if isinstance(frame, SetWish):
            _change_wish(agent, frame.wish, now)
            return Heard(encode(Accepted(frame.wish)), matters=True)
        return _take_leave(agent, frame, now)

    def _note_unknown(self, link: Link, unknown: Iterable[str], now: float) -> None:
        """Count words that a newer agent has, and tell of each once."""
        agent = self._holder(link)
        for words in unknown:
            self.unknown_words += 1
            if agent is not None and words not in agent.unknown and len(agent.unknown) < MAX_UNKNOWN_TOLD:
                agent.unknown.add(words)
                agent.tell(f"says {words}, which this director does not know: it counts as ready", now)

    def _charge(self, link: Link, cost: float, now: float) -> _Agent:
        """Return the agent that speaks, when it may: it has said hello, and does not speak too often."""
        agent = self._holder(link)
        if agent is None:
            raise CutOffError(Refusal.ORDER, "the first frame must be a hello")
        if not agent.bucket.take(cost, now):
            raise CutOffError(Refusal.RATE, f"more than {FRAMES_PER_SECOND:g} frames a second")
        link.heard = now
        return agent

    def _hello(self, link: Link, hello: Hello, now: float) -> Heard:
        if link.name is not None:
            raise CutOffError(Refusal.ORDER, "a second hello on one connection")
        if hello.version < WIRE_VERSION:  # a newer one only adds what may be passed over
            raise CutOffError(
                Refusal.VERSION,
                f"it speaks version {hello.version} of the protocol, this director {WIRE_VERSION} and newer ones",
            )
        if link.names is not None and hello.agent not in link.names:
            raise CutOffError(
                Refusal.NAME, f'its certificate is for {_listed(link.names)}, and not for agent "{hello.agent}"'
            )
        agent = self._agents.get(hello.agent)
        if agent is None:
            raise CutOffError(Refusal.UNKNOWN, f'no destination names agent "{hello.agent}"')
        holder = agent.link
        if holder is not None and now - holder.heard < _patience(agent):
            raise CutOffError(Refusal.TAKEN, f'the name "{hello.agent}" is taken by the connection from {holder.peer}')
        if not agent.bucket.take(REQUEST_COST, now):
            raise CutOffError(Refusal.RATE, f'agent "{hello.agent}" connects too often')
        if holder is not None:
            sentence = f"{link.peer} takes over from {holder.peer}, silent for {now - holder.heard:.1f} s"
            self.cut_off(holder, CutOffError(Refusal.TAKEN, sentence), now)
        _admit(link, agent, hello, now)
        return _LOOK


def _patience(agent: _Agent) -> float:
    """Return after how many seconds of silence a connection loses its name to another one."""
    return max(STALE_AFTER_INTERVALS * agent.interval, STALE_AFTER_SECONDS)


def _listed(names: Iterable[str]) -> str:
    """Write names into a sentence; a certificate's may be any text."""
    return ", ".join(sorted(failure_line(name) for name in names)[:MAX_NAMES_TOLD]) or "no name"


def _check_order(link: Link, report: Report) -> None:
    """Cut off whoever says what was said before: the numbers of a connection's reports rise. 0 is no number."""
    if report.sequence and report.sequence <= link.sequence:
        raise CutOffError(Refusal.ORDER, f"report {report.sequence} came after report {link.sequence}")
    link.sequence = max(link.sequence, report.sequence)


def _admit(link: Link, agent: _Agent, hello: Hello, now: float) -> None:
    link.name = hello.agent
    link.heard = now
    agent.link = link
    agent.connected = now
    agent.interval = hello.interval_seconds
    agent.tell(f"is {'connected' if agent.goodbye is None else 'back'} from {link.peer}", now)
    agent.goodbye = None
    _change_wish(agent, hello.wish, now)


def _keep_report(agent: _Agent, report: Report, now: float) -> Heard:
    first = not agent.is_fresh(now)
    said = Said(report.state, report.why)
    changed = said.state is not agent.said.state
    agent.report = report
    agent.arrived = now
    agent.said = said
    if changed:
        agent.tell(f"says that its host is {said}", now)
    # One that changes too often is not cut off for it: it waits for the next tick, as all that does not matter.
    return _LOOK if first or (changed and agent.looks.take(1, now)) else _NOTHING


def _let_go(agent: _Agent, now: float) -> None:
    """Forget what a host has said of itself a while after its agent has fallen silent."""
    if agent.said.state is READY.state or agent.arrived is None:
        return
    if now - agent.arrived >= max(SAID_HOLD_SECONDS, STALE_AFTER_INTERVALS * agent.interval):
        agent.tell(f"said that its host is {agent.said}, and reports no more: its checks alone decide", now)
        agent.said = READY


def _change_wish(agent: _Agent, wish: Wish, now: float) -> None:
    if wish is not agent.wish:
        agent.wish = wish
        agent.tell(
            "asks for its host to be drained" if wish is Wish.DRAIN else "says that its host is ready again", now
        )


def _take_leave(agent: _Agent, goodbye: Goodbye, now: float) -> Heard:
    agent.goodbye = now
    agent.tell(f"says goodbye: {goodbye.why}" if goodbye.why else "says goodbye", now)
    return _LOOK


def _tell_silence(agent: _Agent, now: float) -> None:
    silent = agent.is_silent(now)
    if silent and not agent.silent:
        since = now - max(agent.connected, agent.arrived or 0)
        agent.tell(f"is connected, but has not reported for {since:.0f} s", now)
    elif agent.silent and not silent and agent.link is not None:
        agent.tell("reports again", now)
    agent.silent = silent


def _tell_failures(agent: _Agent, now: float) -> None:
    failures = agent.report.failures if agent.report else {}
    if failures.keys() == agent.failing:
        return
    words = [f"{source}: {failures[source]}" for source in sorted(failures)]
    more = f"; and {len(words) - MAX_FAILURES_TOLD} more" if len(words) > MAX_FAILURES_TOLD else ""
    agent.tell(
        f"can't read {'; '.join(words[:MAX_FAILURES_TOLD])}{more}" if words else "can read everything again", now
    )
    agent.failing = frozenset(failures)


_NOTHING = Heard()
_LOOK = Heard(matters=True)


def _decode(data: bytes, notice: Callable[[str], None]) -> AgentFrame:
    if len(data) > MAX_FRAME_BYTES:
        raise CutOffError(Refusal.SIZE, f"a frame of {len(data)} bytes, {MAX_FRAME_BYTES} are allowed")
    try:
        return decode_agent_frame(data, notice)
    except WireError as error:
        raise CutOffError(Refusal.GARBAGE, str(error)) from None
