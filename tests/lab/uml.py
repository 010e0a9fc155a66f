"""Start a kernel with IPVS as an ordinary program (User Mode Linux), on the host's own files.

The machine runs one shell script and switches itself off. What it writes is gone at the end, but for what it leaves
in `/lab`, which is `Machine.directory` on the host. It needs no root, and nothing of it survives its owner: when the
owning process dies, even by SIGKILL, so does the machine. Its clock leaves out the time in which it has nothing to do:
to sleep costs nothing.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

INIT = Path(__file__).with_name("init.sh")
PRELOADED = [Path(__file__).with_name(name) for name in ("ptrace.c", "clock.c")]
"""What the kernel gets in place of the C library's; each says why."""
KERNEL = "linux.uml"
COMPILER = "tcc"
PACKAGES = {
    KERNEL: "user-mode-linux",
    COMPILER: "tcc",
    "modprobe": "kmod",
    "ip": "iproute2",
    "ipvsadm": "ipvsadm",
}
"""The programs without which there is no lab, and the Debian packages that have them."""

MEMORY = "1024M"
KILL_AFTER_SECONDS = 3
TAIL_BYTES = 20_000
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


class LabError(Exception):
    """The lab can't run here; the sentence says what is missing."""


class Machine:
    """One run of `script` (lines of sh) in the lab's kernel, for at most `limit_seconds`.

    Starts at once; a context manager that stops the machine at its end and removes `directory`.
    Raises LabError when a program is missing.
    """

    def __init__(self, script: str, limit_seconds: float) -> None:
        search = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PATH}"
        missing = sorted(package for program, package in PACKAGES.items() if not shutil.which(program, path=search))
        if missing:
            raise LabError(f"the lab needs the Debian packages {' '.join(missing)}: install them with apt-get")
        self.directory = Path(tempfile.mkdtemp(prefix="feedback-lab-"))
        (self.directory / "command").write_text(script)
        self._preloaded = self.directory / "preloaded.so"
        subprocess.run([COMPILER, "-shared", "-nostdlib", "-o", self._preloaded, *PRELOADED], check=True)
        self._limit_seconds = limit_seconds
        with (self.directory / "console").open("wb") as console:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )

    def _command(self) -> list[str]:
        guard = ["setpriv", "--pdeathsig", "TERM", "timeout", f"--kill-after={KILL_AFTER_SECONDS}"]
        wrapped = ["env", f"LD_PRELOAD={self._preloaded}"]
        kernel = [KERNEL, f"mem={MEMORY}", "rootfstype=hostfs", "ro", "hostfs=/", f"init={INIT}", "quiet"]
        quiet = ["con=null", "con0=null,fd:1", f"uml_dir={self.directory}", f"LAB_DIRECTORY={self.directory}"]
        return [*guard, str(self._limit_seconds), *wrapped, *kernel, *quiet]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def running(self) -> bool:
        """Return whether the machine is still on."""
        return self._process.poll() is None

    def wait(self) -> str:
        """Wait until the machine is off, and return the script's exit status ("" when it never came to one)."""
        self._process.wait(self._limit_seconds + 2 * KILL_AFTER_SECONDS)
        self._sweep()
        status = self.directory / "status"
        return status.read_text().strip() if status.exists() else ""

    def account(self) -> str:
        """Return the end of what the script printed and of what the kernel said, for a person."""
        parts = [f"--- the lab's {name} ---\n{self._tail(name)}" for name in ("output", "console")]
        return "\n".join(parts)

    def _tail(self, name: str) -> str:
        path = self.directory / name
        return path.read_bytes()[-TAIL_BYTES:].decode(errors="replace") if path.exists() else "(nothing)"

    def close(self) -> None:
        """Switch the machine off, however far it is, and remove what it left."""
        # The guard passes it on, and kills if that has not helped in time. The kernel has left its process group.
        self._process.terminate()
        self._process.wait(2 * KILL_AFTER_SECONDS)
        self._sweep()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _sweep(self) -> None:
        """Kill what is left of a kernel that ended while it booted: a stopped process, which nobody would wake."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                command = path.read_bytes().decode(errors="replace")
                if command.startswith(KERNEL) and str(self.directory) in command:
                    os.kill(int(path.parent.name), signal.SIGKILL)
