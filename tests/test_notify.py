"""What is said to systemd, in virtual time; the processes that say it are in test_notify_processes.py."""

import asyncio
import errno
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from feedback.notify import MAX_STATUS_LENGTH, STATUS_SECONDS, Notifier, message, send_datagram, socket_address
from feedback.testing import run_virtual


class Systemd:
    """The other end: what it has been told, and when. `deaf`: its queue is full."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.deaf = False

    def hear(self, data: bytes) -> None:
        if self.deaf:
            raise BlockingIOError(errno.EAGAIN, "full")
        self.heard.append(data.decode())


def attended(
    watchdog_seconds: float | None,
    *,
    seconds: float,
    status: Callable[[float], str] = lambda _: "",
    late: Callable[[float], float] = lambda _: -1.0,
) -> list[tuple[float, str]]:
    """Let a notifier attend to some work for a while; return what it has said, with the times."""
    said: list[tuple[float, str]] = []

    async def main() -> None:
        now = asyncio.get_running_loop().time
        notifier = Notifier(lambda data: said.append((now(), data.decode())), watchdog_seconds)
        attending = asyncio.create_task(notifier.attend(lambda: status(now()), lambda: late(now())))
        await asyncio.sleep(seconds)
        attending.cancel()

    run_virtual(main())
    return said


def test_a_message_has_a_line_for_each_assignment() -> None:
    assert message({"READY": "1", "STATUS": "all is well"}) == b"READY=1\nSTATUS=all is well"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/run/systemd/notify", "/run/systemd/notify"),
        ("@abstract/name", "\0abstract/name"),
        ("", ""),
        ("vsock:2:1234", ""),
        ("relative", ""),
    ],
)
def test_the_socket_is_a_path_or_an_abstract_name(text: str, address: str) -> None:
    assert socket_address(text) == address


def test_start_reload_and_stop_are_told() -> None:
    systemd = Systemd()
    notifier = Notifier(systemd.hear)
    notifier.ready("1 service")
    notifier.reloading(12.3456789)
    notifier.ready("2 services")
    notifier.stopping()
    assert systemd.heard == [
        "READY=1\nSTATUS=1 service",
        "RELOADING=1\nMONOTONIC_USEC=12345678",
        "READY=1\nSTATUS=2 services",
        "STOPPING=1",
    ]


def test_a_status_is_one_line_and_not_a_long_one() -> None:
    systemd = Systemd()
    Notifier(systemd.hear).ready("down:\nREADY=0\n" + "x" * 1000)
    ready, status = systemd.heard[0].split("\n")
    assert ready == "READY=1"
    assert status.startswith("STATUS=down: READY=0 xxx")
    assert len(status) == len("STATUS=") + MAX_STATUS_LENGTH


def test_what_a_full_queue_does_not_take_is_said_with_what_comes_next() -> None:
    systemd = Systemd()
    notifier = Notifier(systemd.hear)
    systemd.deaf = True
    notifier.ready("early")
    notifier.reloading(1.0)
    notifier.ready("late")
    systemd.deaf = False
    notifier.stopping()
    notifier.stopping()
    assert systemd.heard == ["RELOADING=1\nMONOTONIC_USEC=1000000\nREADY=1\nSTATUS=late\nSTOPPING=1", "STOPPING=1"]


def test_without_systemd_nothing_is_said_and_nothing_goes_on() -> None:
    notifier = Notifier()
    notifier.ready("")
    notifier.stopping()

    def never() -> float:
        raise AssertionError("nobody wants to know")

    run_virtual(notifier.attend(lambda: "", never))


def test_work_that_goes_on_is_vouched_for_twice_in_the_watchdogs_time() -> None:
    assert attended(30.0, seconds=50) == [(time, "WATCHDOG=1") for time in (0, 15, 30, 45)]


def test_a_short_watchdog_is_kept_too() -> None:
    assert attended(0.5, seconds=0.9) == [(time, "WATCHDOG=1") for time in (0, 0.25, 0.5, 0.75)]


def test_work_that_hangs_is_not_vouched_for_until_it_goes_on() -> None:
    def late(now: float) -> float:
        return now - 20 if now < 80 else 0.0

    assert [time for time, _ in attended(30.0, seconds=100, late=late)] == [0, 15, 30, 90]


def test_without_a_watchdog_only_the_status_is_told_when_it_has_changed() -> None:
    said = attended(None, seconds=9, status=lambda now: "calm" if now < 3 * STATUS_SECONDS else "busy")
    assert said == [(0, "STATUS=calm"), (3 * STATUS_SECONDS, "STATUS=busy")]


def test_the_environment_is_taken_so_that_no_program_of_ours_speaks_for_us() -> None:
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7", "PATH": "/bin"}
    Notifier.from_environment(environment, 7)
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("usec", "owner", "beat_seconds"),
    [
        ("3000000", "7", 1.5),
        ("3000000", "", 1.5),
        ("3000000", "8", None),
        ("0", "7", None),
        ("", "7", None),
        ("soon", "7", None),
        ("-5", "7", None),
    ],
)
def test_the_watchdog_is_ours_when_it_has_our_process_id_or_none(
    usec: str, owner: str, beat_seconds: float | None
) -> None:
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": usec, "WATCHDOG_PID": owner}
    assert Notifier.from_environment(environment, 7)._beat_seconds == beat_seconds


@pytest.mark.loopback
@pytest.mark.parametrize("abstract", [False, True])
def test_datagrams_arrive_at_both_kinds_of_sockets(tmp_path: Path, *, abstract: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        path = str(tmp_path / "notify")
        systemd.bind(f"\0{path}" if abstract else path)
        systemd.settimeout(20)
        environment = {"NOTIFY_SOCKET": f"@{path}" if abstract else path}
        Notifier.from_environment(environment, 7).ready("well")
        assert systemd.recv(1000) == b"READY=1\nSTATUS=well"


@pytest.mark.loopback
def test_a_systemd_that_is_gone_or_does_not_read_stops_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    Notifier.from_environment({"NOTIFY_SOCKET": path}, 7).ready("well")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        with pytest.raises(BlockingIOError):  # noqa: PT012 - how many its queue takes is the kernel's choice
            while True:
                send_datagram(path, b"WATCHDOG=1")
        Notifier.from_environment({"NOTIFY_SOCKET": path}, 7).stopping()
