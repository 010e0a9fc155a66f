"""What Prometheus reads of the agent itself: an HTTP request in, an answer in the text format out. Pure.

https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4. A name in a report can be no more than
letters, digits, dots, dashes and underscores, so that nothing has to be escaped.
"""

import re

from feedback import __version__
from feedback.report import HostState, Report

MAX_REQUEST_BYTES = 8 * 1024
END_OF_HEAD = b"\r\n\r\n"

_REQUEST_LINE = re.compile(rb"(GET|HEAD) (?:http://[^/ ]*)?([^? ]*)(?:\?[^ ]*)? HTTP/1\.[01]\r\n")


def answer(request: bytes, agent: str, report: Report, *, drains: bool) -> bytes | None:
    """Return what to answer before the connection is closed; None while the request is not complete.

    `drains`: the host asks to be drained, whatever the report says.
    """
    if END_OF_HEAD not in request:
        return None if len(request) < MAX_REQUEST_BYTES else _response("431 Request Header Fields Too Large")
    asked = _REQUEST_LINE.match(request)
    if asked is None:
        return _response("400 Bad Request")
    if asked[2] != b"/metrics":
        return _response("404 Not Found")
    return _response("200 OK", exposition(agent, report, drains=drains), head_only=asked[1] == b"HEAD")


def exposition(agent: str, report: Report, *, drains: bool) -> str:
    """Return what is known of this host, in the text format."""
    host = HostState.DRAIN if drains and report.state is HostState.READY else report.state
    lines = [
        *_family("feedback_agent_info", "The version of feedback, and the agent's name."),
        f'feedback_agent_info{{version="{__version__}",agent="{agent}"}} 1',
        *_family("feedback_agent_metric_ratio", "What the agent reports of a resource, as a share of its limit."),
        *(f'feedback_agent_metric_ratio{{metric="{name}"}} {value!r}' for name, value in report.metrics.items()),
        *_family("feedback_agent_metric_failing", "1 for a metric whose source can't be read."),
        *(f'feedback_agent_metric_failing{{metric="{name}"}} 1' for name in report.failures),
        *_family("feedback_agent_host", "What the host asks for: 1 for the state that holds, 0 for the others."),
        *(f'feedback_agent_host{{state="{state}"}} {int(state == host)}' for state in HostState),
    ]
    return "\n".join(lines) + "\n"


def _family(name: str, help_text: str) -> tuple[str, str]:
    return f"# HELP {name} {help_text}", f"# TYPE {name} gauge"


def _response(status: str, body: str = "", *, head_only: bool = False) -> bytes:
    """Return a response after which the connection ends."""
    content = (body or f"{status}\n").encode()
    kind = "text/plain; version=0.0.4; charset=utf-8" if body else "text/plain; charset=utf-8"
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return head.encode() + (b"" if head_only else content)
