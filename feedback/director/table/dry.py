"""`--dry-run`: a copy of the table in memory, so that all is decided and told as ever, and nothing is written."""

from feedback.director.plan import plan
from feedback.director.table.contract import Table
from feedback.director.table.memory import MemoryTable


async def copy_of(table: Table) -> MemoryTable:
    """Return a memory table with everything that is in `table` now. Raises TableError when it can't be read."""
    there = await table.read()
    copy = MemoryTable()
    await copy.apply(plan(there, {}, there.keys()))
    return copy
