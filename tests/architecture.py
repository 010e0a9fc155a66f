"""The house as a table: its rooms, who may import whom, and which modules are pure.

`tests/test_architecture.py` walks the imports against it; `make coverage` runs it for the files of the pure modules.
A module's name may end in `.*`, which stands for every module of that package: rooms that are a folder of plugins.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[1]


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What its modules may import besides each other and the standard library, and which of them are pure.

    Pure: values in, values out. No clock, no chance, no socket, no file, no log, no event loop.
    """

    pure: tuple[str, ...] = ()
    shells: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()

    def __contains__(self, module: str) -> bool:
        return matches(module, self.pure + self.shells)


ROOMS: Mapping[str, Room] = {
    "words": Room(  # what every other room speaks
        pure=(
            "feedback",
            "feedback.enrolment",
            "feedback.errors",
            "feedback.extras",
            "feedback.model",
            "feedback.net",
            "feedback.options",
            "feedback.orca",
            "feedback.perfdata",
            "feedback.perfdata_grammar",
            "feedback.plugin",
            "feedback.reader",
            "feedback.report",
            "feedback.secret",
            "feedback.tree",
            "feedback.utilization",
        ),
        shells=(
            "feedback.config",
            "feedback.denied",
            "feedback.logs",
            "feedback.notify",
            "feedback.registry",
            "feedback.token_file",
        ),
        libraries=("msgspec", "yaml"),
    ),
    "codecs": Room(  # what protocols say on the wire, for checks and for the agent's sources
        pure=(
            "feedback.checks",
            "feedback.checks.codecs",
            "feedback.checks.codecs.*",
            "feedback.checks.matching",
        ),
        rooms=("words",),
        libraries=("dns", "msgspec"),
    ),
    "checks": Room(
        pure=(
            "feedback.checks.asking",
            "feedback.checks.check",
            "feedback.checks.ftp_dialogue",
            "feedback.checks.grpc",
            "feedback.checks.http",
            "feedback.checks.http2",
            "feedback.checks.http_answer",
            "feedback.checks.http_content",
            "feedback.checks.http_dialogue",
            "feedback.checks.http_request",
            "feedback.checks.conventions",
            "feedback.checks.icmp",
            "feedback.checks.nfs",
            "feedback.checks.placeholders",
            "feedback.checks.proxied",
            "feedback.checks.rpc",
            "feedback.checks.rpc_client",
            "feedback.checks.serials",
            "feedback.checks.statuses",
            "feedback.checks.tcp",
            "feedback.checks.udp",
            "feedback.checks.verdict",
            "feedback.checks.websocket",
        ),
        # TLS and passwords read files; signals have names only on a host; what nobody may guess comes from chance
        shells=(
            "feedback.checks.amqp",
            "feedback.checks.amqps",
            "feedback.checks.chat",
            "feedback.checks.credentials",
            "feedback.checks.dns",
            "feedback.checks.dns_client",
            "feedback.checks.dns_serial",
            "feedback.checks.exec",
            "feedback.checks.ftp",
            "feedback.checks.ftps",
            "feedback.checks.grpcs",
            "feedback.checks.https",
            "feedback.checks.ldap",
            "feedback.checks.ldaps",
            "feedback.checks.lmtp",
            "feedback.checks.mysql",
            "feedback.checks.ntp",
            "feedback.checks.postgresql",
            "feedback.checks.radius",
            "feedback.checks.redis",
            "feedback.checks.mqtt",
            "feedback.checks.mqtts",
            "feedback.checks.sip",
            "feedback.checks.smtp",
            "feedback.checks.smtps",
            "feedback.checks.sql",
            "feedback.checks.script",
            "feedback.checks.secured",
            "feedback.checks.ssh",
            "feedback.checks.starttls",
            "feedback.checks.tls",
            "feedback.checks.wss",
        ),
        rooms=("words", "codecs"),
        libraries=("asyncssh", "dns", "h2", "msgspec", "wsproto"),
    ),
    "runner": Room(  # what brings the two together
        shells=("feedback.checks.runner",),
        rooms=("words", "codecs", "checks", "engine"),
        libraries=("msgspec",),
    ),
    "testing": Room(  # what plugin authors prove their plugins with
        pure=("feedback.testing.conformance", "feedback.testing.script"),
        shells=(
            "feedback.testing",
            "feedback.testing.checks",
            "feedback.testing.clusters",
            "feedback.testing.plugins",
            "feedback.testing.policies",
            "feedback.testing.reaching",
            "feedback.testing.scripted",
            "feedback.testing.sources",
            "feedback.testing.surroundings",
            "feedback.testing.virtual",
        ),
        rooms=("words", "codecs", "checks", "engine", "agent", "director"),
        libraries=("msgspec",),
    ),
    "engine": Room(  # the network that checks are handed
        pure=(
            "feedback.engine.buffered",
            "feedback.engine.deadlines",
            "feedback.engine.echo",
            "feedback.engine.faults",
            "feedback.engine.routes",
        ),
        shells=(
            "feedback.engine",
            "feedback.engine.datagrams",
            "feedback.engine.icmp",
            "feedback.engine.kept",
            "feedback.engine.network",
            "feedback.engine.poller",
            "feedback.engine.program",
            "feedback.engine.sockets",
            "feedback.engine.steer",
            "feedback.engine.stream",
            "feedback.engine.waiting",
        ),
        rooms=("words",),
        libraries=("msgspec",),
    ),
    "agent": Room(  # runs on every realserver, so it stays small
        pure=(
            "feedback.agent",
            "feedback.agent.agent_check",
            "feedback.agent.acting",
            "feedback.agent.backoff",
            "feedback.agent.cgroup",
            "feedback.agent.config",
            "feedback.agent.dbus",
            "feedback.agent.exposition",
            "feedback.agent.frames",
            "feedback.agent.handshake",
            "feedback.agent.limit",
            "feedback.agent.place",
            "feedback.agent.prometheus",
            "feedback.agent.readings",
            "feedback.agent.sockdiag",
            "feedback.agent.source",
            "feedback.agent.text",
            "feedback.agent.url",
            "feedback.agent.watches",
            "feedback.agent.watches.destroyed",
            "feedback.agent.watches.watch",
            "feedback.agent.websocket",
        ),
        shells=(
            "feedback.agent.agent",
            "feedback.agent.aside",
            "feedback.agent.answering",
            "feedback.agent.collect",
            "feedback.agent.config_file",
            "feedback.agent.config_tls",
            "feedback.agent.config_watches",
            "feedback.agent.connection",
            "feedback.agent.control",
            "feedback.agent.enrol",
            "feedback.agent.files",
            "feedback.agent.elsewhere",
            "feedback.agent.gauge",
            "feedback.agent.group_limits",
            "feedback.agent.http",
            "feedback.agent.inotify",
            "feedback.agent.password_file",
            "feedback.agent.pids",
            "feedback.agent.plain",
            "feedback.agent.process",
            "feedback.agent.rhythm",
            "feedback.agent.scrape",
            "feedback.agent.secure",
            "feedback.agent.sessions",
            "feedback.agent.sources",
            "feedback.agent.sources.*",
            "feedback.agent.spool",
            "feedback.agent.stream",
            "feedback.agent.transport",
            "feedback.agent.watches.attend",
            "feedback.agent.watches.flag",
            "feedback.agent.watches.listener",
            "feedback.agent.watches.pressure",
            "feedback.agent.watches.unit",
            "feedback.agent.window",
            "feedback.agent.wish",
            "feedback.agent.without_tls",
        ),
        rooms=("words", "codecs"),
        libraries=("msgspec", "psutil"),
    ),
    "pki": Room(  # the director's own certificate authority
        pure=("feedback.pki", "feedback.pki.register", "feedback.pki.validity"),
        shells=("feedback.pki.authority", "feedback.pki.store"),
        rooms=("words",),
        libraries=("cryptography", "msgspec"),
    ),
    "director": Room(
        pure=(
            "feedback.director",
            "feedback.director.advice",
            "feedback.director.agents",
            "feedback.director.config",
            "feedback.director.config_rules",
            "feedback.director.controller",
            "feedback.director.counts",
            "feedback.director.dependencies",
            "feedback.director.desired",
            "feedback.director.door",
            "feedback.director.estimate",
            "feedback.director.feeds",
            "feedback.director.feeds.agent_check",
            "feedback.director.feeds.feed",
            "feedback.director.feeds.host_text",
            "feedback.director.feeds.orca",
            "feedback.director.feeds.rstatd",
            "feedback.director.feeds.snmp",
            "feedback.director.health",
            "feedback.director.hints",
            "feedback.director.identity",
            "feedback.director.link",
            "feedback.director.outlook",
            "feedback.director.overflow",
            "feedback.director.overload",
            "feedback.director.plan",
            "feedback.director.relief",
            "feedback.director.retry",
            "feedback.director.said",
            "feedback.director.schedule",
            "feedback.director.state",
            "feedback.director.steering",
            "feedback.director.stepping",
            "feedback.director.scheduling",
            "feedback.director.snapshot",
            "feedback.director.table",
            "feedback.director.table.contract",
            "feedback.director.table.ipvs",
            "feedback.director.table.memory",
            "feedback.director.table.netlink",
            "feedback.director.table.refusals",
            "feedback.director.view",
            "feedback.director.weights",
            "feedback.director.weights.*",
        ),
        shells=(
            "feedback.director.api",
            "feedback.director.config_file",
            "feedback.director.config_shape",
            "feedback.director.config_tls",
            "feedback.director.control",
            "feedback.director.dashboard",
            "feedback.director.enrolling",
            "feedback.director.config_feeds",
            "feedback.director.events",
            "feedback.director.feeder",
            "feedback.director.feeds.ssh",
            "feedback.director.forwarder",
            "feedback.director.garbage",
            "feedback.director.loop",
            "feedback.director.listen",
            "feedback.director.metrics",
            "feedback.director.openapi",
            "feedback.director.prober",
            "feedback.director.process",
            "feedback.director.receive",
            "feedback.director.secure",
            "feedback.director.relay",
            "feedback.director.state_file",
            "feedback.director.story",
            "feedback.director.table.dry",
            "feedback.director.watch",
            "feedback.director.stream",
            "feedback.director.table.kernel",
        ),
        rooms=("words", "codecs", "checks", "runner", "engine", "pki"),
        libraries=("aiohttp", "asyncssh", "msgspec", "prometheus_client"),
    ),
    "simulator": Room(
        pure=(
            "feedback.simulator",
            "feedback.simulator.agents",
            "feedback.simulator.cluster",
            "feedback.simulator.director",
            "feedback.simulator.fluid",
            "feedback.simulator.measure",
            "feedback.simulator.scenario",
            "feedback.simulator.server",
            "feedback.simulator.workload",
            "feedback.simulator.yardsticks",
        ),
        # Policies are found by name, scenarios in files
        shells=("feedback.simulator.compare", "feedback.simulator.plots", "feedback.simulator.scenario_file"),
        rooms=("words", "director"),
        libraries=("matplotlib", "msgspec"),
    ),
    "commands": Room(
        shells=("feedback.__main__", "feedback.cli", "feedback.commands", "feedback.commands.*"),
        rooms=("words", "codecs", "checks", "runner", "testing", "agent", "director", "pki", "demo", "simulator"),
        libraries=("msgspec", "rich", "uvloop"),
    ),
    "demo": Room(
        pure=("feedback.demo", "feedback.demo.figures", "feedback.demo.screen", "feedback.demo.worker"),
        shells=(
            "feedback.demo.client",
            "feedback.demo.cluster",
            "feedback.demo.jobs",
            "feedback.demo.process",
            "feedback.demo.questions",
            "feedback.demo.realserver",
            "feedback.demo.run",
            "feedback.demo.story",
            "feedback.demo.tied",
        ),
        rooms=("words", "agent", "director"),
        libraries=("msgspec", "rich", "uvloop", "yaml"),
    ),
}

PURE_STANDARD_LIBRARY = frozenset(
    {
        "__future__",
        "_sha1",
        "abc",
        "array",
        "base64",
        "binascii",
        "bisect",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "difflib",
        "enum",
        "errno",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "statistics",
        "string",
        "stringprep",
        "struct",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "zlib",
    }
)
"""What pure modules may import of the standard library: what can neither wait nor look around."""

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("feedback.checks", "feedback.checks.check"): "imported when a plugin asks for it by the short name",
    (
        "feedback.checks.http_request",
        "feedback.checks.credentials",
    ): "names the type of an option, which a file may hold",
    (
        "feedback.director.feeds.snmp",
        "feedback.checks.credentials",
    ): "names the type of an option, which a file may hold",
    ("feedback.director.table.memory", "os"): "os.strerror, to refuse in the kernel's words",
    ("feedback.director.table.refusals", "os"): "os.strerror, to say an error number in words",
    ("feedback.engine.faults", "os"): "os.strerror, to say an error number in words",
    ("feedback.engine.faults", "ssl"): "names the errors of OpenSSL that it translates",
    ("feedback.net", "socket"): "names the type of the socket that a check takes over",
    ("feedback.net", "ssl"): "names the type of the TLS context that a check hands over",
    ("feedback.director.weights.policy", "feedback.registry"): "make_policy finds a policy by its name",
    ("feedback.simulator.agents", "random"): "Random with a seed: the same chance every time",
    ("feedback.simulator.cluster", "random"): "Random with a seed: the same chance every time",
    ("feedback.simulator.fluid", "random"): "Random with a seed: the same chance every time",
    ("feedback.simulator.workload", "random"): "Random with a seed, which it is handed",
}
"""Imports that the table would refuse, each with its reason."""


def matches(module: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(module, pattern) for pattern in patterns)


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(ROOT.glob("feedback/**/*.py"))
    }


def is_pure(module: str) -> bool:
    return any(matches(module, room.pure) for room in ROOMS.values())


if __name__ == "__main__":
    print(",".join(str(path.relative_to(ROOT)) for module, path in modules().items() if is_pure(module)))  # noqa: T201
