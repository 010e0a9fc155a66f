"""The `exec` check: a program decides, in the convention of Nagios plugins."""

import re
import signal
from typing import Annotated

from feedback.checks.check import Check
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Completed, Net, Target

OUTPUT_LIMIT_BYTES = 8 * 1024

OK, WARNING, CRITICAL = 0, 1, 2
"""Exit statuses of Nagios plugins; 3 and whatever else there is are "unknown"."""

_PLACEHOLDER = re.compile(r"\{(address|port|service|destination)\}")


class ExecCheck(Check, name="exec"):
    """Pass when a program exits with 0, or with 1, a warning; fail when it exits with 2.

    Every other status says nothing of the service, and so does a program that can't be started or dies by a signal:
    the outcome is unknown. A program that is still running at the deadline is killed with its process group, and the
    check fails. The first line of its output, up to a `|`, is the detail. What its process group leaves running at
    its end is killed.

    Example:
        - exec: {command: [/usr/lib/nagios/plugins/check_ssh, -H, "{address}", -p, "{port}"], timeout: 5s}
    """

    command: Annotated[list[str], "program and arguments; {address} {port} {service} {destination} are filled in"]

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise ValueError("command: must name a program")
        if self.egress is not None:
            raise ValueError("must have no source, interface or fwmark: the program makes its connections itself")

    def scope(self, target: Target) -> Target:
        """Return all of it: the program is told everything."""
        return self.aimed(target)

    async def probe(self, target: Target, net: Net) -> str:
        """Run the program, and translate its end."""
        values = {
            "address": target.endpoint.address,
            "port": str(target.endpoint.port),
            "service": target.service,
            "destination": target.destination,
        }
        command = [_PLACEHOLDER.sub(lambda match: values[match[1]], word) for word in self.command]
        environment = {f"FEEDBACK_{name.upper()}": value for name, value in values.items()}
        return judge(command[0], await net.run(command, environment, OUTPUT_LIMIT_BYTES))


def judge(program: str, completed: Completed) -> str:
    """Return the detail of a program that passed. Raises CheckFailed or LocalFault for one that did not."""
    status = completed.status
    said = first_line(completed.stdout) or first_line(completed.stderr)
    if status < 0:
        raise LocalFault(f"{program} was killed by {_signal_name(-status)}")
    if status in {OK, WARNING}:
        return (f"warning: {said}" if said else "warning") if status == WARNING else said
    if status == CRITICAL:
        raise CheckFailed(Reason.EXIT, said or f"{program} exited with status {status}")
    raise LocalFault(f"{program} exited with status {status}{f': {said}' if said else ''}")


def first_line(output: bytes) -> str:
    """Return the first line that a plugin has printed for people, without its performance data."""
    return output.decode("utf-8", "replace").strip().partition("\n")[0].partition("|")[0].strip()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
