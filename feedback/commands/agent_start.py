"""Runs an agent for weeks without what reading its configuration takes: 3 MB, of which Python gives nothing back.

A child reads the file, forked before anything is imported for that alone, and hands over what it has read by a pipe.
What is wrong with the file the child says itself, as a `feedback agent` does that reads for itself.
"""

# ruff: noqa: PLC0415 - what runs for weeks imports what it runs: see feedback.agent.without_tls

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from feedback.agent.without_tls import import_asyncio_without_tls, import_without

if TYPE_CHECKING:
    from feedback.agent.config import AgentConfig


def start(path: str) -> int:
    """Run the agent of a configuration until SIGTERM. Return the exit status."""
    try:
        _import_what_both_need()
        data, status = _read_in_child(["agent", "--config", path])
        if data:
            from _pickle import loads  # pickle itself is the same, and another 0.3 MB

            run_until_told(loads(data))
        elif status == 0:  # a plugin's options can't be handed over
            from feedback.cli import main

            return main(["agent", "--config", path])
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - it is said in words
        from feedback.cli import explain

        return explain(error, "agent")
    return status


def run_until_told(config: "AgentConfig") -> None:
    """Run the agent until SIGTERM or SIGINT."""
    from feedback.logs import configure_logging

    configure_logging("info")
    if config.tls is None:
        import_asyncio_without_tls()
    import asyncio

    from feedback.agent.agent import run_agent

    asyncio.run(run_agent(config))


def hand_over(config: "AgentConfig", descriptor: int) -> None:
    """Write a configuration to a pipe; nothing where a part of it is no value."""
    import pickle

    with os.fdopen(descriptor, "wb") as pipe, contextlib.suppress(AttributeError, TypeError, pickle.PicklingError):
        pipe.write(pickle.dumps(config))


def _import_what_both_need() -> None:
    """Import what the one that reads and the one that runs have in common, once for both."""
    import_without("msgspec", "typing_extensions")  # Python 3.11's own typing has all that it needs
    import feedback.agent.config
    import feedback.logs  # noqa: F401


def _read_in_child(words: list[str]) -> tuple[bytes, int]:
    """Return what the command hands over in a child, and the child's exit status."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        from feedback.cli import main

        os.close(readable)
        sys.exit(main([*words, "--hand-over", str(writable)]))
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        data = pipe.read()
    return data, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
