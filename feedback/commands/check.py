"""`feedback check`: run one check once, with the code and the options that the director runs it with."""

import argparse
import asyncio
import queue
import re
import socket
import sys
import threading

import msgspec

from feedback.checks.runner import run_once
from feedback.commands.arguments import duration
from feedback.config import read_arguments
from feedback.errors import ConfigError, FeedbackError
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.options import show_duration
from feedback.registry import CHECKS

EXIT_STATUS = {Outcome.PASS: 0, Outcome.FAIL: 2, Outcome.UNKNOWN: 3}
"""As plugins of Nagios have it; the 1 of a warning is never used."""

_NAMED = re.compile(r"([A-Za-z0-9._-]{1,253})((?::[0-9]{1,5})?)")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("type", metavar="TYPE", help="the check, like http; `feedback plugins` lists them")
    parser.add_argument("endpoint", metavar="ENDPOINT", help="10.2.0.11:80, [2001:db8::11]:80 or name:80")
    parser.add_argument("options", nargs="*", metavar="key=value", help="the check's options, like path=/alive")
    parser.add_argument("--timeout", type=duration, default=2.0, help="deadline of the check (default: 2s)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.epilog = "Exit status: 0 pass, 2 fail, 3 unknown: also when the command itself is wrong."


def run(arguments: argparse.Namespace) -> int:
    """Run the check, print its result in one line, and return a plugin's exit status."""
    check = read_arguments(CHECKS.get(arguments.type), arguments.options)
    if check.via == "vip":
        raise ConfigError("via: vip goes with a service: only a running director leads a check to one destination")
    endpoint = find_endpoint(arguments.endpoint, arguments.timeout, None if check.uses_port else 0)
    result = asyncio.run(run_once(check, Target(endpoint), arguments.timeout))
    show = _as_json if arguments.json else as_line
    sys.stdout.write(show(arguments.type, endpoint, result) + "\n")
    return EXIT_STATUS[result.outcome]


def as_line(kind: str, endpoint: Endpoint, result: CheckResult) -> str:
    """Return `FAIL http 10.2.0.11:80: status: 503 Service Unavailable (1.3 ms)`."""
    reason = f"{result.reason}: " if result.reason else ""
    hint = "" if result.weight_ratio is None else f", weight {result.weight_ratio * 100:.0f} %"
    timing = f"{result.duration_seconds * 1000:.1f} ms"
    return f"{result.outcome.upper()} {kind} {_where(endpoint)}: {reason}{result.detail}{hint} ({timing})"


def _where(endpoint: Endpoint) -> str:
    return str(endpoint) if endpoint.port else endpoint.address


def _as_json(kind: str, endpoint: Endpoint, result: CheckResult) -> str:
    fields = {"check": kind, "endpoint": _where(endpoint), **msgspec.structs.asdict(result)}
    return msgspec.json.encode(fields).decode()


def find_endpoint(text: str, timeout_seconds: float, default_port: int | None = None) -> Endpoint:
    """Return the endpoint of an address or a host name. Raises FeedbackError when there is none."""
    named = _NAMED.fullmatch(text)
    try:
        if named and (named[2] or default_port is not None):
            address = _resolve(named[1], timeout_seconds)
            text = (f"[{address}]" if ":" in address else address) + named[2]
        return Endpoint.parse(text, default_port)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _resolve(host: str, timeout_seconds: float) -> str:
    """Return a host's address, IPv4 where it has both. Raises FeedbackError.

    The resolver can't be cancelled and knows no deadline, so it is left behind in a thread that holds nothing up.
    """
    answers: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answers.put(str(min(found, key=lambda entry: entry[0] != socket.AF_INET)[4][0]))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_seconds)
    except queue.Empty:
        raise FeedbackError(f"{host} can't be resolved: no answer in {show_duration(timeout_seconds)}") from None
    if isinstance(answer, str):
        return answer
    raise FeedbackError(f"{host} can't be resolved: {getattr(answer, 'strerror', None) or answer}")
