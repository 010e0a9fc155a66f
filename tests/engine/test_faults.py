"""What an error number says: the service failed, or this host could not try."""

import errno
import ssl
from collections.abc import Callable

import pytest

from feedback.engine import faults
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.model import Endpoint

RS1 = Endpoint("10.2.0.11", 80)
Fault = Callable[[int, Endpoint], CheckFailed | LocalFault]


@pytest.mark.parametrize("when", [faults.at_once, faults.later])
@pytest.mark.parametrize(
    ("number", "reason", "detail"),
    [
        (errno.ECONNREFUSED, Reason.REFUSED, "connection refused by 10.2.0.11:80"),
        (errno.ECONNRESET, Reason.RESET, "connection reset by 10.2.0.11:80"),
        (errno.EPIPE, Reason.RESET, "connection reset by 10.2.0.11:80"),
        (errno.ETIMEDOUT, Reason.TIMEOUT, "no answer from 10.2.0.11:80"),
        (errno.EHOSTUNREACH, Reason.UNREACHABLE, "no way to the host of 10.2.0.11:80"),
    ],
)
def test_what_the_peer_did_is_a_failure(when: Fault, number: int, reason: Reason, detail: str) -> None:
    fault = when(number, RS1)
    assert isinstance(fault, CheckFailed)
    assert (fault.reason, fault.detail) == (reason, detail)


@pytest.mark.parametrize("when", [faults.at_once, faults.later])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, 0])
def test_what_this_host_lacks_is_no_failure_of_the_service(when: Fault, number: int) -> None:
    fault = when(number, RS1)
    assert isinstance(fault, LocalFault)
    assert str(fault).startswith("this host can't reach 10.2.0.11:80: ")


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EACCES])
def test_no_route_and_no_permission_are_this_hosts_before_anything_was_sent_and_the_networks_later(number: int) -> None:
    assert isinstance(faults.at_once(number, RS1), LocalFault)
    later = faults.later(number, RS1)
    assert isinstance(later, CheckFailed)
    assert later.reason is Reason.UNREACHABLE


def test_tls_is_told_in_openssls_words() -> None:
    refused = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refused.verify_message = "certificate has expired"
    assert str(faults.tls(refused, RS1)) == "tls: certificate of 10.2.0.11:80 refused: certificate has expired"
    assert str(faults.tls(ssl.SSLEOFError(8, "EOF"), RS1)) == (
        "tls: 10.2.0.11:80 closed the connection in the middle of TLS"
    )
    plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    plain.reason = "WRONG_VERSION_NUMBER"
    assert str(faults.tls(plain, RS1)) == "tls: TLS with 10.2.0.11:80 failed: wrong version number"


@pytest.mark.parametrize(
    ("option", "value", "number", "sentence"),
    [
        ("fwmark", 7, errno.EPERM, "fwmark needs CAP_NET_ADMIN"),
        ("interface", "eth7", errno.EPERM, "interface needs CAP_NET_RAW"),
        ("interface", "eth7", errno.ENODEV, "this host has no interface eth7"),
        ("source", "192.0.2.7", errno.EADDRNOTAVAIL, "source: 192.0.2.7 is no address of this host"),
        ("source", "192.0.2.7", errno.EAFNOSUPPORT, "source: 192.0.2.7 is of the other IP family than what is checked"),
        ("source", "192.0.2.7", errno.EINVAL, "source: 192.0.2.7 can't be used: Invalid argument"),
    ],
)
def test_a_way_out_of_this_host_that_is_not_to_be_had_is_its_own_fault(
    option: str, value: object, number: int, sentence: str
) -> None:
    assert str(faults.egress(option, value, number)) == sentence
