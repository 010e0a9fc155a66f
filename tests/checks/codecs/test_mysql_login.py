"""How accounts prove their password: against what other clients compute, and what a server would check."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.mysql_login import SCRAMBLES, caching_sha2_password, in_clear, native_password

NONCE = bytes(range(1, 21))


@pytest.mark.parametrize(
    ("plugin", "proof"),
    [
        ("mysql_native_password", "b32bb3a583e1340c0a1108d58b1be49781ad8c2f"),
        ("caching_sha2_password", "746ebe205d56a0707acb3e796e834e0dd7b1d61743b26bd5202c7a623230c7c9"),
    ],
)
def test_a_proof_is_that_of_other_clients(plugin: str, proof: str) -> None:
    assert SCRAMBLES[plugin](b"secret", NONCE).hex() == proof


def test_no_password_has_no_proof() -> None:
    assert [prove(b"", NONCE) for prove in SCRAMBLES.values()] == [b"", b""]


@given(st.binary(min_size=1), st.binary(min_size=20, max_size=20))
def test_a_server_that_keeps_a_hash_of_the_hash_is_convinced(password: bytes, nonce: bytes) -> None:
    kept = hashlib.sha1(hashlib.sha1(password).digest()).digest()
    mask = hashlib.sha1(nonce + kept).digest()
    once = bytes(left ^ right for left, right in zip(native_password(password, nonce), mask, strict=True))
    assert hashlib.sha1(once).digest() == kept

    kept = hashlib.sha256(hashlib.sha256(password).digest()).digest()
    mask = hashlib.sha256(kept + nonce).digest()
    once = bytes(left ^ right for left, right in zip(caching_sha2_password(password, nonce), mask, strict=True))
    assert hashlib.sha256(once).digest() == kept


def test_in_tls_the_password_itself_ends_with_nul() -> None:
    assert in_clear(b"secret") == b"secret\0"
