import errno

import pytest

from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    Operation,
    SetDestination,
    SetService,
)
from feedback.director.table.contract import Refusal
from feedback.director.table.refusals import refusal
from feedback.model import Destination, Endpoint, Family, Forwarding, ServiceKey, Transport, VirtualService

WEB = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.10", 80))
MARK = ServiceKey.marked(17, Family.IPV6)
RS1 = Destination(Endpoint("10.2.0.11", 8080), Forwarding.MASQUERADE, 100)


@pytest.mark.parametrize(
    ("operation", "number", "sentence"),
    [
        (AddService(VirtualService(WEB, "rr")), errno.EEXIST, "add service tcp 192.0.2.10:80: it is there already"),
        (
            AddService(VirtualService(MARK, "nosuch")),
            errno.ENOENT,
            'add service fwmark 17 ipv6: the kernel has no scheduler "nosuch"',
        ),
        (
            SetService(VirtualService(WEB, "nosuch")),
            errno.ENOENT,
            'change service tcp 192.0.2.10:80: the kernel has no scheduler "nosuch"',
        ),
        (DeleteService(WEB), errno.ESRCH, "delete service tcp 192.0.2.10:80: there is no such service"),
        (
            AddDestination(WEB, RS1),
            errno.EINVAL,
            "add destination 10.2.0.11:8080 to tcp 192.0.2.10:80: Invalid argument",
        ),
        (
            SetDestination(WEB, RS1),
            errno.ERANGE,
            "change destination 10.2.0.11:8080 of tcp 192.0.2.10:80: a weight, threshold or name is out of range",
        ),
        (
            DeleteDestination(WEB, RS1.key),
            errno.ENOENT,
            "delete destination 10.2.0.11:8080 of tcp 192.0.2.10:80: there is no such destination",
        ),
    ],
)
def test_a_refusal_says_what_was_tried_and_why_not(operation: Operation, number: int, sentence: str) -> None:
    assert refusal(operation, number) == Refusal(operation, number, sentence)
