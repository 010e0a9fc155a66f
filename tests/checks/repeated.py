"""A check run again and again, as a director does, until what it says is what comes of it in the end."""

import asyncio

from feedback.checks.check import Check
from feedback.model import Endpoint, Outcome
from tests.checks.peers import check_once

EVENTUALLY_SECONDS = 30.0
PAUSE_SECONDS = 0.05


async def checked_until(check: Check, endpoint: Endpoint, wanted: Outcome) -> tuple[Outcome, str, str]:
    """Return the first result with this outcome; there must be one in time."""
    async with asyncio.timeout(EVENTUALLY_SECONDS):
        result = await check_once(check, endpoint)
        while result[0] is not wanted:
            await asyncio.sleep(PAUSE_SECONDS)
            result = await check_once(check, endpoint)
    return result
