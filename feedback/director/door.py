"""Which connections are let in, by where they come from. Pure.

One host may not have so many that none is left for the others, nor shake hands so often that the director does nothing
else.
"""

from collections import Counter

from feedback.director.link import Bucket

MAX_PER_ADDRESS = 4096
MAX_HANDSHAKES = 1024
MAX_HANDSHAKES_PER_ADDRESS = 256
"""Connections whose TLS handshake is not over yet: each costs memory and a timer, and no certificate is known."""
HANDSHAKES_PER_SECOND = 20.0
HANDSHAKES_BURST = 256.0
"""Of one address. With what is refused after it a handshake costs some three milliseconds: `bench/hostile.py`."""
MAX_ADDRESSES = 4096
"""Whose handshakes are counted at one time; more are so many hosts that no single one is to blame."""


class Door:
    """Counts connections: `enter` for each that comes, `leave` when it goes; `begin` and `end` for a TLS handshake."""

    def __init__(self, most: int) -> None:
        """`most`: connections in all."""
        self._most = most
        self._inside: Counter[str] = Counter()
        self._total = 0
        self._shaking: Counter[str] = Counter()
        self._shaking_total = 0
        self._rates: dict[str, Bucket] = {}

    def enter(self, address: str) -> bool:
        """Count a connection in, and return True; False when it must go."""
        if self._total >= self._most or self._inside[address] >= MAX_PER_ADDRESS:
            return False
        self._total += 1
        self._inside[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection out."""
        self._total -= 1
        _take_away(self._inside, address)

    def begin(self, address: str, now: float) -> bool:
        """Count a handshake that begins, and return True; False when there are too many, or they come too often."""
        if self._shaking_total >= MAX_HANDSHAKES or self._shaking[address] >= MAX_HANDSHAKES_PER_ADDRESS:
            return False
        if not self._rate(address).take(1, now):
            return False
        self._shaking_total += 1
        self._shaking[address] += 1
        return True

    def end(self, address: str) -> None:
        """Count a handshake that is over, however it ended."""
        self._shaking_total -= 1
        _take_away(self._shaking, address)

    def _rate(self, address: str) -> Bucket:
        if address not in self._rates and len(self._rates) >= MAX_ADDRESSES:
            self._rates.clear()
        return self._rates.setdefault(address, Bucket(HANDSHAKES_PER_SECOND, HANDSHAKES_BURST))


def _take_away(counter: Counter[str], address: str) -> None:
    counter[address] -= 1
    if not counter[address]:
        del counter[address]
