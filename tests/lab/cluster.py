"""A Linux Virtual Server of network namespaces: a client, a director and three realservers on one bridge.

    with Cluster(Forwarding.MASQUERADE) as cluster:
        servers = [cluster.serve(name) for name in REALSERVERS]
        ...write the table, by KernelTable, `feedback director` or ipvsadm...
        with cluster.load(Endpoint(VIP, 80)) as load:
            wait_until(lambda: load.total() >= 60)
        assert load.errors == []

The director is the machine's own network namespace: KernelTable works in the test's process, a director's API is on
127.0.0.1, and /proc/sys/net/ipv4/vs is the director's. Client and realservers are namespaces named as in `HOSTS`.
Their servers and clients are threads of the test's process whose sockets are made there (see traffic.py): nothing
to start, and what they have served can be read at once. Everything is IPv4 and IPv6.

    client        192.0.2.2    2001:db8::2       its default route leads to the director
    director      192.0.2.1    2001:db8::1       and VIP, VIP6; 10.2.0.1 and 2001:db8:2::1 towards the realservers
    rs1 .. rs3    10.2.0.11-13 2001:db8:2::11-13

With masquerading, the realservers' default route leads to the director. With direct routing and tunnels they have
the VIPs themselves, don't answer for them on the wire, and reach the client without the director.
"""

import contextlib
import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from feedback.model import Endpoint, Family, Forwarding
from tests.lab.traffic import EchoServer, Load, RealServer, ask, fetch

CLIENT = "client"
REALSERVERS = ("rs1", "rs2", "rs3")
HOSTS = (CLIENT, *REALSERVERS)
BRIDGE = "lan"
VIP = "192.0.2.10"
VIP6 = "2001:db8::10"
ADDRESSES = {
    CLIENT: ("192.0.2.2", "2001:db8::2"),
    "rs1": ("10.2.0.11", "2001:db8:2::11"),
    "rs2": ("10.2.0.12", "2001:db8:2::12"),
    "rs3": ("10.2.0.13", "2001:db8:2::13"),
}
"""Each host's own addresses, IPv4 and IPv6."""

COMMAND_TIMEOUT_SECONDS = 30
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Cluster:
    """The hosts, wired for one way of forwarding. A context manager: all is gone at its end, the IPVS table too."""

    def __init__(self, forwarding: Forwarding) -> None:
        self.forwarding = forwarding
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.callback(_remove)
        try:
            _remove()
            _make_director()
            for host in HOSTS:
                self._make_host(host)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def serve(self, host: str, port: int = 80) -> RealServer:
        """Start an HTTP server on a realserver, on all its addresses (the VIPs too). It ends with the cluster."""
        with inside(host):
            server = RealServer(host, port)
        self._stack.callback(server.stop)
        return server

    def serve_udp(self, host: str, port: int) -> EchoServer:
        """Start a UDP server on a realserver. It answers `host: what it got`, and ends with the cluster."""
        with inside(host):
            server = EchoServer(host, port)
        self._stack.callback(server.stop)
        return server

    def ask(self, endpoint: Endpoint, question: bytes, timeout_seconds: float = 5.0) -> str:
        """Send one datagram from the client and return the answer. Raises OSError when there is none."""
        with inside(CLIENT):
            return ask(endpoint, question, timeout_seconds)

    def fetch(self, endpoint: Endpoint, path: str = "/", timeout_seconds: float = 5.0) -> str:
        """Make one HTTP request from the client and return the body. Raises OSError for anything but a whole 200."""
        with inside(CLIENT):
            return fetch(endpoint, path, timeout_seconds)

    def load(self, endpoint: Endpoint, path: str = "/", *, threads: int = 1, pause_seconds: float = 0.0) -> Load:
        """Return client load, to be used as a context manager: requests one after the other, each a new connection."""
        return Load(endpoint, path, threads, pause_seconds, lambda: enter(CLIENT))

    def mark(self, address: str, fwmark: int) -> None:
        """Mark what comes to an address, as a firewall would, so that it belongs to a fwmark service."""
        protocol = "ipv6" if ":" in address else "ip"
        run("tc", "qdisc", "replace", "dev", BRIDGE, "clsact")
        match = ["protocol", protocol, "flower", "dst_ip", address]
        run("tc", "filter", "add", "dev", BRIDGE, "ingress", *match, "action", "skbedit", "mark", str(fwmark))

    def _make_host(self, host: str) -> None:
        """Give a host its addresses and routes."""
        ipv4, ipv6 = ADDRESSES[host]
        own = [f"addr add {ipv4}/24 dev {BRIDGE}", f"addr add {ipv6}/64 dev {BRIDGE} nodad"]
        _ip("link set lo up", f"link set {BRIDGE} up", *own, *self._routes(host), namespace=host)

    def _routes(self, host: str) -> list[str]:
        if host == CLIENT:
            return ["route add default via 192.0.2.1", "route add ::/0 via 2001:db8::1"]
        if self.forwarding is Forwarding.MASQUERADE:
            return ["route add default via 10.2.0.1", "route add ::/0 via 2001:db8:2::1"]
        tunnels = ["link set tunl0 up", "link set ip6tnl0 up"] if self.forwarding is Forwarding.TUNNEL else []
        routes = [f"route add 192.0.2.0/24 dev {BRIDGE}", f"route add 2001:db8::/64 dev {BRIDGE}"]
        return [f"addr add {VIP}/32 dev lo", f"addr add {VIP6}/128 dev lo nodad", *routes, *tunnels]


def _make_director() -> None:
    """Make the director's side: addresses, forwarding, and a wire to every host."""
    run("modprobe", "-a", "ip_vs", "ipip", "ip6_tunnel")
    _set("ipv4/ip_forward", 1)
    _set("ipv6/conf/all/forwarding", 1)
    _set("ipv6/conf/default/accept_dad", 0)
    _set("ipv4/conf/all/send_redirects", 0)
    _set("ipv4/conf/default/send_redirects", 0)
    _ip(
        f"link add {BRIDGE} type bridge",
        f"link set {BRIDGE} up",
        *(f"addr add {address} dev {BRIDGE}" for address in ("192.0.2.1/24", f"{VIP}/32", "10.2.0.1/24")),
        *(
            f"addr add {address} dev {BRIDGE} nodad"
            for address in ("2001:db8::1/64", f"{VIP6}/128", "2001:db8:2::1/64")
        ),
        *(f"netns add {host}" for host in HOSTS),
    )
    for host in HOSTS:
        with inside(host):
            _prepare_host()
    _ip(
        *(f"link add {host} type veth peer name {BRIDGE} netns {host}" for host in HOSTS),
        *(f"link set {host} master {BRIDGE} up" for host in HOSTS),
    )


def _prepare_host() -> None:
    """Set what the interfaces of the namespace that this thread is in are to begin with."""
    _set("ipv6/conf/default/accept_dad", 0)
    _set("ipv6/conf/default/router_solicitations", 0)
    # On one wire the director tells everyone to talk to each other directly, past its address translation.
    _set("ipv6/conf/default/accept_redirects", 0)
    for name in ("all", "default"):  # whoever has a VIP on its loopback does not tell the wire
        _set(f"ipv4/conf/{name}/arp_ignore", 1)
        _set(f"ipv4/conf/{name}/arp_announce", 2)


def _remove() -> None:
    """Take down what stands of a cluster, and unload IPVS: its table, connections and settings go with it."""
    unload_ipvs()
    links = [f"link del {name}" for name in (*HOSTS, BRIDGE) if Path("/sys/class/net", name).exists()]
    _ip(*links, *(f"netns del {host}" for host in HOSTS if Path("/run/netns", host).exists()))


def unload_ipvs() -> None:
    """Unload IPVS with its schedulers. The kernel loads it again, fresh, when it is next asked for."""
    modules = [line.split()[0] for line in Path("/proc/modules").read_text().splitlines()]
    loaded = sorted((module for module in modules if module.startswith("ip_vs")), reverse=True)
    if loaded:
        run("ipvsadm", "-C")
        run("modprobe", "-r", *loaded)


def run(*command: str, namespace: str = "") -> str:
    """Run a command, in a host's namespace or the director's, and return what it printed.

    Raises AssertionError with what it said when it fails.
    """
    prefix = ["ip", "netns", "exec", namespace] if namespace else []
    done = subprocess.run(
        [*prefix, *command], capture_output=True, text=True, timeout=COMMAND_TIMEOUT_SECONDS, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}: exit status {done.returncode}: {done.stderr}{done.stdout}"
    return done.stdout


def saved_table() -> list[str]:
    """Return the director's table in ipvsadm's words, sorted: `-a -t 192.0.2.10:80 -r 10.2.0.11:80 -m -w 1`."""
    return sorted(line.strip() for line in run("ipvsadm", "-S", "-n").splitlines())


def saved_weights(service: str) -> dict[str, int]:
    """Return the weights of a service's destinations as ipvsadm sees them; `service` like `-t 192.0.2.10:80`."""
    lines = [line.split() for line in saved_table() if line.startswith(f"-a {service} ")]
    return {words[words.index("-r") + 1]: int(words[words.index("-w") + 1]) for words in lines}


def wait_until(condition: Callable[[], bool], timeout_seconds: float = 30.0) -> float:
    """Wait until a condition holds and return the seconds it took. Raises AssertionError when it never does."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < timeout_seconds, f"it did not come to this within {timeout_seconds} s"
        time.sleep(0.02)
    return time.monotonic() - start


def family_vip(family: Family) -> str:
    """Return the virtual address of a family."""
    return VIP6 if family is Family.IPV6 else VIP


def family_address(host: str, family: Family) -> str:
    """Return a host's own address of a family."""
    return ADDRESSES[host][family is Family.IPV6]


def enter(namespace: str) -> None:
    """Move this thread into a host's namespace for good: the sockets that it makes from now on are there."""
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        _set_namespace(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Be in a host's namespace for a block: sockets made there stay there. Nothing in the block may await."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        enter(namespace)
        yield
    finally:
        _set_namespace(home)
        os.close(home)


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _set(name: str, value: int) -> None:
    """Set a network sysctl of the namespace that this thread is in."""
    Path("/proc/sys/net", name).write_text(str(value))


def _ip(*commands: str, namespace: str = "") -> None:
    """Run ip commands in one process: starting one costs more than all that they do."""
    host = ["-n", namespace] if namespace else []
    done = subprocess.run(
        ["ip", *host, "-batch", "-"],
        input="\n".join(commands),
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"ip: {done.stderr}"
