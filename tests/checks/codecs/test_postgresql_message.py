"""PostgreSQL's messages: what a real server says, what is sent, and what is none of it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import postgresql_message
from feedback.checks.codecs.postgresql_message import Authentication, Refusal
from feedback.errors import CheckFailed

ERROR = (
    b'SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for host "127.0.0.1", user "nix", database "nix", no encryption\0'
    b"Fauth.c\0L544\0RClientAuthentication\0\0"
)
"""As PostgreSQL 15 has said it."""


def test_an_error_has_a_state_and_words() -> None:
    refusal = postgresql_message.read_refusal(ERROR)
    words = 'no pg_hba.conf entry for host "127.0.0.1", user "nix", database "nix", no encryption'
    assert refusal == Refusal("FATAL", "28000", words)
    assert str(refusal) == f"FATAL 28000: {words}"


def test_a_severity_is_taken_as_it_is_in_every_language() -> None:
    assert postgresql_message.read_refusal(b"SFATAL:  \0VFATAL\0C57P03\0Mstartet gerade\0\0").severity == "FATAL"
    assert postgresql_message.read_refusal(b"SFATAL\0C57P03\0Mstarts\0\0").severity == "FATAL"  # of version 9.5


@pytest.mark.parametrize("body", [b"", b"\0", b"SFATAL\0\0", b"SFATAL\0Mno code\0\0", b"SFATAL\0C57P03\0\0"])
def test_an_error_that_lacks_something_is_none(body: bytes) -> None:
    with pytest.raises(CheckFailed, match="not an error of PostgreSQL"):
        postgresql_message.read_refusal(body)


@pytest.mark.parametrize(
    ("state", "of_login", "of_server"),
    [
        ("28P01", True, False),
        ("28000", True, False),
        ("3D000", False, False),
        ("08P01", False, False),
        ("57P03", False, True),
        ("53300", False, True),
        ("58000", False, True),
        ("XX000", False, True),
    ],
)
def test_an_error_is_of_the_login_or_of_the_server(state: str, *, of_login: bool, of_server: bool) -> None:
    refusal = Refusal("FATAL", state, "")
    assert (refusal.is_of_login, refusal.is_of_server) == (of_login, of_server)


@pytest.mark.parametrize(
    ("body", "answer", "words"),
    [
        (b"\0\0\0\0", Authentication(0, b""), "method 0"),
        (b"\0\0\0\x03", Authentication(3, b""), "a password in clear"),
        (b"\0\0\0\x05salt", Authentication(5, b"salt"), "an MD5 of the password"),
        (b"\0\0\0\x07", Authentication(7, b""), "GSSAPI"),
        (b"\0\0\0\x63", Authentication(99, b""), "method 99"),
        (
            b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0",
            Authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"),
            "SCRAM-SHA-256-PLUS, SCRAM-SHA-256",
        ),
        (b"\0\0\0\x0a", Authentication(10, b""), "SASL"),
    ],
)
def test_a_server_says_what_it_wants_for_a_login(body: bytes, answer: Authentication, words: str) -> None:
    assert postgresql_message.read_authentication(body) == answer
    assert str(answer) == words


@pytest.mark.parametrize("body", [b"", b"\0\0\0", b"\0\0\0\x05sal"])
def test_a_request_that_lacks_something_is_none(body: bytes) -> None:
    with pytest.raises(CheckFailed, match="not a request for a login"):
        postgresql_message.read_authentication(body)


def test_messages_have_a_kind_and_a_length() -> None:
    assert postgresql_message.read_header(b"E\0\0\0\x93") == ("E", 143)
    assert postgresql_message.read_header(b"3\0\0\0\x04") == ("3", 0)


@pytest.mark.parametrize("header", [b"HTTP/", b"Ecoul", b"E\0\0\0\x03", b"\0\0\0\0\x04", b"\xb2\0\0\0\x04"])
def test_another_beginning_is_none(header: bytes) -> None:
    with pytest.raises(CheckFailed, match="not a message of PostgreSQL"):
        postgresql_message.read_header(header)


def test_what_is_sent() -> None:
    assert postgresql_message.tls_request().hex() == "0000000804d2162f"
    assert postgresql_message.startup("u", "d") == (
        b"\0\0\0\x4a\0\x03\0\0user\0u\0application_name\0feedback\0client_encoding\0UTF8\0database\0d\0\0"
    )
    assert b"database" not in postgresql_message.startup("u", None)
    assert postgresql_message.query("SELECT 'ü'") == b"Q\0\0\0\x10SELECT '\xc3\xbc'\0"
    assert postgresql_message.password(b"secret") == b"p\0\0\0\x0bsecret\0"
    assert postgresql_message.sasl_begin("X", b"abc") == b"p\0\0\0\x0dX\0\0\0\0\x03abc"
    assert postgresql_message.sasl_continue(b"abc") == b"p\0\0\0\x07abc"
    assert postgresql_message.TERMINATE == b"X\0\0\0\x04"


def test_a_proof_by_md5_is_what_md5sum_says() -> None:
    assert postgresql_message.md5("monitor", "secret", b"\1\2\3\4") == b"md529c6313c69e8e7dad4af92984a1f41c1"


def test_a_row_has_values_and_null() -> None:
    row = b"\0\x03\0\0\0\x01t\xff\xff\xff\xff\0\0\0\0"
    assert postgresql_message.read_row(row) == ("t", None, "")
    assert postgresql_message.read_row(b"\0\0") == ()
    with pytest.raises(CheckFailed, match="a row of 6 bytes, must be 7 at least"):
        postgresql_message.read_row(row[:6])
    with pytest.raises(CheckFailed, match="a row of 2 bytes, must be 6 at least"):
        postgresql_message.read_row(b"\0\1")


def test_a_parameter_has_a_name_and_a_value() -> None:
    assert postgresql_message.read_parameter(b"server_version\x0015.6\0") == ("server_version", "15.6")
    assert postgresql_message.read_parameter(b"") == ("", "")


@given(st.binary(max_size=200), st.sampled_from([b"", ERROR[:20], b"\0\x03", b"\0\0\0\x0a"]))
def test_any_bytes_give_a_value_or_one_failure(data: bytes, beginning: bytes) -> None:
    body = beginning + data
    for read in (
        postgresql_message.read_refusal,
        postgresql_message.read_authentication,
        postgresql_message.read_parameter,
        postgresql_message.read_row,
    ):
        with contextlib.suppress(CheckFailed):
            str(read(body))
    with contextlib.suppress(CheckFailed):
        postgresql_message.read_header(body[:5].ljust(5, b"\0"))
