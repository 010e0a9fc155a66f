"""Reads the section `agents` of director.yaml: the hosts that the director asks for their load itself."""

from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec

from feedback.director.config import ServiceConfig
from feedback.director.feeds.feed import FeedConfig
from feedback.model import Endpoint
from feedback.options import Duration
from feedback.reader import Refused, child, read_part, read_plugin
from feedback.registry import FEEDS
from feedback.tree import Node, Problems


class FeedShape(msgspec.Struct, frozen=True, kw_only=True):
    """What stands among a feed's options besides its own."""

    interval: Annotated[Duration, msgspec.Meta(ge=0.1, le=3600)] = 1.0
    timeout: Annotated[Duration, msgspec.Meta(ge=0.01, le=60)] = 3.0


def read_feeds(
    nodes: Mapping[str, Node], services: Iterable[ServiceConfig], problems: Problems
) -> dict[str, FeedConfig]:
    """Return the feeds by the names of the agents whose place they take."""
    hosts: dict[str, set[str]] = {}
    for service in services:
        for destination in service.destinations.values():
            hosts.setdefault(destination.agent, set()).add(destination.key.address)
    found: dict[str, FeedConfig] = {}
    for name, node in nodes.items():
        try:
            found[name] = _read_feed(name, node, sorted(hosts.get(name, ())), problems)
        except Refused:
            continue
    return found


def _read_feed(name: str, node: Node, addresses: list[str], problems: Problems) -> FeedConfig:
    if not isinstance(node.value, dict) or len(node.value) != 1:
        problems.add(node, "must be one way to ask this host, like agent_check: {port: 5000}")
        raise Refused
    ((kind, options),) = node.value.items()
    shape = read_part(FeedShape, options, problems)
    feed = read_plugin(FEEDS.get, kind, options, problems, beside=FeedShape)
    if not addresses:
        problems.add(node, f"no destination names the agent {name}")
        raise Refused
    if feed.address is None and len(addresses) > 1:
        listed = ", ".join(addresses)
        problems.add(child(options, "address"), f"must say which: the destinations of this agent are at {listed}")
    return FeedConfig(
        agent=name,
        feed=feed,
        endpoint=Endpoint(feed.address or addresses[0], feed.port),
        interval_seconds=shape.interval,
        timeout_seconds=shape.timeout,
    )
