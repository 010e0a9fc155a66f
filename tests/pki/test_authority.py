import base64

import pytest

from feedback.errors import EnrolmentError
from feedback.pki import authority
from tests.pki.authority_made import new_key, signing_request


def with_version(pem: str, before: bytes, version: int) -> bytes:
    """Return a PEM file's DER with another version in it: `before` is what stands before that."""
    der = base64.b64decode("".join(pem.strip().splitlines()[1:-1]))
    place = der.index(before) + len(before)
    return der[:place] + bytes([version]) + der[place + 1 :]


def test_a_signing_request_of_another_version_is_none() -> None:
    der = with_version(signing_request(new_key()), b"\x02\x01", 64)
    lines = base64.encodebytes(der).decode()
    with pytest.raises(EnrolmentError, match=r"that is no signing request .*: 64 is not a valid CSR version"):
        authority.requested_key(f"-----BEGIN CERTIFICATE REQUEST-----\n{lines}-----END CERTIFICATE REQUEST-----\n")


def test_a_certificate_of_another_version_is_none() -> None:
    made = authority.new_authority("lvs1", 1e9).certificate.decode()
    with pytest.raises(EnrolmentError, match="that is no certificate: 5 is not a valid X509 version"):
        authority.key_of(with_version(made, b"\xa0\x03\x02\x01", 5))
