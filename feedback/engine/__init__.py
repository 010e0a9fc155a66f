"""The network engine: checks' sockets and programs on one epoll descriptor, nested in the asyncio loop.

A check's coroutine is driven straight from here: no task, no future and no asyncio stream stands between it and its
socket. `poller` is the engine itself, `deadlines` when things are over, `waiting` the words between whoever waits and
what is waited for: `stream`, `datagrams`, `program`. `network` is what a check is handed of it all.
"""

from feedback.engine.poller import Engine

__all__ = ["Engine"]
