"""How much of what makes a server busy goes with its connections, and how much would be there without them. Pure.

    b = u - n * du/dn                                 n: connections, u: utilization
    gain = (u - b) / u                                what 1 % more connections add to u, in percent

Told by how both differ between neighbouring spans of time: what other work, or another speed, does to u at once is in
one of the differences only, and there counts for no more than if b were off by u. Numbers that don't move tell nothing;
as long as they have not, u is held to go with them altogether, which is the side on which nothing is overdone. So it is
where b is found to be wrong, as u falls below it. A server that is full tells nothing either: it answers to nothing.
"""

SPANS = 8.0  # in the time that connections last
LEAST_SPAN_SECONDS = 4.0
DOUBT = 0.02  # the sum of the squares of relative differences by which b is half known
MEMORY = 0.5  # the sum of those that are remembered: only what is newly learned makes the old forgotten
FULL_RATIO = 0.98
LEAST_SQUARE = 1e-8
LEAST_GAIN = 0.25  # so far an error of the gain leaves the loop stable


class Answer:
    """That of one server."""

    __slots__ = ("_before", "_busy", "_connections", "_moved", "_span", "_told")

    def __init__(self) -> None:
        self._connections = self._busy = self._span = 0.0  # sums over the present span
        self._before: tuple[float, float] | None = None  # means of the span before
        self._moved = 0.0  # the squares of the differences of connections
        self._told = 0.0  # b, each times such a square

    def observe(self, step: float, connections: float, busy: float, length_seconds: float) -> None:
        """Take how many connections there are, and how busy that makes the server, for one step."""
        self._connections += connections * step
        self._busy += busy * step
        self._span += step
        if self._span < max(LEAST_SPAN_SECONDS, length_seconds / SPANS):
            return
        means = self._connections / self._span, self._busy / self._span
        if self._before and max(self._before[1], means[1]) < FULL_RATIO:
            self._learn(self._before, means)
        self._before = means
        self._connections = self._busy = self._span = 0.0

    def _learn(self, before: tuple[float, float], now: tuple[float, float]) -> None:
        """Take the means of two neighbouring spans."""
        more, busier = now[0] - before[0], now[1] - before[1]
        connections, busy, known = (now[0] + before[0]) / 2.0, (now[1] + before[1]) / 2.0, self._other()
        square = min(1.0, (more / (connections + 1.0)) ** 2)
        if square > LEAST_SQUARE:
            other = min(max(busy - busier / more * connections, known - busy), known + busy)
            kept = min(1.0, MEMORY / (self._moved + square))
            self._moved = kept * (self._moved + square)
            self._told = kept * (self._told + square * other)
        if now[1] < self._other():
            self._moved = self._told = 0.0

    def gain(self, busy: float) -> float:
        """Return the gain where the server is so busy, `LEAST_GAIN` at least."""
        return max(LEAST_GAIN, 1.0 - self._other() / busy) if busy > 0.0 else 1.0

    def _other(self) -> float:
        """Return b as far as it is known."""
        return max(0.0, self._told / (self._moved + DOUBT))
