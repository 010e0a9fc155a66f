"""How the client commands speak to a director's API. Whatever goes wrong is one sentence that says what to do.

Straight HTTP on one connection: no proxy that the environment names, and no redirect that would carry the token away.
"""

import argparse
import contextlib
import http.client
import os
import ssl
from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from feedback.errors import ConfigError, FeedbackError
from feedback.secret import Secret
from feedback.token_file import read_token_file

DEFAULT_DIRECTOR = "http://127.0.0.1:8600"
TIMEOUT_SECONDS = 10.0
STREAM_TIMEOUT_SECONDS = 40.0
"""A stream shows a sign of life every 15 seconds."""
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024

AnswerT = TypeVar("AnswerT")


class _Error(msgspec.Struct, frozen=True):
    """What the API says instead of an answer."""

    error: str
    problems: tuple[str, ...] = ()


class DirectorError(FeedbackError):
    """The director can't be reached, or does not do what was asked."""


class Client:
    """A director's API at `url`."""

    def __init__(self, url: str, token: Secret | None = None, ca: str | None = None) -> None:
        """`ca`: a file of authorities to trust instead of the system's. Raises ConfigError for what is no URL."""
        try:
            parts = urlsplit(url if "//" in url else f"http://{url}")
            self._host = parts.hostname or ""
            self._port = parts.port
        except ValueError:
            raise _no_url(url) from None
        if parts.scheme not in {"http", "https"} or not self._host or self._port == 0 or parts.path not in {"", "/"}:
            raise _no_url(url)
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._context = _context(ca) if parts.scheme == "https" else None
        self._token = token

    def get(self, path: str, kind: type[AnswerT]) -> AnswerT:
        """Return the answer to a GET."""
        return self._ask("GET", path, b"", kind)

    def put(self, path: str, body: object, kind: type[AnswerT]) -> AnswerT:
        """Return the answer to a PUT of `body` as JSON."""
        return self._ask("PUT", path, msgspec.json.encode(body), kind)

    def post(self, path: str, kind: type[AnswerT]) -> AnswerT:
        """Return the answer to a POST without a body."""
        return self._ask("POST", path, b"", kind)

    def lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of an event stream as they come, without their ends. Ends by raising DirectorError."""
        with self._connected(STREAM_TIMEOUT_SECONDS) as connection:
            response = self._send(connection, "GET", path, b"", "text/event-stream")
            if response.status != http.client.OK:
                raise self._refused(response, self._read(response))
            while line := response.readline(MAX_LINE_BYTES):
                yield line.rstrip(b"\r\n")
            raise DirectorError(f"the director at {self.url} has ended the stream")

    def _ask(self, method: str, path: str, body: bytes, kind: type[AnswerT]) -> AnswerT:
        with self._connected(TIMEOUT_SECONDS) as connection:
            response = self._send(connection, method, path, body, "application/json")
            answer = self._read(response)
            if response.status != http.client.OK:
                raise self._refused(response, answer)
        try:
            return msgspec.json.decode(answer, type=kind)
        except msgspec.MsgspecError:
            raise self._stranger() from None

    @contextlib.contextmanager
    def _connected(self, timeout_seconds: float) -> Iterator[http.client.HTTPConnection]:
        """Yield a connection, and say in words how it fails."""
        if self._context is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_seconds)
        else:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout_seconds, context=self._context
            )
        try:
            yield connection
        except ConnectionRefusedError:
            raise DirectorError(
                f"no director listens at {self.url}: is it running? --director or FEEDBACK_DIRECTOR say where it is"
            ) from None
        except TimeoutError:
            raise DirectorError(f"the director at {self.url} does not answer within {timeout_seconds:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise DirectorError(
                f"the certificate of {self.url} is refused: {error.verify_message.rstrip('.')}; --ca or FEEDBACK_CA "
                "name the file of its authority"
            ) from None
        except ssl.SSLError as error:
            raise DirectorError(f"no TLS with {self.url}: {error.reason or error}") from None
        except http.client.HTTPException:
            raise self._stranger() from None
        except OSError as error:
            raise DirectorError(f"the director at {self.url} can't be reached: {error.strerror or error}") from None
        finally:
            connection.close()

    def _send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes, accept: str
    ) -> http.client.HTTPResponse:
        headers = {"Accept": accept, "Connection": "close"}
        if body:
            headers["Content-Type"] = "application/json"
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        connection.request(method, path, body or None, headers)
        return connection.getresponse()

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        answer = response.read(MAX_ANSWER_BYTES + 1)
        if len(answer) > MAX_ANSWER_BYTES:
            raise self._stranger()
        return answer

    def _refused(self, response: http.client.HTTPResponse, answer: bytes) -> FeedbackError:
        """Return what the director says it can't do, as the error to raise."""
        try:
            said = msgspec.json.decode(answer, type=_Error)
        except msgspec.MsgspecError:
            return self._stranger(response.status)
        if response.status == http.client.UNAUTHORIZED:
            wrong = "another token than this one" if self._token else "a token"
            return DirectorError(f"the director at {self.url} wants {wrong}: --token-file or FEEDBACK_TOKEN_FILE")
        if said.problems:
            return ConfigError(said.error, *said.problems)
        return DirectorError(said.error)

    def _stranger(self, status: int | None = None) -> DirectorError:
        answer = f" (HTTP status {status})" if status else ""
        return DirectorError(f"what answers at {self.url} is not a feedback director{answer}")


def _context(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"--ca {ca} can't be used: {error.strerror or error}") from None


def _no_url(text: str) -> ConfigError:
    return ConfigError(f'--director "{text}" must be a URL like {DEFAULT_DIRECTOR}')


def add_client_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every client command has."""
    parser.add_argument(
        "--director",
        metavar="URL",
        default=os.environ.get("FEEDBACK_DIRECTOR") or DEFAULT_DIRECTOR,
        help=f"the director's API (default: FEEDBACK_DIRECTOR, or {DEFAULT_DIRECTOR})",
    )
    parser.add_argument(
        "--ca",
        metavar="FILE",
        default=os.environ.get("FEEDBACK_CA") or None,
        help="the file of the director's authority, for https:// (default: FEEDBACK_CA, or what the system trusts)",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        default=os.environ.get("FEEDBACK_TOKEN_FILE") or None,
        help="the file with the director's token (default: FEEDBACK_TOKEN_FILE)",
    )


def make_client(arguments: argparse.Namespace) -> Client:
    """Return the client that the arguments ask for. Raises ConfigError."""
    token = None if arguments.token_file is None else read_token_file(arguments.token_file)
    return Client(arguments.director, token, arguments.ca)


def service_path(service: str) -> str:
    """Return a service's path in the API."""
    return f"/api/v1/services/{quote(service, safe='')}"


def admin_path(service: str, destination: str) -> str:
    """Return the path of a destination's admin state."""
    return f"{service_path(service)}/destinations/{quote(destination, safe='')}/admin"
