"""What must fit together in a service, whatever each of its parts says alone. Pure."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence

from feedback.checks.check import Check
from feedback.director.config import Dependency, DestinationConfig, ServiceConfig
from feedback.director.scheduling import SH_PLACES
from feedback.model import Endpoint, Family, Forwarding, ServiceKey, Transport
from feedback.reader import child
from feedback.tree import Node, Problems

BLIND_SCHEDULERS = frozenset({"rr", "lc", "dh"})
"""Schedulers that see of a weight only whether it is 0."""

HASH_SCHEDULERS = frozenset({"sh", "dh", "mh"})
"""Under these the client's or the service's address decides, not the weight."""

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
    _check_overflow(service, child(node, "overflow"), problems)
    _check_ports(service, child(node, "checks"), problems)


def _check_reach(key: ServiceKey, endpoint: Endpoint, forwarding: Forwarding, node: Node, problems: Problems) -> None:
    """Note it where the kernel can't send the service's packets there in this way."""
    if endpoint.family is not key.family and forwarding is not Forwarding.TUNNEL:
        problems.add(node, f"must be {key.family} like the service: only tunnel forwarding goes from one to the other")
    elif forwarding is not Forwarding.MASQUERADE and endpoint.port != key.port and not key.fwmark:
        problems.add(node, f"must have the service's port, {key.port}: {forwarding} forwarding does not change ports")


def _check_fallback(service: ServiceConfig, node: Node, problems: Problems) -> None:
    if service.fallback is not None:
        _check_reach(service.key, service.fallback, service.forwarding, node, problems)
        _check_apart(service, service.fallback, node, problems)


def _check_overflow(service: ServiceConfig, node: Node, problems: Problems) -> None:
    if service.overflow is not None:
        _check_reach(service.key, service.overflow.key, service.overflow.forwarding, address_of(node), problems)
        _check_apart(service, service.overflow.key, address_of(node), problems)


def _check_apart(service: ServiceConfig, endpoint: Endpoint, node: Node, problems: Problems) -> None:
    same = [destination.name for destination in service.destinations.values() if destination.key == endpoint]
    if same:
        problems.add(node, f"must be another server than the destination {same[0]}")


def _check_ports(service: ServiceConfig, node: Node, problems: Problems) -> None:
    """Note checks without a port where a destination has none either, as a firewall mark's may."""
    portless = next((one for one in service.destinations.values() if not one.key.port), None)
    if portless is None or not isinstance(node.value, tuple):
        return
    for index, config in enumerate(service.checks):
        if config.check.uses_port and not config.check.aim(portless.key).port:
            problems.add(node.value[index], f"must have a port: the destination {portless.name} has none")


def check_steering(service: ServiceConfig, node: Node, table: str, problems: Problems) -> None:
    """Note checks via the service's address that can't be led from there to a destination."""
    checks = child(node, "checks")
    if not isinstance(checks.value, tuple) or not problems.none_at(checks.path):
        return
    for config, one in zip(service.checks, checks.value, strict=True):
        if config.check.via == "vip":
            _check_steered(config.check, service, _options_of(one), table, problems)


def _check_steered(check: Check, service: ServiceConfig, options: Node, table: str, problems: Problems) -> None:
    via, address, source = (child(options, name) for name in ("via", "address", "source"))
    family = service.key.family
    vip = check.address or service.key.address
    masqueraded = any(one.forwarding is Forwarding.MASQUERADE for one in service.destinations.values())
    others = [one for one in service.destinations.values() if one.key.family is not family]
    if table != "kernel":
        problems.add(via, f"vip needs director.table: kernel, which leads the check to each destination; it is {table}")
    if not check.steerable:
        problems.add(
            via, f"must be destination: what {check.name} sends is not led anywhere from the service's address"
        )
    if service.key.protocol == Transport.UDP and masqueraded:
        problems.add(via, "must be destination: the kernel can't tell masqueraded datagrams of several checks apart")
    for option in ("interface", "fwmark"):
        if getattr(check, option) is not None:
            problems.add(child(options, option), "must be left out: via: vip has a mark and a way of its own")
    if not vip:
        problems.add(options, "must have an address: via: vip goes to the service's own, and a fwmark service has none")
    elif (Family.IPV6 if ":" in vip else Family.IPV4) is not family:
        problems.add(address, f"must be {family} like the service")
    elif check.source is None and others:
        problems.add(via, f"needs a source: the destination {others[0].name} is not {family} like the service")
    elif check.source == vip:
        problems.add(source, "must be another address than the service's: a realserver would answer to itself")


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
        warnings.add(node, f"the scheduler {scheduler} takes weights for ranks or limits: {policy} changes nothing")
    _warn_of_sh(service, node, warnings)
    _warn_of_overflow(service, child(node, "overflow"), warnings)
    _warn_of_thresholds(service, node, warnings)


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
    if service.overflow is not None and service.overflow.forwarding is Forwarding.MASQUERADE:
        masqueraded.append((service.overflow.key, address_of(child(node, "overflow"))))
    for endpoint, its_node in masqueraded:
        if ipaddress.ip_address(endpoint.address).is_loopback:
            warnings.add(
                its_node,
                f"{endpoint} is out of clients' reach: the kernel masquerades nothing from outside to a loopback "
                "address; write another address of this host",
            )


def _warn_of_sh(service: ServiceConfig, node: Node, warnings: Problems) -> None:
    """Note weights that sh has no room for: it gives out one place for each unit, in the order of the destinations."""
    total = sum(destination.base_weight for destination in service.destinations.values())
    if service.scheduler == "sh" and total > SH_PLACES:
        warnings.add(
            node,
            f"the scheduler sh has {SH_PLACES} places, one for each unit of weight, and the weights add up to {total}: "
            "its last destinations get few clients or none",
        )


def _warn_of_overflow(service: ServiceConfig, node: Node, warnings: Problems) -> None:
    """Note schedulers that don't give the overflow a share."""
    scheduler = service.scheduler
    if service.overflow is not None and scheduler in BLIND_SCHEDULERS:
        sentence = f"the scheduler {scheduler} does not look at weights: the overflow gets as much as each destination"
        warnings.add(node, sentence)
    if service.overflow is not None and scheduler in RANKING_SCHEDULERS:
        warnings.add(node, f"the scheduler {scheduler} takes weights for ranks or limits: the overflow comes last")


def _warn_of_thresholds(service: ServiceConfig, node: Node, warnings: Problems) -> None:
    """Note thresholds under schedulers that have no other place for a client."""
    limited = [one.name for one in service.destinations.values() if one.upper_threshold]
    if limited and service.scheduler in HASH_SCHEDULERS:
        warnings.add(
            node,
            f"the scheduler {service.scheduler} refuses a client whose destination has its upper number of "
            f"connections ({', '.join(limited)}): it sends him nowhere else",
        )


def check_health(
    services: Iterable[ServiceConfig],
    nodes: Mapping[str, Node],
    defaults: Node,
    problems: Problems,
    warnings: Problems,
) -> None:
    """Note a `health` that asks for more checks than a service has, or that changes nothing."""
    for service in services:
        node, count = nodes[service.name], len(service.checks)
        if service.must_pass is None or not problems.none_at(child(node, "checks").path):
            continue
        own = child(node, "health").value is not None
        place = child(node if own else defaults, "health")
        if service.must_pass > max(count, 1):
            sentence = f"must be at most the number of checks, which is {count} in {service.name}"
            problems.add(child(place, "at_least"), sentence)
        elif own and service.must_pass == count:
            warnings.add(place, f"changes nothing: {service.name} has {count} check{'s' if count > 1 else ''}")


def check_dependencies(
    services: Sequence[ServiceConfig],
    nodes: Mapping[str, Node],
    defaults: Node,
    problems: Problems,
    warnings: Problems,
) -> None:
    """Note dependencies on what there is not, on the service itself, and in a circle."""
    known = {service.name: service for service in services}
    ahead = {one.name: [other.service for check in one.checks for other in check.depends_on] for one in services}
    for service in services:
        for dependency, place in _dependencies(service, nodes[service.name], defaults, problems):
            name = dependency.service
            if name not in nodes:
                problems.add(place, f'there is no service "{name}"; there are: {", ".join(nodes)}')
            elif name == service.name:
                problems.add(place, "must be another service: a check can't depend on what it decides itself")
            elif circle := _way(name, service.name, ahead):
                problems.add(place, f"goes in a circle: {' -> '.join((service.name, *circle))}")
            elif name in known:
                _check_dependency(dependency, known[name], nodes[name], place, problems)
                if not known[name].checks:
                    warnings.add(place, f"changes nothing: {name} has no checks, so it is never down")


def _check_dependency(
    dependency: Dependency, service: ServiceConfig, node: Node, place: Node, problems: Problems
) -> None:
    known = service.destinations
    if dependency.destination not in {None, *known} and problems.none_at(child(node, "destinations").path):
        there_are = f"there are: {', '.join(known)}" if known else "there is none"
        problems.add(place, f'there is no destination "{dependency.destination}" in {service.name}; {there_are}')


def _dependencies(
    service: ServiceConfig, node: Node, defaults: Node, problems: Problems
) -> Iterator[tuple[Dependency, Node]]:
    """Yield what the checks of a service depend on, and where that is written."""
    checks = child(node, "checks")
    if not isinstance(checks.value, tuple) or not problems.none_at(checks.path):
        return
    for config, one in zip(service.checks, checks.value, strict=True):
        options = _options_of(one)
        layers = (options, child(node, "check"), child(defaults, "check"))
        places = (child(layer, "depends_on") for layer in layers)
        place = next((place for place in places if place.value is not None), node)
        if config.depends_on and problems.none_at(place.path):
            items = place.value if isinstance(place.value, tuple) else (place,)
            yield from zip(config.depends_on, items, strict=True)


def _options_of(check: Node) -> Node:
    """Return where a check's options stand: `tcp` has none."""
    return next(iter(check.value.values())) if isinstance(check.value, dict) else check


def _way(start: str, end: str, ahead: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the services on a shortest way from one to another along their dependencies; nothing without a way."""
    ways: dict[str, tuple[str, ...]] = {start: (start,)}
    queue = [start]
    for name in queue:  # it grows on the way
        for after in ahead.get(name, ()):
            if after not in ways:
                ways[after] = (*ways[name], after)
                queue.append(after)
    return ways.get(end, ())
