"""Certificates for tests: as much of one as says when it expires, and a real one."""

import ssl

SEQUENCE, UTC_TIME, GENERALIZED_TIME = 0x30, 0x17, 0x18

REAL = ssl.PEM_cert_to_DER_cert("""\
-----BEGIN CERTIFICATE-----
MIIBcjCCARegAwIBAgIUYUNzMot2UEyL4x0YiUOcnt4M+3YwCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDcnMxMB4XDTI2MTEyMTA2MDQxNFoXDTQ2MTExNjA2MDQxNFow
DjEMMAoGA1UEAwwDcnMxMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2MRAxgtg
Zy1+awHEPXk91LHB3Tcw4BjFPpDODU2+eie94clcPk2Vb3IzDlvB5i9PXFTHEMTt
dUyNMtO7QgmDRqNTMFEwHQYDVR0OBBYEFLql0J5qdheMzhEOvnKidboJAaB3MB8G
A1UdIwQYMBaAFLql0J5qdheMzhEOvnKidboJAaB3MA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSQAwRgIhAJhN/fILudBcrHa7vWI8qYD1Xt5FGcdeYAPvkuDy
pn53AiEAy3nGL8VBete3ZoapE11iWeAciIY/TMeixL3/CBG6bys=
-----END CERTIFICATE-----
""")
"""Valid until 2046-11-16 06:04:14 UTC."""

NAMED = ssl.PEM_cert_to_DER_cert("""\
-----BEGIN CERTIFICATE-----
MIIByDCCAW6gAwIBAgICEjQwCgYIKoZIzj0EAwIwDjEMMAoGA1UEAwwDcnMxMB4X
DTI2MTEyMTEwMTM1OVoXDTQ2MTExNjEwMTM1OVowDjEMMAoGA1UEAwwDcnMxMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEA9DYBCaSnOGYjZ+IqB8jMuNpjwShS35W
HHxaZ5q8gnIk9jzQ0iZKtwSWA2RHpAwZKp+Vm6er40V9TdEnOVXlyqOBuzCBuDAd
BgNVHQ4EFgQU4GkAY95BG5iIKACvfHsbBTr9C/gwHwYDVR0jBBgwFoAU4GkAY95B
G5iIKACvfHsbBTr9C/gwDwYDVR0TAQH/BAUwAwEB/zBQBgNVHREESTBHgg93d3cu
ZXhhbXBsZS5jb22CDSouZXhhbXBsZS5vcmeHBMAAAgGHECABDbgAAAAAAAAAAAAA
AAGBDWFAZXhhbXBsZS5jb20wEwYDVR0lBAwwCgYIKwYBBQUHAwEwCgYIKoZIzj0E
AwIDSAAwRQIgQfQRjy8Ny7illDFFVA5eePZ0MsNb3Zeh/WQThOwP8BUCIQC/iF8g
sYpBYuQwtwmsGdj/rhN2PQBaxWlSEnf7E3OwyQ==
-----END CERTIFICATE-----
""")
"""For www.example.com, *.example.org, 192.0.2.1 and 2001:db8::1, valid until 2046-11-16, with the number 0x1234."""


def element(tag: int, *content: bytes) -> bytes:
    """Return an element of DER (X.690)."""
    data = b"".join(content)
    if len(data) < 0x80:
        return bytes([tag, len(data)]) + data
    length = len(data).to_bytes((len(data).bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + data


def certificate(not_after: bytes, *, versioned: bool = True) -> bytes:
    """Return a certificate up to its validity (RFC 5280, 4.1), whose end is the element `not_after`."""
    version = element(0xA0, element(0x02, b"\x02")) if versioned else b""
    serial = element(0x02, b"\x01")
    validity = element(SEQUENCE, element(UTC_TIME, b"200101000000Z"), not_after)
    issuer = element(SEQUENCE, b"i" * 200)
    return element(SEQUENCE, element(SEQUENCE, version, serial, element(SEQUENCE), issuer, validity))
