"""A request of the `http` check and what its answer must be, as options. Pure."""

import base64
import re
from dataclasses import dataclass, field, replace
from typing import Annotated

import msgspec

from feedback.checks.codecs import http_message
from feedback.checks.codecs.http_message import TOKEN, Head
from feedback.checks.codecs.json_pointer import Scalar
from feedback.checks.credentials import Password
from feedback.checks.http_answer import Expected
from feedback.checks.http_content import Content, parse_digest, parse_values
from feedback.checks.matching import regex
from feedback.checks.statuses import Statuses, parse_statuses, show_statuses
from feedback.errors import CheckFailed, Reason

_OF_THE_BODY = ("body", "body_regex", "body_no_match", "digest", "json", "json_regex")
_OF_THE_CONTENT = frozenset({"content-length", "content-type", "transfer-encoding"})


@dataclass(kw_only=True)
class HttpRequest:
    """One request, and what its answer must be."""

    path: Annotated[str, "path and query to ask for"] = "/"
    method: Annotated[str | None, "method to ask with, by default GET, and POST where something is sent"] = None
    host: Annotated[str | None, "Host header, by default the address (and a port that is not the usual one)"] = None
    headers: Annotated[dict[str, str], "further headers to send"] = field(default_factory=dict)
    user: Annotated[str | None, "name to log in with (Basic)"] = None
    password: Annotated[Password | None, "password to log in with, or file:PATH"] = None
    send: Annotated[str | None, "text to send as the request's body"] = None
    content_type: Annotated[str | None, "what that text is, like application/json"] = None
    status: Annotated[Statuses, "statuses that pass: 200, [200, 204], 200-299"] = "200-399"
    body: Annotated[str | None, "text that the body must contain"] = None
    body_regex: Annotated[str | None, "regular expression that must be found in the body"] = None
    body_no_match: Annotated[str | None, "regular expression that must not be found in the body"] = None
    digest: Annotated[str | None, "MD5 or SHA-256 of the body, in hexadecimal digits"] = None
    json: Annotated[dict[str, Scalar], "pointer into the body, like /nodes/0/state -> value that must be there"] = (
        field(default_factory=dict)
    )
    json_regex: Annotated[dict[str, str], "pointer -> regular expression that must be found in the value there"] = (
        field(default_factory=dict)
    )
    expect_headers: Annotated[dict[str, str], "header -> regular expression that must be found in its value"] = field(
        default_factory=dict
    )
    location: Annotated[str | None, "regular expression for where the answer must redirect to"] = None
    follow: Annotated[int, msgspec.Meta(ge=0, le=20), "how many redirects to follow, on the same server"] = 0
    body_limit: Annotated[int, msgspec.Meta(ge=1, le=16 * 1024 * 1024), "most bytes of the body to read"] = 64 * 1024

    def __post_init__(self) -> None:
        self.verb = self.method if self.method is not None else "GET" if self.send is None else "POST"
        self._validate()
        self.statuses = parse_statuses("status", self.status)
        self.expected = Expected(
            headers={name.lower(): regex("expect_headers", value) for name, value in self.expect_headers.items()},
            location=_regex("location", self.location),
            content=Content(
                text=None if self.body is None else self.body.encode(),
                pattern=_regex("body_regex", self.body_regex),
                no_match=_regex("body_no_match", self.body_no_match),
                digest=None if self.digest is None else parse_digest("digest", self.digest),
                values=parse_values(self.json, self.json_regex),
            ),
            body_limit=self.body_limit,
        )

    def after(self, first: "HttpRequest") -> "HttpRequest":
        """Return this as a further request: in how to ask, it is like the first one in what it does not say itself."""
        mine = {name.lower() for name in self.headers}
        inherited = {name: value for name, value in first.headers.items() if name.lower() not in mine}
        login = self if self.user is not None else first
        return replace(
            self,
            host=self.host or first.host,
            headers=inherited | self.headers,
            user=login.user,
            password=login.password,
        )

    def wrong_status(self, head: Head) -> CheckFailed:
        """Return what to raise for an answer whose status is none of those that pass."""
        if head.status == 401 and self.user is not None:
            return CheckFailed(Reason.AUTH, f"the login of {self.user} was refused: {head.line}")
        return CheckFailed(Reason.STATUS, f"status {head.line}, must be {show_statuses(self.status)}")

    def message(self, method: str, path: str, host: str, version: str, *, keep: bool) -> bytes:
        """Return the bytes to send: method and path are its own, or those to which a redirect has led."""
        headers, content = self._own_headers(), b""
        if self.send is not None and method == self.verb:
            content = self.send.encode()
            headers = headers if self.content_type is None else {"Content-Type": self.content_type} | headers
        return http_message.request(method, path, host, headers, content, version=version, keep=keep)

    def _own_headers(self) -> dict[str, str]:
        if self.user is None or self.password is None:
            return self.headers
        login = base64.b64encode(f"{self.user}:{self.password.reveal()}".encode()).decode()
        return {"Authorization": f"Basic {login}"} | self.headers

    def _validate(self) -> None:
        """Refuse what would make another request than the one that is meant, and what no answer can be."""
        if not TOKEN.fullmatch(self.verb):
            raise ValueError("method: must be a word like GET")
        if not self.path.startswith("/"):
            raise ValueError('path: must start with "/"')
        if not re.fullmatch("[!-~]+", self.path):
            raise ValueError("path: must be printable ASCII without spaces; write other characters as %XX")
        if self.host is not None and not re.fullmatch("[!-~]+", self.host):
            raise ValueError("host: must be a name, like www.example.com")
        self._validate_headers()
        self._validate_login()
        self._validate_expectations()

    def _validate_login(self) -> None:
        if (self.user is None) != (self.password is None):
            raise ValueError("user: goes with password, and one of them is missing")
        if self.user is not None and (":" in self.user or not self.user.isprintable()):
            raise ValueError('user: must be a name without ":", in one line')  # RFC 7617, 2

    def _validate_expectations(self) -> None:
        for option in _OF_THE_BODY:
            if self.verb == "HEAD" and getattr(self, option) not in (None, {}):
                raise ValueError(f"{option}: an answer to HEAD has no body")
        if self.location is not None and self.follow:
            raise ValueError("location: goes without follow, which goes where the answer leads")

    def _validate_headers(self) -> None:
        for name, value in self.headers.items():
            if not TOKEN.fullmatch(name) or not value.isprintable():
                raise ValueError(f"headers: {name} must be a header's name, and its value one line")
        if self.content_type is not None and (self.send is None or not self.content_type.isprintable()):
            raise ValueError("content_type: must be one line, and goes with send")
        given = [name for name in self.headers if name.lower() in _OF_THE_CONTENT]
        if self.send is not None and given:
            raise ValueError(f"headers: {given[0]} is made of send and content_type")


def _regex(option: str, pattern: str | None) -> re.Pattern[str] | None:
    return None if pattern is None else regex(option, pattern)
