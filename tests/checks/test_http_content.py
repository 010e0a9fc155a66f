"""What the body of an HTTP answer must be, through the check that asks for it."""

import hashlib
from typing import Any

import pytest

from feedback.checks.http import HttpCheck
from feedback.checks.http_content import Content, Digest, parse_digest
from feedback.model import CheckResult, Outcome
from feedback.testing import Connection, Send, run_check

ALIVE = b"I'm alive"
MD5 = hashlib.md5(ALIVE).hexdigest()
SHA256 = hashlib.sha256(ALIVE).hexdigest()
HEALTH = b'{"status": "ok", "load": 0.5, "up": true, "error": null, "nodes": [{"name": "rs1"}, {"name": "rs2"}]}'


class Mute(Connection):
    """A peer that does not care what it is asked."""

    def take(self, data: bytes) -> None:
        del data


def answered(check: HttpCheck, body: bytes, *fields: bytes, chunk_bytes: int | None = None) -> CheckResult:
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(field + b"\r\n" for field in fields)
    return run_check(
        check, Mute(Send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)), chunk_bytes=chunk_bytes
    )


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("options", "body"),
    [
        ({"body_no_match": "dead"}, ALIVE),
        ({"digest": MD5}, ALIVE),
        ({"digest": MD5.upper()}, ALIVE),
        ({"digest": f"md5:{MD5}"}, ALIVE),
        ({"digest": SHA256}, ALIVE),
        ({"digest": f"sha256:{SHA256}"}, ALIVE),
        ({"digest": hashlib.md5(b"").hexdigest()}, b""),
        ({"json": {"/status": "ok", "/load": 0.5, "/up": True, "/error": None, "/nodes/1/name": "rs2"}}, HEALTH),
        ({"json": {"": 7}}, b"7"),
        ({"json_regex": {"/status": "^o", "/load": r"^0\.5$", "/up": "true", "/nodes": "rs2"}}, HEALTH),
        ({"json": {"/status": "ok"}, "body": "rs1", "body_regex": "rs.", "body_no_match": "rs3"}, HEALTH),
    ],
)
def test_a_body_that_is_as_wanted_passes(options: dict[str, Any], body: bytes, chunk_bytes: int | None) -> None:
    assert answered(HttpCheck(**options), body, chunk_bytes=chunk_bytes).detail == "200 OK"


@pytest.mark.parametrize(
    ("options", "body", "reason", "detail"),
    [
        ({"body_no_match": "a.i"}, ALIVE, "content", '"ali" in the body, must not match a.i'),
        ({"digest": MD5}, b"dead", "content", f"the body's md5 is {hashlib.md5(b'dead').hexdigest()}, must be {MD5}"),
        (
            {"digest": SHA256},
            b"dead",
            "content",
            f"the body's sha256 is {hashlib.sha256(b'dead').hexdigest()}, must be {SHA256}",
        ),
        ({"json": {"/status": "ok"}}, b'{"status": "sick"}', "content", 'JSON /status is "sick", must be "ok"'),
        ({"json": {"/up": True}}, b'{"up": 1}', "content", "JSON /up is 1, must be true"),
        ({"json": {"/a": None}}, b'{"a": {}}', "content", "JSON /a is {}, must be null"),
        ({"json": {"": 1}}, b"2", "content", "JSON as a whole is 2, must be 1"),
        ({"json": {"/a/0": 1}}, b'{"a": []}', "content", "the JSON in the body has no /a/0"),
        ({"json_regex": {"/a": "^2"}}, b'{"a": "1.2"}', "content", 'JSON /a is "1.2", must match ^2'),
        ({"json": {"/a": 1}}, ALIVE, "content", "the body is not JSON: JSON is malformed: invalid character (byte 0)"),
        # What only a whole body can tell
        ({"digest": MD5, "body_limit": 4}, ALIVE, "limit", "the body is larger than the 4 bytes that are read of it"),
        (
            {"json": {"": 1}, "body_limit": 4},
            HEALTH,
            "limit",
            "the body is larger than the 4 bytes that are read of it",
        ),
        (
            {"body_no_match": "x", "body_limit": 4},
            ALIVE,
            "limit",
            "the body is larger than the 4 bytes that are read of it",
        ),
        ({"body_no_match": "I", "body_limit": 4}, ALIVE, "content", '"I" in the body, must not match I'),
    ],
)
def test_another_body_fails_and_what_is_wrong_is_shown(
    options: dict[str, Any], body: bytes, reason: str, detail: str
) -> None:
    result = answered(HttpCheck(**options), body)
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, reason, detail)


@pytest.mark.parametrize("coding", [b"gzip", b"GZip", b"br, gzip"])
def test_an_encoding_that_was_not_asked_for_is_named_where_the_body_is_not_as_wanted(coding: bytes) -> None:
    detail = answered(HttpCheck(body="alive"), b"\x1f\x8b", b"Content-Encoding: " + coding).detail
    assert detail.endswith(f"it is encoded, which was not asked for: {coding.decode().lower()}")
    assert answered(HttpCheck(digest=MD5), ALIVE, b"Content-Encoding: gzip").outcome is Outcome.PASS


def test_no_encoding_is_none() -> None:
    detail = answered(HttpCheck(body="alive"), b"dead", b"Content-Encoding: identity").detail
    assert detail == 'no "alive" in the body, which begins with "dead"'


def test_a_digest_is_known_by_its_length() -> None:
    assert parse_digest("digest", MD5) == Digest("md5", MD5)
    assert parse_digest("digest", SHA256) == Digest("sha256", SHA256)


def test_only_a_text_may_be_found_before_the_end() -> None:
    assert Content(text=b"a").is_a_text
    assert not Content().is_a_text
    assert not Content(text=b"a", digest=Digest("md5", MD5)).is_a_text
