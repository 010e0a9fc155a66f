"""The check contract: a class with options and one coroutine, aimed at an endpoint."""

import pytest

import feedback.checks
from feedback.checks import Check, Passed
from feedback.checks.tcp import TcpCheck
from feedback.config import read_arguments
from feedback.errors import ConfigError
from feedback.model import Endpoint
from feedback.net import Egress, Target

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


def test_a_check_probes_the_target_it_is_given_with_its_own_endpoint() -> None:
    target = Target(HERE, "rs1", "web", 50, Endpoint("192.0.2.1", 80))
    assert TcpCheck().aimed(target) == target
    assert TcpCheck(port=9000).aimed(target) == Target(
        Endpoint("192.0.2.11", 9000), "rs1", "web", 50, Endpoint("192.0.2.1", 80)
    )


def test_the_host_decides_how_packets_leave_unless_the_check_says_otherwise() -> None:
    assert TcpCheck().egress is None
    assert TcpCheck(source="192.0.2.2").egress == Egress(source="192.0.2.2")
    check = TcpCheck(interface="eth0", fwmark=7)
    assert check.egress == Egress(interface="eth0", fwmark=7)
    assert check.egress is check.egress


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("source=here", "source: must be an IP address, like 192.0.2.10 or 2001:db8::10"),
        ("interface=eth 0", "interface: must be a network interface, like eth0"),
        ("fwmark=0", "fwmark: must be from 1 to 4294967295, not 0"),
        ("fwmark=4294967296", "fwmark: must be from 1 to 4294967295, not 4294967296"),
        ("slow=0s", 'slow: must be more than 0s, not "0s"'),
    ],
)
def test_a_way_that_can_not_be_is_refused(word: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_arguments(TcpCheck, [word])
    assert str(raised.value) == sentence


def test_the_contract_has_a_short_name_and_nothing_else_has() -> None:
    assert Passed("alive").weight_ratio is None
    with pytest.raises(AttributeError, match=r"^module 'feedback.checks' has no attribute 'Nothing'$"):
        _ = feedback.checks.Nothing
