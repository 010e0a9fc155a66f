"""What the agent finds of its host by itself: metrics over a threshold, and things that are watched. Pure.

Each of them is a trigger, which asks for its host to be drained, or says that it is down. Whichever acts first
decides, and down goes before drain. What can't be read is held as it was for a while, and then lets go: unknown is
not down. `now` is in monotonic seconds.
"""

from collections.abc import Iterable, Mapping

import msgspec

from feedback.report import HostState, failure_line

LET_GO_SECONDS = 60.0
"""How long a trigger that acts goes on, at the least, when nothing can be read of it any more."""


class Sighting(msgspec.Struct, frozen=True):
    """What a look at a watched thing has found, and `why` in words when that is wrong."""

    wrong: bool
    why: str


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """What one metric or watch may do to its host.

    after_seconds: how long it must be wrong before this acts. hold_seconds: how long it must be well before it ceases
    to. let_go_seconds: how long it goes on acting when nothing can be read. confirmed: act only on what has been seen
    well before. A port that nobody has ever listened on is a mistake in the configuration, or a server that has not
    started, and the director's checks know better.
    """

    name: str
    then: HostState
    after_seconds: float = 0.0
    hold_seconds: float = 0.0
    let_go_seconds: float = LET_GO_SECONDS
    confirmed: bool = False


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger on a metric's ratio, with a band between wrong and well in which all stays as it is."""

    trigger: Trigger
    above: float
    below: float


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one trigger. turning: since when what is seen contradicts `acts`. heard: when it was last seen.

    doubt: why it does not act on what is seen.
    """

    trigger: Trigger
    acts: bool = False
    why: str = ""
    doubt: str = ""
    met: bool = False
    turning: float | None = None
    heard: float = 0.0


def see(standing: Standing, sighting: Sighting, now: float) -> Standing:
    """Return the standing after one look."""
    trigger, wrong, why = standing.trigger, sighting.wrong, sighting.why
    met = standing.met or not wrong
    if wrong and trigger.confirmed and not met:
        return msgspec.structs.replace(standing, heard=now, doubt=f"{why}, nor has since the agent began")
    if wrong == standing.acts:
        kept = why if wrong else ""
        return msgspec.structs.replace(standing, met=met, why=kept, doubt="", turning=None, heard=now)
    turning = now if standing.turning is None else standing.turning
    if now - turning >= (trigger.after_seconds if wrong else trigger.hold_seconds):
        return Standing(trigger=trigger, acts=wrong, why=why if wrong else "", met=met, heard=now)
    return msgspec.structs.replace(standing, met=met, doubt="", turning=turning, heard=now)


def weigh(standing: Standing, threshold: Threshold, now: float, ratio: float) -> Standing:
    """Return the standing after a metric was measured. Between `below` and `above` what it did it goes on doing."""
    wrong = ratio >= threshold.below if standing.acts else ratio >= threshold.above
    word = f"{threshold.trigger.then}_above"
    sighting = Sighting(wrong, f"{threshold.trigger.name} is {ratio:.2f}, {word} is {threshold.above:g}")
    return see(standing, sighting, now)


def lose_sight(standing: Standing, now: float) -> Standing:
    """Return the standing while nothing can be read: as it was, and after a while no longer acting."""
    acts = standing.acts and now - standing.heard < standing.trigger.let_go_seconds
    return msgspec.structs.replace(standing, acts=acts, why=standing.why if acts else "", turning=None)


def settle(standings: Iterable[Standing]) -> tuple[HostState, str]:
    """Return the host's state, and in a line what it comes from: down goes before drain."""
    acting = [standing for standing in standings if standing.acts]
    for state in (HostState.DOWN, HostState.DRAIN):
        causes = [standing.why for standing in acting if standing.trigger.then is state]
        if causes:
            return state, failure_line("; ".join(causes))
    return HostState.READY, ""


class Board:
    """Where everything that an agent has found of its host by itself is written down."""

    def __init__(self, thresholds: Iterable[Threshold] = (), watches: Iterable[Trigger] = ()) -> None:
        self._thresholds = tuple(thresholds)
        self._weighed = [Standing(trigger=threshold.trigger) for threshold in self._thresholds]
        self._watched = {trigger.name: Standing(trigger=trigger) for trigger in watches}
        self._sightings: dict[str, Sighting] = {}
        self._failures: dict[str, str] = {}

    def measured(self, metric: str, ratio: float | None, now: float) -> None:
        """Take a metric's raw ratio; None when it could not be read."""
        for number, threshold in enumerate(self._thresholds):
            if threshold.trigger.name == metric:
                standing = self._weighed[number]
                self._weighed[number] = (
                    lose_sight(standing, now) if ratio is None else weigh(standing, threshold, now, ratio)
                )

    def sighted(self, watch: str, sighting: Sighting, now: float) -> None:
        """Take what a watch has seen. It counts until it has seen something else, or fails."""
        self._failures.pop(watch, None)
        self._sightings[watch] = sighting
        self._look(watch, now)

    def failed(self, watch: str, why: str, now: float) -> None:
        """Take notice that a watch can see nothing."""
        self._failures[watch] = failure_line(why) or "failed without a word"
        self._sightings.pop(watch, None)
        self._look(watch, now)

    def state(self, now: float) -> tuple[HostState, str]:
        """Return the host's state, and in a line what it comes from."""
        for watch in self._watched:
            self._look(watch, now)
        return settle([*self._watched.values(), *self._weighed])

    def failures(self) -> Mapping[str, str]:
        """Return why watches see nothing, or do not act on what they see: `watches.http` -> sentence."""
        doubts = {name: failure_line(one.doubt) for name, one in self._watched.items() if one.doubt}
        return {f"watches.{name}": why for name, why in (doubts | self._failures).items()}

    def _look(self, watch: str, now: float) -> None:
        standing, sighting = self._watched[watch], self._sightings.get(watch)
        if sighting is not None:
            self._watched[watch] = see(standing, sighting, now)
        elif watch in self._failures:
            self._watched[watch] = lose_sight(standing, now)
