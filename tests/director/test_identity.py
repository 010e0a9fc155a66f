"""Who a certificate is of, as Python's ssl shows it."""

from typing import Any

import pytest

from feedback.director.identity import Identity, identity_of

CERTIFICATE: dict[str, Any] = {
    "subject": ((("countryName", "DE"),), (("commonName", "rs1"),)),
    "subjectAltName": (
        ("DNS", "rs1"),
        ("DNS", "mail.rs1"),
        ("URI", "spiffe://example/rs1"),
        ("IP Address", "10.0.0.1"),
    ),
    "serialNumber": "01A1FE",
    "notBefore": "Nov  1 11:12:59 2026 GMT",
    "notAfter": "Feb 19 12:12:59 2027 GMT",
}


def test_a_certificate_is_for_its_names_as_they_stand() -> None:
    identity = identity_of(CERTIFICATE)
    assert identity.names == {"rs1", "mail.rs1", "spiffe://example/rs1"}
    assert identity.serial == 0x1A1FE
    assert identity.ends_at - identity.begins_at == 110 * 86400 + 3600


def test_a_certificate_without_names_is_for_nobody() -> None:
    bare = {key: value for key, value in CERTIFICATE.items() if key not in {"subject", "subjectAltName"}}
    assert identity_of(bare).names == frozenset()


@pytest.mark.parametrize(("now", "expired"), [(99.9, False), (100.0, True)])
def test_a_certificate_expires(now: float, expired: bool) -> None:
    identity = Identity(names=frozenset(), serial=1, begins_at=0.0, ends_at=100.0)
    assert identity.expired(now) is expired
