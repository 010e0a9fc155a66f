"""What programs of other monitors are told, and what their exit status means."""

import pytest

from feedback.checks.conventions import CONVENTIONS, MISC_DYNAMIC, weight_by_status
from feedback.model import Endpoint
from feedback.net import Target

REAL = Endpoint("2001:db8::11", 8080)
WITH_VIP = Target(REAL, "rs1", "web", vip=Endpoint("2001:db8::10", 80))
BY_FWMARK = Target(REAL, "rs1", "web")


@pytest.mark.parametrize(
    ("convention", "with_vip", "by_fwmark"),
    [
        ("nagios", [], []),
        ("keepalived", [], []),
        ("ldirectord", ["2001:db8::10", "80", "2001:db8::11", "8080"], ["", "", "2001:db8::11", "8080"]),
        ("haproxy", ["2001:db8::10", "80", "2001:db8::11", "8080"], ["NOT_USED", "NOT_USED", "2001:db8::11", "8080"]),
        ("mon", ["2001:db8::11"], ["2001:db8::11"]),
        ("piranha", [], []),
    ],
)
def test_what_follows_the_command(convention: str, with_vip: list[str], by_fwmark: list[str]) -> None:
    assert CONVENTIONS[convention].command(["it", "-v"], WITH_VIP) == ["it", "-v", *with_vip]
    assert CONVENTIONS[convention].command(["it", "-v"], BY_FWMARK) == ["it", "-v", *by_fwmark]


def test_placeholders_go_with_every_convention_and_shorthands_with_their_own() -> None:
    words = ["it", "{vip}/{vip_port}", "%h:%p"]
    assert CONVENTIONS["nagios"].command(words, WITH_VIP) == ["it", "2001:db8::10/80", "%h:%p"]
    assert CONVENTIONS["piranha"].command(words, WITH_VIP) == ["it", "2001:db8::10/80", "2001:db8::11:8080"]
    assert CONVENTIONS["haproxy"].command(words, BY_FWMARK)[:3] == ["it", "/", "%h:%p"]


def test_a_name_is_told_as_it_is() -> None:
    target = Target(REAL, "{port}", "%h")
    assert CONVENTIONS["piranha"].command(["it", "{destination}", "{service}"], target) == ["it", "{port}", "%h"]


def test_haproxys_programs_find_their_environment() -> None:
    assert CONVENTIONS["haproxy"].surroundings(WITH_VIP) == {
        "FEEDBACK_ADDRESS": "2001:db8::11",
        "FEEDBACK_PORT": "8080",
        "FEEDBACK_SERVICE": "web",
        "FEEDBACK_DESTINATION": "rs1",
        "FEEDBACK_VIP": "2001:db8::10",
        "FEEDBACK_VIP_PORT": "80",
        "HAPROXY_PROXY_NAME": "web",
        "HAPROXY_PROXY_ADDR": "2001:db8::10",
        "HAPROXY_PROXY_PORT": "80",
        "HAPROXY_SERVER_NAME": "rs1",
        "HAPROXY_SERVER_ADDR": "2001:db8::11",
        "HAPROXY_SERVER_PORT": "8080",
    }
    surroundings = CONVENTIONS["haproxy"].surroundings(BY_FWMARK)
    assert "FEEDBACK_VIP" not in surroundings
    assert surroundings["HAPROXY_PROXY_ADDR"] == surroundings["HAPROXY_PROXY_PORT"] == ""


def test_every_status_but_nagios_own_is_a_pass_or_a_failure() -> None:
    for name, convention in CONVENTIONS.items():
        known = {*convention.passing, *convention.warning, *convention.failing}
        assert known == ({0, 1, 2} if name == "nagios" else set(range(256)))


def test_misc_dynamic_has_weights_from_0_to_253() -> None:
    assert set(MISC_DYNAMIC.passing) - set(MISC_DYNAMIC.failing) == {0, *range(2, 256)}
    assert [weight_by_status(status) for status in (0, 2, 3, 255)] == [None, 0, 1, 253]
