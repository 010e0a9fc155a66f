"""What a table can do. One test suite runs on every implementation."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from feedback.director.plan import Operation
from feedback.model import TableState


class Refusal(msgspec.Struct, frozen=True):
    """An operation that the table refused: the kernel's error number and its sentence."""

    operation: Operation
    errno: int
    message: str


class Table(Protocol):
    """A table of virtual services."""

    async def read(self) -> TableState:
        """Return everything in the table, counters included. Raises TableError when it can't be read."""

    async def apply(self, operations: Sequence[Operation]) -> tuple[Refusal, ...]:
        """Do the operations in order, every one of them, and return those that were refused.

        Raises TableError only when the table can't be reached at all.
        """

    async def close(self) -> None:
        """Free the socket; the table itself stays as it is."""
