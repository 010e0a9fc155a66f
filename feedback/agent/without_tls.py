"""Lets an agent that speaks no TLS do without OpenSSL, which takes 4 MB of every realserver's memory.

asyncio looks for `ssl` when it is imported, and is complete without it, as in an interpreter built without OpenSSL. So
an agent reads its configuration first, which imports its sources and not asyncio, and imports asyncio when it knows.
"""

import sys
from typing import Any, cast


def import_asyncio_without_tls() -> None:
    """Import asyncio as if there were no `ssl`, unless a source has imported either of them: that one may need TLS."""
    if {"asyncio", "ssl"} & sys.modules.keys():
        return
    modules = cast("dict[str, Any]", sys.modules)
    modules["ssl"] = None  # what the import system takes for "there is none"
    try:
        import asyncio  # noqa: F401, PLC0415 - it stays in sys.modules
    finally:
        del modules["ssl"]  # whoever needs TLS later, for something else, finds it
