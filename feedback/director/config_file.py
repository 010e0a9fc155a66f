"""Reads director.yaml. What a service does not say it inherits from `defaults`."""

import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from feedback.config import read_yaml
from feedback.director import config_rules as rules
from feedback.director.config import (
    Cadence,
    CheckConfig,
    Dependency,
    DestinationConfig,
    DirectorConfig,
    OverflowConfig,
    OverloadConfig,
    ServiceConfig,
    WeightsConfig,
)
from feedback.director.config_feeds import read_feeds
from feedback.director.config_shape import (
    AtLeast,
    CadenceShape,
    DefaultsShape,
    DestinationShape,
    FileShape,
    HealthField,
    OverflowShape,
    ServiceShape,
    WeightsShape,
    parse_prefix,
)
from feedback.director.config_tls import read_tls
from feedback.director.weights import make_policy
from feedback.model import Endpoint, Family, Forwarding, ServiceKey, Transport
from feedback.reader import Refused, add_own_words, child, complete, read_class, read_part, read_plugin
from feedback.registry import CHECKS
from feedback.token_file import read_token
from feedback.tree import Node, Problems

STATE_FILE = "/var/lib/feedback/director.state"


def load_director_config(path: str | Path) -> DirectorConfig:
    """Read the file. Raises ConfigError with one line for each thing that is wrong in it."""
    root, problems = read_yaml(path)
    warnings = Problems(str(path))
    config = complete(problems, lambda: _read_file(root, problems, warnings))
    return msgspec.structs.replace(config, warnings=warnings.lines())


def _read_file(root: Node, problems: Problems, warnings: Problems) -> DirectorConfig:
    file = read_class(FileShape, root, problems)
    if not file.services and problems.none_at("services"):
        problems.add(child(root, "services"), "must have at least one service")
    director, node = file.director, child(root, "director")
    read = [_read_service(name, one, file.defaults, problems, warnings) for name, one in file.services.items()]
    services = [service for service in read if service is not None]
    rules.check_health(services, file.services, child(root, "defaults"), problems, warnings)
    rules.check_dependencies(services, file.services, child(root, "defaults"), problems, warnings)
    for service in services:
        rules.check_steering(service, child(child(root, "services"), service.name), director.table, problems)
    if director.table == "kernel":
        for service in services:
            rules.warn_of_loopback(service, child(child(root, "services"), service.name), warnings)
    return DirectorConfig(
        name=director.name or socket.gethostname(),
        table=director.table,
        listen=director.listen,
        on_exit=director.on_exit,
        state_file=director.state_file or (STATE_FILE if director.table == "kernel" else None),
        token=read_token(child(node, "token_file"), problems),
        tls=read_tls(director, node, problems, warnings),
        probe_marks=director.probe_marks,
        feeds=read_feeds(file.agents, services, problems),
        services=_by_key(services, child(root, "services"), problems),
    )


def _by_key(services: Sequence[ServiceConfig], node: Node, problems: Problems) -> dict[str, ServiceConfig]:
    """Return the services by name; no two of them may have one address or mark."""
    seen: dict[ServiceKey, str] = {}
    for service in services:
        first = seen.setdefault(service.key, service.name)
        if first != service.name:
            its_node = child(node, service.name)
            place = child(its_node, "fwmark" if service.key.fwmark else "address")
            problems.add(place, f"{service.key} is the service {first} already")
    return {service.name: service for service in services}


def _read_service(
    name: str, node: Node, defaults: DefaultsShape, problems: Problems, warnings: Problems
) -> ServiceConfig | None:
    try:
        shape = read_class(ServiceShape, node, problems)
    except Refused:
        return None
    forwarding = shape.forwarding or defaults.forwarding
    scheduler = shape.scheduler or defaults.scheduler
    checks = _read_checks(shape, defaults, problems)
    weights = _read_weights((shape.weights, defaults.weights), scheduler, child(node, "weights"), problems)
    destinations = _read_destinations(shape, forwarding, node, problems)
    try:
        key = _read_key(shape, node, problems)
        prefix = _read_prefix(shape, key.family, node, problems)
    except Refused:
        return None
    service = ServiceConfig(
        name=name,
        key=key,
        scheduler=scheduler,
        forwarding=forwarding,
        persistence_seconds=shape.persistence or 0,
        persistence_prefix=prefix,
        fallback=shape.fallback,
        overload=_read_overload(shape, defaults, child(node, "overload"), problems),
        overflow=_overflow(shape.overflow, forwarding),
        min_healthy_ratio=shape.min_healthy,
        on_failure=shape.on_failure or defaults.on_failure,
        drain_timeout_seconds=defaults.drain_timeout if shape.drain_timeout is None else shape.drain_timeout,
        checks=checks,
        must_pass=_must_pass(shape.health or defaults.health),
        weights=weights,
        destinations=destinations,
    )
    rules.check_service(service, node, problems)
    rules.warn(service, node, warnings)
    return service


def _read_key(shape: ServiceShape, node: Node, problems: Problems) -> ServiceKey:
    """Return what the kernel knows the service by: an address with a protocol, or a mark with a family."""
    address, fwmark, family, protocol = (child(node, key) for key in ("address", "fwmark", "family", "protocol"))
    marked = fwmark.value is not None
    if marked and address.value is not None:
        problems.add(fwmark, "must be left out: the service has an address already")
    elif marked and protocol.value is not None:
        problems.add(protocol, "must be left out: a firewall mark goes for all protocols")
    elif not marked and family.value is not None:
        problems.add(family, "must be left out: it goes with a fwmark; an address shows its own")
    elif not marked and address.value is None:
        problems.add(node, "must have an address, like 192.0.2.10:80, or a fwmark")
    if shape.fwmark is not None:
        return ServiceKey.marked(shape.fwmark, shape.family or Family.IPV4)
    if shape.address is not None:
        return ServiceKey.at(shape.protocol or Transport.TCP, shape.address)
    raise Refused


def _read_prefix(shape: ServiceShape, family: Family, node: Node, problems: Problems) -> int | None:
    """Return the length of `persistence_netmask`; None where each client is by itself."""
    mask = child(node, "persistence_netmask")
    if shape.persistence_netmask is None:
        return None
    if child(node, "persistence").value is None:
        problems.add(mask, "goes with persistence, and there is none")
    try:
        prefix = parse_prefix(shape.persistence_netmask, family)
    except ValueError as error:
        problems.add(mask, str(error))
        return None
    return None if prefix == (32 if family is Family.IPV4 else 128) else prefix


def _read_destinations(
    shape: ServiceShape, forwarding: Forwarding, node: Node, problems: Problems
) -> dict[str, DestinationConfig]:
    nodes = child(node, "destinations")
    if not isinstance(node.value, dict) or "destinations" not in node.value:
        problems.add(nodes, "is missing: the realservers, like rs1: 10.2.0.11:8080")
    default_port = None if child(node, "fwmark").value is None else 0
    destinations: dict[str, DestinationConfig] = {}
    for name, one in shape.destinations.items():
        try:
            destinations[name] = _read_destination(name, one, shape, forwarding, problems, default_port=default_port)
        except Refused:
            continue
    rules.check_unique(destinations, nodes, problems)
    return destinations


def _read_destination(
    name: str,
    node: Node,
    service: ServiceShape,
    forwarding: Forwarding,
    problems: Problems,
    *,
    default_port: int | None,
) -> DestinationConfig:
    if isinstance(node.value, str):
        shape = DestinationShape(address=node.value)
    else:
        shape = read_class(DestinationShape, node, problems)
    try:
        key = Endpoint.parse(shape.address, default_port)
    except ValueError as error:
        problems.add(rules.address_of(node), str(error))
        raise Refused from None
    connections = shape.connections or service.connections
    return DestinationConfig(
        name=name,
        key=key,
        base_weight=shape.weight,
        forwarding=shape.forwarding or forwarding,
        agent=shape.agent or name,
        upper_threshold=connections.upper,
        lower_threshold=connections.lower,
    )


def _read_overload(shape: ServiceShape, defaults: DefaultsShape, node: Node, problems: Problems) -> OverloadConfig:
    config = OverloadConfig(**_nearest((shape.overload, defaults.overload)))
    if config.below >= config.above and problems.none_at(node.path, "defaults.overload"):
        problems.add(child(node, "below"), f"must be less than above, {config.above:g}, not {config.below:g}")
    return config


def _overflow(given: Endpoint | OverflowShape | None, forwarding: Forwarding) -> OverflowConfig | None:
    if given is None or isinstance(given, Endpoint):
        return None if given is None else OverflowConfig(key=given, forwarding=forwarding)
    return OverflowConfig(key=given.address, forwarding=given.forwarding or forwarding, max_share=given.max_share)


def _read_checks(shape: ServiceShape, defaults: DefaultsShape, problems: Problems) -> tuple[CheckConfig, ...]:
    counts: Counter[str] = Counter()
    checks: list[CheckConfig] = []
    for one in shape.checks:
        try:
            kind, options = _check_options(one, problems)
            own = read_part(CadenceShape, options, problems)
            check = read_plugin(CHECKS.get, kind, options, problems, beside=CadenceShape)
        except Refused:
            continue
        counts[kind] += 1
        name = kind if counts[kind] == 1 else f"{kind}#{counts[kind]}"
        given = _nearest((own, shape.check, defaults.check))
        checks.append(CheckConfig(name=name, check=check, cadence=_cadence(given), depends_on=_depends_on(given)))
    return tuple(checks)


def _check_options(node: Node, problems: Problems) -> tuple[str, Node]:
    """Return a check's type and its options: `tcp`, or `http: {path: /alive}`."""
    if isinstance(node.value, str):
        return node.value, Node({}, node.line, f"{node.path}.{node.value}")
    if isinstance(node.value, dict) and len(node.value) == 1:
        ((kind, options),) = node.value.items()
        return kind, options
    problems.add(node, "must be a check like tcp, or a check and its options like http: {path: /alive}")
    raise Refused


def _cadence(given: Mapping[str, Any]) -> Cadence:
    interval = given.get("interval", 2.0)
    fast_interval = given.get("fast_interval", max(interval / 4, 0.1))
    return Cadence(
        interval_seconds=interval,
        fast_interval_seconds=min(fast_interval, interval),
        timeout_seconds=given.get("timeout", 1.0),
        rise=given.get("rise", 2),
        fall=given.get("fall", 3),
    )


def _depends_on(given: Mapping[str, Any]) -> tuple[Dependency, ...]:
    """Return what a check depends on: one thing is written as it is, several as a list."""
    found = given.get("depends_on", ())
    return (found,) if isinstance(found, Dependency) else tuple(found)


def _must_pass(health: HealthField) -> int | None:
    """Return how many checks must pass, None for all of them."""
    if isinstance(health, AtLeast):
        return health.at_least
    return 1 if health == "any" else None


def _read_weights(layers: Sequence[WeightsShape], scheduler: str, node: Node, problems: Problems) -> WeightsConfig:
    """Return the settings, which the policy itself has accepted."""
    given = _nearest(layers)
    load = given.pop("load", {})
    policy = given.pop("policy", "static")
    try:
        made = make_policy(policy, scheduler=scheduler, **given)
    except ValueError as error:
        add_own_words(error, given, node, problems)
        return WeightsConfig()
    return WeightsConfig(
        policy=policy,
        response_seconds=made.response,
        load=load,
        floor_ratio=made.floor,
        ceiling_ratio=made.ceiling,
        slow_start_seconds=made.slow_start,
    )


def _nearest(layers: Sequence[msgspec.Struct]) -> dict[str, Any]:
    """Return what the first layer that says anything says of each field."""
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        merged |= {key: value for key, value in msgspec.structs.asdict(layer).items() if value is not None}
    return merged
