"""How programs of other monitors are told what to check, and how they say what they have found. Pure.

Each is a table's row, so that a program that was written for one of them runs unchanged.
"""

import re
from collections.abc import Mapping

import msgspec

from feedback.net import Target

VALUES = ("address", "port", "service", "destination", "vip", "vip_port")
"""What a program can be told, by the names of its placeholders."""

_PLACEHOLDER = re.compile(rf"\{{({'|'.join(VALUES)})\}}")

EVERY_STATUS = range(256)


class Convention(msgspec.Struct, frozen=True, kw_only=True):
    """What programs of one kind expect, and what their end means.

    arguments: what follows the command. no_vip: what stands there for the address of a service that has none.
    environment: what is told there. shorthands: placeholders of their own. passing, warning, failing: their exit
    statuses; failing ones go first, and all others say nothing. names_hosts: the first line is the hosts that failed.
    """

    arguments: tuple[str, ...] = ()
    no_vip: str = ""
    environment: Mapping[str, str] = {}
    shorthands: Mapping[str, str] = {}
    passing: range = range(1)
    warning: range = range(0)
    failing: range = range(1, 256)
    names_hosts: bool = False

    def command(self, words: list[str], target: Target) -> list[str]:
        """Return the program and its arguments for a target."""
        values = values_of(target)
        told = values if target.vip else {**values, "vip": self.no_vip, "vip_port": self.no_vip}
        return [fill(self._in_full(word), values) for word in words] + [fill(word, told) for word in self.arguments]

    def _in_full(self, word: str) -> str:
        for shorthand, placeholder in self.shorthands.items():
            word = word.replace(shorthand, placeholder)
        return word

    def surroundings(self, target: Target) -> dict[str, str]:
        """Return what the program finds in its environment: what is known, and what its convention has besides."""
        values = values_of(target)
        known = {f"FEEDBACK_{name.upper()}": value for name, value in values.items() if target.vip or "vip" not in name}
        return known | {name: fill(value, values) for name, value in self.environment.items()}


_BOTH_ENDS = ("{vip}", "{vip_port}", "{address}", "{port}")

NAGIOS = Convention(warning=range(1, 2), failing=range(2, 3))

CONVENTIONS: Mapping[str, Convention] = {
    "nagios": NAGIOS,
    "keepalived": Convention(),  # MISC_CHECK
    "ldirectord": Convention(arguments=_BOTH_ENDS),  # checktype = external
    "haproxy": Convention(  # option external-check
        arguments=_BOTH_ENDS,
        no_vip="NOT_USED",
        environment={
            "HAPROXY_PROXY_NAME": "{service}",
            "HAPROXY_PROXY_ADDR": "{vip}",
            "HAPROXY_PROXY_PORT": "{vip_port}",
            "HAPROXY_SERVER_NAME": "{destination}",
            "HAPROXY_SERVER_ADDR": "{address}",
            "HAPROXY_SERVER_PORT": "{port}",
        },
    ),
    "mon": Convention(arguments=("{address}",), names_hosts=True),
    "piranha": Convention(shorthands={"%h": "{address}", "%p": "{port}"}),  # send_program
}

MISC_DYNAMIC = Convention(passing=EVERY_STATUS, failing=range(1, 2))
"""keepalived's with misc_dynamic: every status but 1 is a pass, and from 2 on a weight."""

MISC_DYNAMIC_ZERO = 2
"""The exit status that stands for the weight 0."""


def values_of(target: Target) -> dict[str, str]:
    """Return what there is to tell of a target."""
    known = (
        target.endpoint.address,
        str(target.endpoint.port),
        target.service,
        target.destination,
        target.vip.address if target.vip else "",
        str(target.vip.port) if target.vip else "",
    )
    return dict(zip(VALUES, known, strict=True))


def fill(word: str, values: Mapping[str, str]) -> str:
    """Return a word with its placeholders filled in, and none that a value may have brought."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], word)


def weight_by_status(status: int) -> int | None:
    """Return the weight that an exit status stands for, None for the configured one."""
    return status - MISC_DYNAMIC_ZERO if status >= MISC_DYNAMIC_ZERO else None
