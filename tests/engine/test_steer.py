"""The way to a realserver through a service's address, as far as the routes of any host go: the lab has the rest."""

import errno
import resource
import socket

import pytest

from feedback.checks.runner import run_once
from feedback.checks.tcp import TcpCheck
from feedback.checks.udp import UdpCheck
from feedback.engine import steer as module
from feedback.engine.routes import Route
from feedback.engine.steer import refuse_datagrams, steer
from feedback.errors import LocalFault
from feedback.model import Endpoint, Forwarding, Outcome
from feedback.net import Egress, Steering, Target
from tests.checks.peers import listener, outcome
from tests.engine.test_egress import may_mark

pytestmark = pytest.mark.loopback

VIP = Endpoint("192.0.2.10", 80)
MARK = 77
DIRECT, MASQUERADE = Forwarding.DIRECT, Forwarding.MASQUERADE


def lead(realserver: str, forwarding: Forwarding = DIRECT) -> Steering:
    return Steering(MARK, realserver, forwarding)


@pytest.mark.parametrize(("realserver", "vip"), [("127.0.0.1", VIP), ("::1", Endpoint("2001:db8::10", 80))])
def test_packets_come_from_where_this_host_reaches_the_realserver_and_bear_the_mark(
    realserver: str, vip: Endpoint
) -> None:
    steering = lead(realserver)
    assert steer(None, steering, vip) == Egress(realserver, fwmark=MARK, steering=steering)


def test_a_given_source_is_kept() -> None:
    assert steer("127.0.0.5", lead("127.0.0.1"), VIP).source == "127.0.0.5"


def test_a_realserver_is_not_to_answer_to_itself() -> None:
    with pytest.raises(LocalFault) as raised:
        steer(None, lead("127.0.0.1"), Endpoint("127.0.0.1", 80))
    sentence = "the realserver would answer to itself, as this host reaches it from 127.0.0.1: set `source`"
    assert str(raised.value) == sentence
    assert steer(None, lead("127.0.0.1", MASQUERADE), Endpoint("127.0.0.1", 80)).source == "127.0.0.1"


@pytest.mark.parametrize(
    ("number", "setting"), [(errno.EINVAL, "accept_local=1"), (errno.EXDEV, "rp_filter=2")], ids=["local", "strict"]
)
def test_what_this_host_would_drop_is_no_fault_of_the_service(
    monkeypatch: pytest.MonkeyPatch, number: int, setting: str
) -> None:
    routes = iter([Route(0, socket.if_nametoindex("lo"), "10.2.0.1"), Route(error=number)])
    monkeypatch.setattr(module, "_ask", lambda _kernel, _question: next(routes))
    with pytest.raises(LocalFault) as raised:
        steer(None, lead("10.2.0.11"), VIP)
    assert str(raised.value) == (
        f"this host drops answers from 192.0.2.10 that come by lo: set net.ipv4.conf.lo.{setting}"
    )


def test_masqueraded_answers_come_from_the_realserver_and_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = iter([Route(0, socket.if_nametoindex("lo"), "10.2.0.1")])
    monkeypatch.setattr(module, "_ask", lambda _kernel, _question: next(routes))
    assert steer(None, lead("10.2.0.11", MASQUERADE), VIP).source == "10.2.0.1"


def test_no_route_is_this_hosts_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ask", lambda _kernel, _question: Route(error=errno.ENETUNREACH))
    with pytest.raises(LocalFault, match=r"^this host can't reach 10\.2\.0\.11:80: Network is unreachable$"):
        steer(None, lead("10.2.0.11"), VIP)


def test_a_lack_of_descriptors_is_this_hosts_fault() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(LocalFault, match=r"^this host can't reach 127\.0\.0\.1:80: Too many open files$"):
            steer(None, lead("127.0.0.1"), VIP)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_masqueraded_datagrams_are_refused() -> None:
    refuse_datagrams(None)
    refuse_datagrams(lead("127.0.0.1"))
    with pytest.raises(LocalFault, match=r"^via: vip is not for datagrams to a masqueraded destination"):
        refuse_datagrams(lead("127.0.0.1", MASQUERADE))


async def test_a_check_is_led_where_its_target_says() -> None:
    target = Target(Endpoint("127.0.0.1", 9), steering=lead("127.0.0.1", MASQUERADE))
    result = await run_once(UdpCheck(send="ping"), target, 10)
    assert outcome(result) == (
        Outcome.UNKNOWN,
        "local",
        "via: vip is not for datagrams to a masqueraded destination: which one they reach is uncertain",
    )
    with listener() as listening:
        endpoint = Endpoint(*listening.getsockname())
        result = await run_once(
            TcpCheck(quiet=False, source="127.0.0.2"), Target(endpoint, steering=lead("127.0.0.1")), 10
        )
        if may_mark():
            assert result.outcome is Outcome.PASS
            accepted, sender = listening.accept()
            accepted.close()
            assert sender[0] == "127.0.0.2"
        else:
            assert outcome(result) == (Outcome.UNKNOWN, "local", "fwmark needs CAP_NET_ADMIN")
