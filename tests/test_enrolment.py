"""The token of `feedback pki enroll`, as it is handed from host to host."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.enrolment import Token, certificates_in, fingerprint, parse_token

TOKEN = Token(fingerprint(b"an authority"), bytes(range(16)))


def test_a_token_is_read_as_it_was_written() -> None:
    assert parse_token(str(TOKEN)) == TOKEN
    assert parse_token(f" {TOKEN}\n") == TOKEN
    assert len(str(TOKEN)) == len("fb1.") + 64


def test_a_token_knows_its_authority_and_no_other() -> None:
    assert TOKEN.is_of(b"an authority")
    assert not TOKEN.is_of(b"another")


@pytest.mark.parametrize("text", ["", "fb1.", "secret", str(TOKEN)[:-4], f"{TOKEN}AAAA", str(TOKEN)[4:], "fb1.ä"])
def test_what_is_no_token_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^that is no token: it must be as `feedback pki enroll` has printed it"):
        parse_token(text)


@given(st.one_of(st.text(), st.text().map("fb1.".__add__), st.binary(min_size=48, max_size=48)))
def test_any_text_is_a_token_or_a_sentence(text: str | bytes) -> None:
    if isinstance(text, bytes):
        token = Token(text[:32], text[32:])
        assert parse_token(str(token)) == token
    else:
        with contextlib.suppress(ValueError):
            parse_token(text)


def pem(data: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{data}\n-----END CERTIFICATE-----\n"


def test_certificates_are_read_from_their_file_one_after_the_other() -> None:
    assert certificates_in(pem("MTIz")) == b"123"
    assert certificates_in("the first:\n" + pem("MT\nIz") + pem("NDU2")) == b"123456"


@pytest.mark.parametrize("text", ["", "MTIz", pem("M"), pem("?")])
def test_a_file_without_certificates_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(there is no certificate|a certificate is damaged: .*)$"):
        certificates_in(text)
