"""The `exec` check: a program decides, in the convention of Nagios plugins or in that of another monitor."""

import signal
from typing import Annotated, ClassVar, Literal

from feedback.checks.check import Check, Passed
from feedback.checks.codecs import agent_words
from feedback.checks.conventions import CONVENTIONS, MISC_DYNAMIC, NAGIOS, Convention, weight_by_status
from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Completed, Net, Target
from feedback.perfdata import PerfdataError, parse_output

OUTPUT_LIMIT_BYTES = 8 * 1024

Hint = tuple[float | None, str]
"""How much of its base weight a destination is to have, None for nothing in particular; and what to say of it."""


class ExecCheck(Check, name="exec"):
    """Pass when a program exits with 0, or with 1, a warning; fail when it exits with 2.

    Every other status says nothing of the service, and so does a program that can't be started or dies by a signal:
    the outcome is unknown. A program that is still running at the deadline is killed with its process group, and the
    check fails. The first line of its output, up to a `|`, is the detail. What its process group leaves running at
    its end is killed. It runs without a shell, as the user that the director is; to be another one, let it be started
    by `setpriv`.

    That is the convention of Nagios plugins. With another `convention`, a program that was written for another monitor
    runs unchanged: 0 passes, every other status fails, and what the program is told is this:

    - `keepalived` (MISC_CHECK): nothing but its own arguments.
    - `ldirectord` (external): the service's address and port, the destination's address and port. The first two are
      empty where the service is a firewall mark.
    - `haproxy` (external-check): the same, with NOT_USED for what is missing; and HAPROXY_PROXY_NAME,
      HAPROXY_SERVER_NAME and their _ADDR and _PORT in the environment.
    - `mon`: the destination's address as the one host. The detail is what follows the line of hosts that failed.
    - `piranha` (send_program): %h and %p in its arguments are the address and the port, and what it prints must be
      `expect`.

    `weight_from` lets a program that passes say how much weight its destination is to have, each time anew:

    - `exit_status`: keepalived's misc_dynamic. 0 leaves the weight as it is configured, 1 fails, and 2 to 255 are the
      weights 0 to 253.
    - `words`: the words of HAProxy's agent-check, in the first line. `75%` is of the base weight, `weight:30` a weight,
      `drain` and `maint` let no new connection in, `down`, `fail` and `stopped` fail the check.
    - `perfdata`: the value of that `label` in the performance data. `load=75%` is of the base weight, `load=30` a
      weight.

    Examples:

        - exec: {command: [/usr/lib/nagios/plugins/check_ssh, -H, "{address}", -p, "{port}"], timeout: 5s}
        - exec: {command: [/etc/ha.d/check_queue], convention: ldirectord}
        - exec: {command: [/usr/lib/mon/mon.d/smtp.monitor, -p, "{port}"], convention: mon, timeout: 10s}
        - exec: {command: [/usr/local/bin/answer, "%h", "%p"], convention: piranha, expect: OK}
        - exec:
            command: [setpriv, --reuid=nobody, --clear-groups, /etc/keepalived/weight, "{address}"]
            convention: keepalived
            weight_from: exit_status
    """

    steerable: ClassVar[bool] = False

    command: Annotated[
        list[str],
        "program and arguments; {address} {port} {service} {destination}, and the service's {vip} {vip_port}, are "
        "filled in",
    ]
    convention: Annotated[
        Literal["nagios", "keepalived", "ldirectord", "haproxy", "mon", "piranha"],
        "what the program was written for: what it is told, and what its exit status means",
    ] = "nagios"
    expect: Annotated[str | None, "what the program must print, and nothing else but the end of the line"] = None
    weight_from: Annotated[
        Literal["exit_status", "words", "perfdata"] | None, "by what the program says which weight it would have"
    ] = None
    label: Annotated[str, "which value of the performance data is the weight"] = "weight"

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise ValueError("command: must name a program")
        if self.convention == "piranha" and not self.expect:
            raise ValueError("expect: must say what the program prints, as convention: piranha goes by that")
        if self.weight_from == "exit_status" and self.convention != "keepalived":
            raise ValueError("weight_from: exit_status goes with convention: keepalived")
        if self.egress is not None:
            raise ValueError("must have no source, interface or fwmark: the program makes its connections itself")
        self._convention = MISC_DYNAMIC if self.weight_from == "exit_status" else CONVENTIONS[self.convention]

    def scope(self, target: Target) -> Target:
        """Return all of it: the program is told everything."""
        return self.aimed(target)

    async def probe(self, target: Target, net: Net) -> str | Passed:
        """Run the program, and translate its end."""
        command = self._convention.command(self.command, target)
        completed = await net.run(command, self._convention.surroundings(target), OUTPUT_LIMIT_BYTES)
        detail = judge(command[0], completed, self._convention)
        if self.expect is not None:
            compare(completed.stdout, self.expect)
        if self.weight_from is None:
            return detail
        ratio, words = self._hint(completed, target.base_weight)
        return Passed(f"{detail}, {words}" if detail and words else detail or words, ratio)

    def _hint(self, completed: Completed, base_weight: int) -> Hint:
        if self.weight_from == "words":
            return hint_of_words(completed.stdout, base_weight)
        if self.weight_from == "perfdata":
            return hint_of_perfdata(completed.stdout, self.label, base_weight)
        return agent_words.of_base(weight_by_status(completed.status), base_weight), ""


def judge(program: str, completed: Completed, convention: Convention = NAGIOS) -> str:
    """Return the detail of a program that passed. Raises CheckFailed or LocalFault for one that did not."""
    status = completed.status
    said = first_line(completed.stdout, after=convention.names_hosts) or first_line(completed.stderr)
    if status < 0:
        raise LocalFault(f"{program} was killed by {_signal_name(-status)}")
    if status in convention.failing:
        raise CheckFailed(Reason.EXIT, said or f"{program} exited with status {status}")
    if status in convention.warning:
        return f"warning: {said}" if said else "warning"
    if status in convention.passing:
        return said
    raise LocalFault(f"{program} exited with status {status}{f': {said}' if said else ''}")


def first_line(output: bytes, *, after: bool = False) -> str:
    """Return the first line that a program has printed for people, without its performance data.

    `after`: of what comes after the first line of all, if anything does.
    """
    text = output.decode("utf-8", "replace")
    following = text.partition("\n")[2] if after else ""
    return (following if following.strip() else text).strip().partition("\n")[0].partition("|")[0].strip()


def compare(output: bytes, expected: str) -> None:
    """Raise CheckFailed for an output that is not the expected one, with or without the end of the line."""
    if output.removesuffix(b"\n") != expected.encode():
        raise CheckFailed(Reason.CONTENT, f"printed {excerpt(output)}, must be {excerpt(expected.encode())}")


def hint_of_words(output: bytes, base_weight: int) -> Hint:
    """Return what the words in the first line ask for. Raises CheckFailed where they say that the server is down."""
    line = output.partition(b"\n")[0].decode("utf-8", "replace").strip()
    said = agent_words.parse(line)
    if said.down:
        raise CheckFailed(Reason.STATUS, line)
    return said.ratio(base_weight), f'knows no word "{said.unknown}"' if said.unknown else ""


def hint_of_perfdata(output: bytes, label: str, base_weight: int) -> Hint:
    """Return what a value of the performance data asks for. Without it, nothing is asked for."""
    try:
        value = parse_output(output, label)
    except PerfdataError as error:
        return None, f"no weight: {error}"
    if value.value < 0:
        return None, f"no weight: {label} is {value.value:g}"
    if value.unit == "%":
        return min(value.value / 100, float(agent_words.MAX_WEIGHT)), ""
    return agent_words.of_base(value.value, base_weight), ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
