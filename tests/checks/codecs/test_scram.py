"""SCRAM-SHA-256: the RFC's own example, and a server of our own that checks what a real one would."""

import base64
import contextlib
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import scram
from feedback.checks.codecs.scram import Opening, Proof
from feedback.errors import CheckFailed

# RFC 7677, section 3
RFC = Opening("n=user,r=rOprNGfwEbeRWgbNEkqO", "rOprNGfwEbeRWgbNEkqO")
CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
ANSWER = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
LAST = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_example_of_the_rfc() -> None:
    assert RFC.message == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    proof = scram.proof(RFC, "pencil", CHALLENGE)
    assert proof.message == ANSWER
    scram.verify(proof, LAST)
    scram.verify(proof, LAST + b",extension=1")


def test_an_opening_has_a_nonce_and_a_name_in_which_two_letters_are_escaped() -> None:
    assert scram.opening(b"\0\0\0", "a,b=c") == Opening("n=a=2Cb=3Dc,r=AAAA", "AAAA")
    assert scram.opening(b"\0\0\0").message == b"n,,n=,r=AAAA"


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", "the server has not proved that it knows the password"),
        (b"", "the server has not proved that it knows the password"),
        (b"v=", "the server has not proved that it knows the password"),
        (b"e=invalid-proof", "SCRAM-SHA-256: invalid-proof"),
    ],
)
def test_a_server_that_does_not_know_the_password_fails(last: bytes, words: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        scram.verify(scram.proof(RFC, "pencil", CHALLENGE), last)
    assert (caught.value.reason, caught.value.detail) == ("auth", words)


@pytest.mark.parametrize(
    ("challenge", "reason", "words"),
    [
        (b"", "protocol", "not a challenge"),
        (b"m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AA==,i=1", "protocol", "not a challenge"),
        (b"r=rOprNGfwEbeRWgbNEkqOx,s=AA==,i=0", "protocol", "not a challenge"),
        (b"r=rOprNGfwEbeRWgbNEkqOx,s=A,i=1", "protocol", "not in base64: A"),
        (b"r=rOprNGfwEbeRWgbNEkqO,s=AA==,i=1", "protocol", "must begin with the client's, and add to it"),
        (b"r=xrOprNGfwEbeRWgbNEkqO,s=AA==,i=1", "protocol", "must begin with the client's, and add to it"),
        (b"r=rOprNGfwEbeRWgbNEkqOx,s=AA==,i=100001", "limit", "100001 iterations"),
    ],
)
def test_another_challenge_is_refused(challenge: bytes, reason: str, words: str) -> None:
    with pytest.raises(CheckFailed, match=words) as caught:
        scram.proof(RFC, "pencil", challenge)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("password", "hashed"),
    [
        ("pencil", "pencil"),
        ("I\u00adX", "IX"),  # from here on, RFC 4013, section 3
        ("user", "user"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("ü\u0007", "ü\u0007"),  # forbidden: as it is
        ("\u0627\u0031", "\u0627\u0031"),
        ("\u0627\u0628", "\u0627\u0628"),
        ("\u0627a\u0628", "\u0627a\u0628"),
        ("a\u00a0b", "a b"),
        ("\u00ad", "\u00ad"),
        ("u\u0308", "ü"),
    ],
)
def test_a_password_is_prepared_as_by_saslprep_where_that_allows_it(password: str, hashed: str) -> None:
    assert scram.prepared(password) == hashed.encode()


@given(st.text(), st.binary(min_size=1, max_size=24), st.binary(min_size=1, max_size=16))
def test_a_server_that_keeps_two_keys_is_convinced_and_convinces(password: str, random: bytes, salt: bytes) -> None:
    opening = scram.opening(random)
    challenge = f"r={opening.nonce}more,s={base64.b64encode(salt).decode()},i=2"
    made = scram.proof(opening, password, challenge.encode())
    without_proof, _, encoded = made.message.decode().partition(",p=")
    signed = f"{opening.bare},{challenge},{without_proof}".encode()
    salted = hashlib.pbkdf2_hmac("sha256", scram.prepared(password), salt, 2)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    mask = hmac.digest(stored_key, signed, "sha256")
    client_key = bytes(left ^ right for left, right in zip(base64.b64decode(encoded), mask, strict=True))
    assert hashlib.sha256(client_key).digest() == stored_key
    assert made.server_signature == hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")


@given(st.binary(max_size=100), st.sampled_from([b"", CHALLENGE[:60], CHALLENGE, b"v=", b"e="]))
def test_any_bytes_give_a_value_or_one_failure(data: bytes, beginning: bytes) -> None:
    with contextlib.suppress(CheckFailed):
        scram.proof(RFC, "pencil", beginning + data)
    with contextlib.suppress(CheckFailed):
        scram.verify(Proof(b"", bytes(32)), beginning + data)
