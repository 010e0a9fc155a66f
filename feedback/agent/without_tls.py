"""Lets an agent do without what it does not need of others' libraries: it is memory of every realserver.

asyncio looks for `ssl` when it is imported, and is complete without it, as in an interpreter built without OpenSSL,
which takes 4 MB. So an agent that speaks no TLS reads its configuration first, which imports its sources and not
asyncio, and imports asyncio when it knows. A source from outside may need TLS and know nothing of this: an agent that
has one has asyncio whole.
"""

import importlib
import sys
from typing import Any, cast


def import_asyncio_without_tls() -> None:
    """Import asyncio as if there were no `ssl`, unless a source may need it: one from outside, or that has it."""
    from feedback.agent.source import Source  # noqa: PLC0415 - it came with the configuration, and msgspec with it

    if all(source.__module__.startswith("feedback.") for source in Source.registered.values()):
        import_without("asyncio", "ssl")


def import_without(module: str, unneeded: str) -> None:
    """Import a module as if another were not installed, unless one of them has been imported."""
    if {module, unneeded} & sys.modules.keys():
        return
    modules = cast("dict[str, Any]", sys.modules)
    modules[unneeded] = None  # what the import system takes for "there is none"
    try:
        importlib.import_module(module)  # it stays in sys.modules
    finally:
        del modules[unneeded]  # whoever needs it later, for something else, finds it
