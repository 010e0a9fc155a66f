"""A peer that says what the fuzzer has made up, whatever it is asked: each check against it, as one more parser."""

import contextlib
import ssl
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from feedback.checks.check import Check
from feedback.commands.plugins import known_plugins
from feedback.director.config_file import load_director_config
from feedback.errors import CheckFailed, LocalFault
from feedback.model import Endpoint
from feedback.net import Stream, Target, endpoint_of
from feedback.testing import TARGET, Connection, Exchange, ScriptedDatagrams, ScriptedNet, ScriptedStream, Send
from scripts.reference import split_example

CONFIG = """\
director: {table: memory}
services:
  example:
    address: 192.0.2.10:80
    destinations: {rs1: "10.2.0.11:80"}
    checks:
"""
TIMEOUT_SECONDS = 1.0


class _Deaf(Connection):
    def take(self, data: bytes) -> None:
        """Listen to nothing."""


class _DeafExchange(Exchange):
    def take(self, data: bytes) -> None:
        """Listen to nothing."""


class _Stream(ScriptedStream):
    async def start_tls(
        self, context: ssl.SSLContext, server_hostname: str | None, resume: Stream | None = None
    ) -> None:
        """Shake hands with anybody."""


class BabblingNet(ScriptedNet):
    """Every connection and every exchange is answered by the same bytes; programs there are none."""

    def __init__(self, data: bytes) -> None:
        super().__init__(timeout_seconds=TIMEOUT_SECONDS)
        self._data = data

    def connect_tcp(self, target: Target | Endpoint, **_options: Any) -> ScriptedStream:
        """Connect to the one who babbles, wherever to."""
        return _Stream(self, _Deaf(Send(self._data)), endpoint_of(target), None)

    def connect_udp(self, target: Target | Endpoint, **_options: Any) -> ScriptedDatagrams:
        """Answer with the half, then with all."""
        half = len(self._data) // 2
        return ScriptedDatagrams(self, _DeafExchange(Send(self._data[:half]), Send(self._data)), endpoint_of(target))


def answer(check: Check, data: bytes) -> None:
    """Run a check against such a peer. A bug in it raises what it raises."""
    net = BabblingNet(data)
    coroutine = check.probe(TARGET, net)
    with contextlib.suppress(StopIteration, CheckFailed, LocalFault):
        coroutine.send(None)
        net.over = True  # it waits for more, and its deadline comes
        coroutine.close()


def example_checks() -> dict[str, Check]:
    """Return the checks of every example in the checks' own docs that need no asyncio and no program."""
    found: dict[str, Check] = {}
    for plugin in known_plugins():
        _, example = split_example(plugin.doc)
        if plugin.kind == "check" and example:
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(CONFIG + textwrap.indent(example, "      "))
                file.flush()
                (service,) = load_director_config(Path(file.name)).services.values()
            found |= {f"{plugin.name} check: {one.name}": one.check for one in service.checks}
    return {name: check for name, check in found.items() if not check.uses_asyncio and check.name != "exec"}
