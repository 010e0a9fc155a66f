"""ICMP echo on real sockets, of whichever kind this process may open."""

import asyncio
import errno
import re
import socket
from typing import Any

import pytest

from feedback.checks.icmp import IcmpCheck
from feedback.checks.runner import Runner
from feedback.engine import Engine
from feedback.engine.icmp import ICMP, ICMPV6, Host, open_socket
from feedback.engine.sockets import DATAGRAM, INET, INET6, RAW
from feedback.errors import LocalFault
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Net, Target
from tests.checks.peers import ADDRESSES, MadeCheck, check_once, descriptors, outcome, until

pytestmark = pytest.mark.loopback

NEEDS = "ICMP needs a group of this process in net.ipv4.ping_group_range, or CAP_NET_RAW"


def may_ping(address: str) -> bool:
    """Return whether this process may send echo requests: root may, and others where the host lets them."""
    try:
        open_socket(Endpoint(address, 0)).close()
    except LocalFault:
        return False
    return True


class Kernel:
    """Opens sockets as a kernel that refuses some kinds."""

    def __init__(self, *refused: int, number: int = errno.EPERM) -> None:
        self.asked: list[tuple[int, int, int]] = []
        self._refused = refused
        self._number = number

    def open(self, family: int, kind: int, protocol: int) -> socket.SocketType:
        self.asked.append((family, kind, protocol))
        if kind in self._refused:
            raise OSError(self._number, "no")
        return socket.SocketType(family, DATAGRAM)


@pytest.mark.parametrize(("address", "family", "protocol"), [("127.0.0.1", INET, ICMP), ("::1", INET6, ICMPV6)])
def test_the_socket_that_needs_no_privilege_is_asked_for_first_and_then_a_raw_one(
    address: str, family: int, protocol: int
) -> None:
    endpoint = Endpoint(address, 0)
    kind, raw = (family, DATAGRAM, protocol), (family, RAW, protocol)
    kernel = Kernel()
    open_socket(endpoint, kernel.open).close()
    assert kernel.asked == [kind]
    kernel = Kernel(DATAGRAM)
    open_socket(endpoint, kernel.open).close()
    assert kernel.asked == [kind, raw]
    kernel = Kernel(DATAGRAM, RAW)
    with pytest.raises(LocalFault) as raised:
        open_socket(endpoint, kernel.open)
    assert str(raised.value) == NEEDS
    assert kernel.asked == [kind, raw]


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EMFILE, "Too many open files"), (errno.EAFNOSUPPORT, "Address family not supported by protocol")],
)
def test_another_fault_of_this_host_is_not_taken_for_a_lack_of_privilege(number: int, words: str) -> None:
    with pytest.raises(LocalFault, match=f"^this host can't reach 127.0.0.1: {words}$"):
        open_socket(Host("127.0.0.1"), Kernel(DATAGRAM, number=number).open)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("options", [{}, {"count": 5, "max_loss": 0.0}, {"size": 60_000}, {"interface": "lo"}])
async def test_a_host_that_answers_passes(address: str, options: dict[str, Any]) -> None:
    result = await check_once(IcmpCheck(**options), Endpoint(address, 80))
    if may_ping(address):
        assert result[:2] == (Outcome.PASS, "")
        assert re.fullmatch(r"round trip \d+\.\d\d ms", result[2])
    else:
        assert result == (Outcome.UNKNOWN, "local", NEEDS)


@pytest.mark.parametrize("address", ADDRESSES)
async def test_many_at_once_hear_their_own_replies_only(address: str) -> None:
    async def probe(target: Target, net: Net) -> str:
        mine = next(names)
        heard = []
        async with net.connect_icmp(target) as echoes:
            for number in range(3):
                await echoes.send(b"%s.%d" % (mine, number))
                heard.append(await echoes.receive())
            silence = await echoes.receive_within(0.05)
        assert heard == [b"%s.%d" % (mine, number) for number in range(3)]
        assert silence is None
        return "mine"

    names = iter([b"%d" % number for number in range(50)])
    before = descriptors()
    engine = Engine(asyncio.get_running_loop())
    runner = Runner(engine)
    results: list[CheckResult] = []
    for _ in range(50):
        runner.start(MadeCheck(function=probe), Target(Endpoint(address, 80)), 20.0, results.append)
    await until(lambda: len(results) == 50, 30)
    engine.close()
    wanted = (Outcome.PASS, "", "mine") if may_ping(address) else (Outcome.UNKNOWN, "local", NEEDS)
    assert {outcome(result) for result in results} == {wanted}
    assert descriptors() == before


async def test_a_source_of_the_other_family_is_this_hosts_fault() -> None:
    result = await check_once(IcmpCheck(source="::1"), Endpoint("127.0.0.1", 80))
    lacking = "source: ::1 is of the other IP family than what is checked" if may_ping("127.0.0.1") else NEEDS
    assert result == (Outcome.UNKNOWN, "local", lacking)
