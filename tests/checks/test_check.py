"""The check contract: a class with options and one coroutine, aimed at an endpoint."""

import pytest

from feedback.checks import Check
from feedback.checks.tcp import TcpCheck
from feedback.model import Endpoint

HERE = Endpoint("192.0.2.11", 80)


@pytest.mark.parametrize(
    ("check", "endpoint"),
    [
        (TcpCheck(), HERE),
        (TcpCheck(port=9000), Endpoint("192.0.2.11", 9000)),
        (TcpCheck(address="2001:db8::1"), Endpoint("2001:db8::1", 80)),
        (TcpCheck(address="2001:db8::1", port=9000), Endpoint("2001:db8::1", 9000)),
    ],
)
def test_a_check_goes_to_the_destination_unless_it_says_otherwise(check: Check, endpoint: Endpoint) -> None:
    assert check.aim(HERE) == endpoint


def test_a_check_without_a_probe_cannot_be_made() -> None:
    class Unfinished(Check):
        pass

    with pytest.raises(TypeError, match="probe"):
        Unfinished()  # type: ignore[abstract]


def test_a_check_is_driven_without_asyncio_unless_it_says_otherwise() -> None:
    assert Check.uses_asyncio is False
