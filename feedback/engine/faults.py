"""What the kernel's error numbers mean: the service failed the check, or this host could not make it. Pure."""

import errno
import os
import ssl

from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.model import Endpoint

_OF_THE_SERVICE = {
    errno.ECONNREFUSED: (Reason.REFUSED, "connection refused by"),
    errno.ECONNRESET: (Reason.RESET, "connection reset by"),
    errno.ECONNABORTED: (Reason.RESET, "connection reset by"),
    errno.EPIPE: (Reason.RESET, "connection reset by"),
    errno.ETIMEDOUT: (Reason.TIMEOUT, "no answer from"),
    errno.EHOSTUNREACH: (Reason.UNREACHABLE, "no way to the host of"),
    errno.EHOSTDOWN: (Reason.UNREACHABLE, "no way to the host of"),
    errno.EPROTO: (Reason.PROTOCOL, "protocol error on the connection to"),
    errno.ENOPROTOOPT: (Reason.UNREACHABLE, "protocol not available at"),
}

_OF_THE_SERVICE_LATER = {
    # Before anything was sent these say that this host has no route or no permission; later they are ICMP's words.
    errno.ENETUNREACH: (Reason.UNREACHABLE, "no way to the network of"),
    errno.EACCES: (Reason.UNREACHABLE, "a firewall on the way rejects"),
} | _OF_THE_SERVICE


def at_once(number: int, endpoint: Endpoint) -> CheckFailed | LocalFault:
    """Return what to raise when opening a socket or starting to connect fails at once with an error number."""
    return _fault(_OF_THE_SERVICE, number, endpoint)


def later(number: int, endpoint: Endpoint) -> CheckFailed | LocalFault:
    """Return what to raise when a connection that was under way fails with an error number."""
    return _fault(_OF_THE_SERVICE_LATER, number, endpoint)


def _fault(table: dict[int, tuple[Reason, str]], number: int, endpoint: Endpoint) -> CheckFailed | LocalFault:
    known = table.get(number)
    if known is None:
        return LocalFault(f"this host can't reach {endpoint}: {os.strerror(number)}")
    reason, words = known
    return CheckFailed(reason, f"{words} {endpoint}")


_OF_THE_EGRESS = {
    ("fwmark", errno.EPERM): "fwmark needs CAP_NET_ADMIN",
    ("interface", errno.EPERM): "interface needs CAP_NET_RAW",
    ("interface", errno.ENODEV): "this host has no interface {}",
    ("source", errno.EADDRNOTAVAIL): "source: {} is no address of this host",
    ("source", errno.EACCES): "a port below 1024 needs CAP_NET_BIND_SERVICE",
    ("source", errno.EAFNOSUPPORT): "source: {} is of the other IP family than what is checked",
}


def egress(option: str, value: object, number: int) -> LocalFault:
    """Return what to raise when a socket can't be given what an option of `Egress` says."""
    words = _OF_THE_EGRESS.get((option, number), f"{option}: {{}} can't be used: {os.strerror(number)}")
    return LocalFault(words.format(value))


def tls(error: ssl.SSLError, endpoint: Endpoint) -> CheckFailed:
    """Return what to raise when TLS fails: OpenSSL's reason in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CheckFailed(Reason.TLS, f"certificate of {endpoint} refused: {error.verify_message}")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return CheckFailed(Reason.TLS, f"{endpoint} closed the connection in the middle of TLS")
    words = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
    return CheckFailed(Reason.TLS, f"TLS with {endpoint} failed: {words}")
