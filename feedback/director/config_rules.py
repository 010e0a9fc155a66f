"""What must fit together in a service, whatever each of its parts says alone. Pure."""

import ipaddress
from collections.abc import Mapping

from feedback.director.config import DestinationConfig, ServiceConfig
from feedback.model import Endpoint, Forwarding, ServiceKey
from feedback.reader import child
from feedback.tree import Node, Problems

BLIND_SCHEDULERS = frozenset({"rr", "lc", "dh"})
"""Schedulers that see of a weight only whether it is 0."""

RANKING_SCHEDULERS = frozenset({"fo", "ovf"})
"""Schedulers that take weights for an order or a limit, not for shares."""


def address_of(destination: Node) -> Node:
    """Return where a destination's address stands: in its short form it is all there is."""
    return child(destination, "address") if isinstance(destination.value, dict) else destination


def check_unique(destinations: Mapping[str, DestinationConfig], node: Node, problems: Problems) -> None:
    """Note destinations of one address and port."""
    seen: dict[Endpoint, str] = {}
    for name, destination in destinations.items():
        first = seen.setdefault(destination.key, name)
        if first != name:
            problems.add(address_of(child(node, name)), f"{destination.key} is the address of {first} already")


def check_service(service: ServiceConfig, node: Node, problems: Problems) -> None:
    """Note destinations, a fallback and checks that don't go with the service's address."""
    nodes = child(node, "destinations")
    for name, destination in service.destinations.items():
        its_node = child(nodes, name)
        if problems.none_at(child(its_node, "forwarding").path, child(node, "forwarding").path, "defaults.forwarding"):
            _check_reach(service.key, destination.key, destination.forwarding, address_of(its_node), problems)
    _check_fallback(service, child(node, "fallback"), problems)
    _check_ports(service, child(node, "checks"), problems)


def _check_reach(key: ServiceKey, endpoint: Endpoint, forwarding: Forwarding, node: Node, problems: Problems) -> None:
    """Note it where the kernel can't send the service's packets there in this way."""
    if endpoint.family is not key.family and forwarding is not Forwarding.TUNNEL:
        problems.add(node, f"must be {key.family} like the service: only tunnel forwarding goes from one to the other")
    elif forwarding is not Forwarding.MASQUERADE and endpoint.port != key.port and not key.fwmark:
        problems.add(node, f"must have the service's port, {key.port}: {forwarding} forwarding does not change ports")


def _check_fallback(service: ServiceConfig, node: Node, problems: Problems) -> None:
    if service.fallback is None:
        return
    _check_reach(service.key, service.fallback, service.forwarding, node, problems)
    same = [destination.name for destination in service.destinations.values() if destination.key == service.fallback]
    if same:
        problems.add(node, f"must be another server than the destination {same[0]}")


def _check_ports(service: ServiceConfig, node: Node, problems: Problems) -> None:
    """Note checks without a port where a destination has none either, as a firewall mark's may."""
    portless = next((one for one in service.destinations.values() if not one.key.port), None)
    if portless is None or not isinstance(node.value, tuple):
        return
    for index, config in enumerate(service.checks):
        if not config.check.aim(portless.key).port:
            problems.add(node.value[index], f"must have a port: the destination {portless.name} has none")


def warn(service: ServiceConfig, node: Node, warnings: Problems) -> None:
    """Note what is allowed and seldom meant."""
    if not service.destinations:
        warnings.add(node, "has no destinations")
    elif not service.checks:
        warnings.add(node, "has no checks: its destinations are used whether they work or not")
    policy, scheduler = service.weights.policy, service.scheduler
    if policy != "static" and scheduler in BLIND_SCHEDULERS:
        warnings.add(node, f"the scheduler {scheduler} does not look at weights: the policy {policy} changes nothing")
    if policy != "static" and scheduler in RANKING_SCHEDULERS:
        warnings.add(node, f"the scheduler {scheduler} takes weights for ranks or limits: {policy} would move them")
    _warn_of_sh(service, node, warnings)


def warn_of_loopback(service: ServiceConfig, node: Node, warnings: Problems) -> None:
    """Note what the kernel, other than a table in memory, reaches for no client but this host itself."""
    nodes = child(node, "destinations")
    masqueraded = [
        (destination.key, address_of(child(nodes, name)))
        for name, destination in service.destinations.items()
        if destination.forwarding is Forwarding.MASQUERADE
    ]
    if service.fallback is not None and service.forwarding is Forwarding.MASQUERADE:
        masqueraded.append((service.fallback, child(node, "fallback")))
    for endpoint, its_node in masqueraded:
        if ipaddress.ip_address(endpoint.address).is_loopback:
            warnings.add(
                its_node,
                f"{endpoint} is out of clients' reach: the kernel masquerades nothing from outside to a loopback "
                "address; write another address of this host",
            )


SH_PLACES = 256
"""The size of the kernel's sh table (CONFIG_IP_VS_SH_TAB_BITS 8, as distributions build it)."""


def _warn_of_sh(service: ServiceConfig, node: Node, warnings: Problems) -> None:
    """Note weights that sh has no room for: it gives out one place for each unit, in the order of the destinations."""
    total = sum(destination.base_weight for destination in service.destinations.values())
    if service.scheduler == "sh" and total > SH_PLACES:
        warnings.add(
            node,
            f"the scheduler sh has {SH_PLACES} places, one for each unit of weight, and the weights add up to {total}: "
            "its last destinations get few clients or none",
        )
