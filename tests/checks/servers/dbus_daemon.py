"""A bus of D-Bus of its own, as the system has one."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.checks.servers.process import program, running

CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/>
  </policy>
</busconfig>
"""


@contextlib.contextmanager
def dbus_daemon(directory: Path) -> Iterator[str]:
    """Run one within the block; yield the path of its socket."""
    path = directory / "bus"
    config = directory / "bus.conf"
    config.write_text(CONFIG.format(path=path))
    command = [program("dbus-daemon", "dbus-daemon"), f"--config-file={config}", "--nofork", "--nopidfile"]
    with running(command, directory, path.exists):
        yield str(path)
