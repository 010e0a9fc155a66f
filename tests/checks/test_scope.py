"""What a check's results depend on: checks that are equal and have one scope run once for several services."""

import re
from pathlib import Path

import pytest

from feedback import checks
from feedback.checks import Check
from feedback.checks.dns import DnsCheck
from feedback.checks.dns_serial import Serial
from feedback.checks.exec import ExecCheck
from feedback.checks.http import HttpCheck
from feedback.checks.tcp import TcpCheck
from feedback.model import Endpoint
from feedback.net import Target

HERE = Endpoint("10.2.0.1", 8080)
WEB = Target(HERE, "rs1", "web", 100, Endpoint("192.0.2.10", 80))

LOOK_AT_MORE = {
    "conventions": "tells the program of `exec` everything",
    "dns_serial": "compares the destinations of a service",
    "exec": "tells the program everything",
    "ftp": "compares what PASV announces with the service's address",
    "http": "follows redirects to the service's own port",
}
"""The modules that look at more of a target than where it is. Their checks' `scope` says so, as is tested below."""


def test_a_check_depends_on_where_it_goes_and_on_no_names() -> None:
    assert TcpCheck().scope(WEB) == Target(HERE)
    assert TcpCheck(port=9000).scope(WEB) == Target(Endpoint("10.2.0.1", 9000))
    assert HttpCheck().scope(WEB) == Target(HERE)
    assert DnsCheck().scope(WEB) == Target(HERE)


@pytest.mark.parametrize(
    "check", [ExecCheck(command=["/bin/true"], port=9000), DnsCheck(serial=Serial(), port=9000)], ids=["exec", "dns"]
)
def test_a_check_that_looks_at_the_names_depends_on_them(check: Check) -> None:
    assert check.scope(WEB) == Target(Endpoint("10.2.0.1", 9000), "rs1", "web", 100, Endpoint("192.0.2.10", 80))


def test_a_check_that_follows_redirects_depends_on_the_vip() -> None:
    assert HttpCheck(follow=3).scope(WEB) == Target(HERE, vip=WEB.vip)


def test_no_other_module_looks_at_more_of_a_target_than_where_it_is() -> None:
    root = Path(checks.__file__).parent
    looks = re.compile(r"\btarget\.(destination|service|base_weight|vip)\b")
    found = {
        path.relative_to(root).with_suffix("").as_posix()
        for path in root.rglob("*.py")
        if looks.search(path.read_text())
    }
    assert found <= LOOK_AT_MORE.keys()
