"""The way of packets that go to a service's own address, and are to reach one of its realservers by a mark.

That address is mostly one of this host's own. Left alone, the kernel would choose it as the source, too, and the
realserver, who has it as well, would answer to itself. And the realserver's answers come from that address, unless they
are masqueraded: IPv4 takes them for forged, if it is not told otherwise. That is this host's fault, not the service's.
"""

import errno
import socket

from feedback.engine import faults, routes
from feedback.engine.routes import Route
from feedback.errors import LocalFault
from feedback.model import Endpoint, Family, Forwarding
from feedback.net import Egress, Steering

ANSWER_BYTES = 4096


def steer(source: str | None, steering: Steering, vip: Endpoint) -> Egress:
    """Return the egress with which answers come back. Raises LocalFault where they can't, and CheckFailed."""
    realserver = Endpoint(steering.realserver, vip.port)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            there = _ask(kernel, routes.out(realserver.address))
            if there.error:
                raise faults.at_once(there.error, realserver)
            source = source or there.source
            if steering.forwarding is not Forwarding.MASQUERADE:
                _check_answers(kernel, vip, source, there)
    except OSError as error:  # no file descriptor is left
        raise faults.at_once(error.errno or 0, realserver) from None
    return Egress(source, fwmark=steering.fwmark, steering=steering)


def refuse_datagrams(steering: Steering | None) -> None:
    """Raise LocalFault for datagrams that are masqueraded: IPVS leads a port by what it was used for minutes ago."""
    if steering is not None and steering.forwarding is Forwarding.MASQUERADE:
        raise LocalFault(
            "via: vip is not for datagrams to a masqueraded destination: which one they reach is uncertain"
        )


def _ask(kernel: socket.socket, question: bytes) -> Route:
    """Ask the kernel, which has answered by the time that it has taken the question."""
    kernel.send(question)
    return routes.read(kernel.recv(ANSWER_BYTES, socket.MSG_DONTWAIT))


def _check_answers(kernel: socket.socket, vip: Endpoint, source: str, there: Route) -> None:
    """Raise LocalFault where answers that come from the vip, by the way to the realserver, don't get through."""
    if source == vip.address:
        raise LocalFault(f"the realserver would answer to itself, as this host reaches it from {source}: set `source`")
    if vip.family is Family.IPV6 or there.local:
        return
    back = _ask(kernel, routes.back(vip.address, source, there.device))
    if back.error:
        name = socket.if_indextoname(there.device)
        setting = "rp_filter=2" if back.error == errno.EXDEV else "accept_local=1"
        sentence = f"this host drops answers from {vip.address} that come by {name}"
        raise LocalFault(f"{sentence}: set net.ipv4.conf.{name}.{setting}")
