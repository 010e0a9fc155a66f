"""Every parser of bytes from the network, with examples of what it parses: what the fuzzer knows of the project.

A parser returns a value or raises a FeedbackError, whatever the bytes. Anything else that it does is a finding.
"""

from collections.abc import Callable, Mapping

import msgspec

from feedback import report
from feedback.agent import sockdiag
from feedback.checks.codecs import certificate, http_body, http_message


class Parser(msgspec.Struct, frozen=True):
    """A parser, and bytes to begin with."""

    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...] = ()


def _http_answer(data: bytes) -> object:
    """Read an answer as the check does: its status, its head, its body in pieces."""
    if http_message.status_of(data) is None:
        return None
    end = http_message.end_of_head(data)
    body = http_body.Body(http_message.parse_head(data[:end]), 4096)
    for start in range(end, len(data), 7):
        if body.complete or body.truncated:
            break
        body.feed(data[start : start + 7])
    else:
        if not (body.complete or body.truncated):
            body.feed(b"")
    return body.data


PARSERS: Mapping[str, Parser] = {
    "agent frame": Parser(
        report.decode_agent_frame,
        (
            report.encode(report.Hello("rs1")),
            report.encode(report.Report({"cpu": 0.5, "memory": 0.25}, {"disk": "no such file"}, 7, 1e9)),
            report.encode(report.SetWish(report.Wish.DRAIN)),
        ),
    ),
    "director frame": Parser(report.decode_director_frame, (report.encode(report.Accepted(report.Wish.READY)),)),
    "socket diagnosis": Parser(sockdiag.parse_answer),
    "certificate": Parser(certificate.not_after),
    "http answer": Parser(
        _http_answer,
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
            b"HTTP/1.0 404 Not Found\n\nnothing",
        ),
    ),
}
