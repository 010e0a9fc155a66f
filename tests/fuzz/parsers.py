"""Every parser of bytes from the network, with examples of what it parses: what the fuzzer knows of the project.

A parser returns a value or raises a FeedbackError, whatever the bytes. Anything else that it does is a finding.
"""

import contextlib
from collections.abc import Callable, Mapping

import msgspec

from feedback import report
from feedback.agent import sockdiag
from feedback.checks.codecs import (
    certificate,
    dns_message,
    http_body,
    http_message,
    http_redirect,
    json_pointer,
    ntp_packet,
    smtp_reply,
)


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


_WWW = dns_message.make_question("www.example.com", "A")


def _http_redirect(data: bytes) -> object:
    """Read a redirect as the check does that follows it."""
    head = http_message.Head(302, "302 Found", (("location", data.decode("latin-1")),))
    return http_redirect.way(head, "GET", http_redirect.Origin("http", "www.example.com", "/a/b?c"))


def _json_body(data: bytes) -> object:
    """Read a body as JSON, and look into it and show it as the check does."""
    document = json_pointer.decode(data)
    with contextlib.suppress(LookupError):
        return json_pointer.show(json_pointer.find(document, ("nodes", "0", "state")))
    return json_pointer.show(document)


def _smtp_reply(data: bytes) -> object:
    """Read a reply to EHLO as the check does: line by line, to its last."""
    reply = None
    for line in data.splitlines(keepends=True):
        reply = smtp_reply.read_line(reply, line)
        if reply.complete:
            return str(reply), smtp_reply.capabilities(reply)
    return reply


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
    "dns answer": Parser(
        lambda data: dns_message.read_answer(_WWW, bytes(2), bytes(2) + data),
        (
            bytes.fromhex("84000001000100000000") + _WWW.query[10:] + bytes.fromhex("c00c00010001000000000004c0000201"),
            bytes.fromhex("80000001000100000000") + _WWW.query[10:] + bytes.fromhex("c00c000500010000000000040161c010"),
            bytes.fromhex("80050001000000000001")
            + _WWW.query[10:]
            + bytes.fromhex("00002904d0000000000007000300036e7331"),
        ),
    ),
    "ntp packet": Parser(
        lambda data: ntp_packet.nonce_in(data) and ntp_packet.read_reply(data),
        (bytes.fromhex("2402").ljust(40, b"\0") + b"12345678",),
    ),
    "smtp reply": Parser(
        _smtp_reply,
        (
            b"250-mail.example.com\r\n250-SIZE 1000\r\n250 AUTH PLAIN LOGIN\r\n",
            b"550-5.1.1 No such user\r\n550 5.1.1 here\r\n",
        ),
    ),
    "http answer": Parser(
        _http_answer,
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
            b"HTTP/1.0 404 Not Found\n\nnothing",
        ),
    ),
    "http redirect": Parser(_http_redirect, (b"../new?x=y#z", b"http://user@[2001:db8::1]:80//x", b"//other.example")),
    "json body": Parser(
        _json_body, (b'{"nodes": [{"state": "up", "load": 0.5}], "error": null}', b'"\\u00e9\\ud83d\\ude00"')
    ),
}
