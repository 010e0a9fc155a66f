"""What a certificate says: as much of X.509 (RFC 5280) as checks want to know. Pure."""

import contextlib
import ipaddress
from datetime import datetime

import msgspec

from feedback.checks.codecs import der

_VERSION, _EXTENSIONS = 0xA0, 0xA3
_ALTERNATIVE_NAMES = bytes.fromhex("551d11")
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87


class Certificate(msgspec.Struct, frozen=True):
    """A certificate's serial number, its public key as it stands in it, and the names and addresses it is for."""

    serial: bytes
    public_key: bytes
    names: tuple[str, ...]


def not_after(encoded: bytes) -> datetime | None:
    """Return the end of a certificate's validity; None for bytes that are no certificate."""
    with contextlib.suppress(ValueError, IndexError):
        _, rest = _serial(encoded)
        _, rest = _skip(rest, 2)  # signature algorithm, issuer
        _, _, rest = der.element(der.content(rest, der.SEQUENCE))  # not before
        tag, text, _ = der.element(rest)
        return der.time(tag, text)
    return None


def parse(encoded: bytes) -> Certificate | None:
    """Return what a certificate says; None for bytes that are no certificate."""
    with contextlib.suppress(ValueError, IndexError):
        serial, rest = _serial(encoded)
        _, rest = _skip(rest, 4)  # signature algorithm, issuer, validity, subject
        public_key, rest = _skip(rest, 1)
        return Certificate(serial, public_key, _names(rest))
    return None


def is_for(name: str, names: tuple[str, ...]) -> bool:
    """Return whether a certificate for `names` is good for a name or address (RFC 6125, 6.4.3; RFC 9525).

    A star stands for the whole leftmost label, and for no more than one.
    """
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name)) in names
    name = name.lower().rstrip(".")
    _, _, parent = name.partition(".")
    known = {known.lower() for known in names}
    return name in known or (bool(parent) and f"*.{parent}" in known)


def _serial(encoded: bytes) -> tuple[bytes, bytes]:
    """Return the serial number, and what follows it in the certificate."""
    fields = der.content(der.content(encoded, der.SEQUENCE), der.SEQUENCE)
    tag, serial, rest = der.element(fields)
    if tag == _VERSION:
        _, serial, rest = der.element(rest, der.INTEGER)
    return serial, rest


def _skip(data: bytes, count: int) -> tuple[bytes, bytes]:
    """Return so many sequences as they stand, and what follows them."""
    rest = data
    for _ in range(count):
        _, _, rest = der.element(rest, der.SEQUENCE)
    return data[: len(data) - len(rest)], rest


def _names(rest: bytes) -> tuple[str, ...]:
    """Return the alternative names among the extensions. What stands in the subject has long been out of use."""
    for tag, extensions in der.elements(rest):
        for _, extension in der.elements(der.content(extensions, der.SEQUENCE)) if tag == _EXTENSIONS else ():
            _, kind, value = der.element(extension, der.OBJECT_ID)
            if kind == _ALTERNATIVE_NAMES:
                encoded = [inner for tag, inner in der.elements(value) if tag == der.OCTET_STRING]
                names = (_name(tag, name) for tag, name in der.elements(der.content(encoded[0], der.SEQUENCE)))
                return tuple(filter(None, names))
    return ()


def _name(tag: int, value: bytes) -> str:
    """Return a name or an address as text, "" for what is neither."""
    if tag == _DNS_NAME:
        return value.decode("latin-1")
    return str(ipaddress.ip_address(value)) if tag == _IP_ADDRESS else ""
