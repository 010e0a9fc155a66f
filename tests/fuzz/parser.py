"""What the fuzzer breaks, or does not."""

from collections.abc import Callable

import msgspec


class Parser(msgspec.Struct, frozen=True):
    """A parser, and bytes to begin with."""

    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...] = ()
