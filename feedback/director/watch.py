"""Keeps the director's TLS as its files say: what is revoked, renewed or expired counts within a second or a minute."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from feedback.director.receive import Receiver
from feedback.errors import FeedbackError

if TYPE_CHECKING:
    from feedback.director.secure import Tls  # what it imports, few directors need

LOOK_SECONDS = 1.0
REVIEW_SECONDS = 60.0


async def keep_secure(tls: "Tls", receiver: Receiver, record: Callable[[str, str], None]) -> None:
    """Look at the files every second, and at every connection's certificate when they have changed and every minute.

    What can't be read is told, once for as long as it is the same; the director goes on with what it has.
    """
    loop = asyncio.get_running_loop()
    told = ""
    warned: set[str] = set()
    reviewed = loop.time()
    while True:
        for warning in set(tls.warnings()) - warned:
            warned.add(warning)
            record("warning", warning)
        await asyncio.sleep(LOOK_SECONDS)
        try:
            late = loop.time() - reviewed >= REVIEW_SECONDS
            if late and await asyncio.to_thread(tls.renew):
                record("config", "the director's certificate is renewed")
            if tls.refresh() or late:
                reviewed = loop.time()
                await receiver.review()
            told = ""
        except FeedbackError as error:
            if str(error) != told:
                told = str(error)
                record("warning", f"TLS goes on with the certificates of before: {error}")
