"""The checks `rpc` and `nfs` against a kernel's own NFS server, with rpcbind, mountd and statd beside it."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from feedback.checks.check import Check
from feedback.checks.nfs import NfsCheck
from feedback.checks.rpc import RpcCheck
from feedback.checks.runner import run_once
from feedback.model import Endpoint, Outcome
from feedback.net import Target
from tests.checks.servers.process import accepts, program, running, stopped
from tests.lab.cluster import run, wait_until

ADDRESSES = ("127.0.0.1", "::1")
EXPORTS = {
    "/srv": "fsid=0,crossmnt,insecure",  # the root of version 4
    "/srv/files": "fsid=1",
    "/srv/insecure": "fsid=2,insecure",
    "/srv/kerberos": "fsid=3,sec=krb5",
}
STATE = Path("/var/lib/nfs")
RMTAB = STATE / "rmtab"
"""Where mountd keeps who has mounted what."""

FILE_SYSTEM_BYTES = 8 * 1024 * 1024
HANGING_SECONDS = 2.0


def check_once(check: Check, address: str = "127.0.0.1", timeout_seconds: float = 20.0) -> tuple[Outcome, str, str]:
    target = Target(check.aim(Endpoint(address, 2049)), "rs1", "files")
    result = asyncio.run(run_once(check, target, timeout_seconds))
    return result.outcome, result.reason, result.detail


def registered(name: str) -> Callable[[], bool]:
    """Return what says whether rpcbind knows a program, and it answers on both transports of both families."""
    check = RpcCheck(programs=[name])
    return lambda: all(check_once(check, address)[0] is Outcome.PASS for address in ADDRESSES)


def mount(stack: ExitStack, kind: str, where: Path, *options: str) -> None:
    where.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", kind, *options, kind, str(where))
    stack.callback(run, "umount", str(where))


def start_nfsd(*options: str) -> None:
    run("rpc.nfsd", "0")
    run("rpc.nfsd", "--udp", *options, "2")


@pytest.fixture(scope="module")
def mountd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the exports, and yield mountd's process."""
    directory = tmp_path_factory.mktemp("nfs")
    with ExitStack() as stack:
        run("modprobe", "nfsd")
        mount(stack, "nfsd", Path("/proc/fs/nfsd"))
        mount(stack, "tmpfs", STATE)
        for name in ("sm", "sm.bak", "v4recovery"):
            (STATE / name).mkdir()
        for name in ("etab", "rmtab"):
            (STATE / name).touch()
        Path("/run/rpcbind").mkdir(exist_ok=True)
        stack.callback(run, "exportfs", "-ua")
        for path, options in EXPORTS.items():
            mount(stack, "tmpfs", Path(path), "-o", f"size={FILE_SYSTEM_BYTES}")
            run("exportfs", "-o", f"rw,no_subtree_check,{options}", f"*:{path}")
        for name, command, ready in (
            ("rpcbind", [program("rpcbind", "rpcbind"), "-f"], accepts(Endpoint("127.0.0.1", 111))),
            ("statd", [program("rpc.statd", "nfs-common"), "-F", "--no-notify"], registered("status")),
            ("mountd", [program("rpc.mountd", "nfs-kernel-server"), "-F"], registered("mountd")),
        ):
            process = stack.enter_context(running(command, directory / name, ready))
        start_nfsd()
        stack.callback(run, "rpc.nfsd", "0")
        yield process


@pytest.fixture(autouse=True)
def _forgetful(mountd: subprocess.Popen[bytes]) -> Iterator[None]:
    """See that whatever a check has mounted is unmounted."""
    del mountd
    yield
    wait_until(lambda: not RMTAB.read_text())


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_registered_program_answers(address: str) -> None:
    outcome, _, detail = check_once(RpcCheck(all=True), address)
    assert (outcome, detail.partition(" answered")[0]) == (Outcome.PASS, "25" if address == "127.0.0.1" else "23")


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rpcbind_lists_programs_in_every_version_that_it_has(version: Any, transport: Any) -> None:
    check = RpcCheck(programs=["nfs/3", "mountd", "nlockmgr/4", 100024], transport=transport, rpcbind=version)
    names = ("nfs/3", "mountd/1", "mountd/2", "mountd/3", "nlockmgr/4", "status/1")
    answered = ", ".join(f"{name} {transport}" for name in names)
    assert check_once(check) == (Outcome.PASS, "", f"6 answered: {answered}")


def test_a_program_that_is_not_registered_fails() -> None:
    outcome, reason, detail = check_once(RpcCheck(programs=["ypserv"]))
    assert (outcome, reason) == (Outcome.FAIL, "content")
    assert detail.startswith("rpcbind DUMP: ypserv is not registered on tcp or udp; there are: rpcbind 2 3 4, ")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({}, "NFS 4.0"),
        ({"export": "/files"}, "NFS 4.0, /files has 100% free"),
        ({"export": "/insecure", "privileged_port": False}, "NFS 4.0, /insecure has 100% free"),
        ({"require": ["mountd", "nlockmgr", "status"]}, "NFS 4.0"),
        ({"version": 3}, "NFS 3"),
        ({"version": 3, "transport": "udp"}, "NFS 3"),
        ({"version": 3, "export": "/srv/files"}, "NFS 3, /srv/files has 100% free"),
        ({"version": 3, "transport": "udp", "export": "/srv/files"}, "NFS 3, /srv/files has 100% free"),
        (
            {"version": 3, "export": "/srv/insecure", "privileged_port": False, "uid": 33, "gid": 33},
            "NFS 3, /srv/insecure has 100% free",
        ),
    ],
)
def test_a_server_and_its_exports_answer(options: dict[str, Any], detail: str, address: str) -> None:
    assert check_once(NfsCheck(**options), address) == (Outcome.PASS, "", detail)


@pytest.mark.parametrize(
    ("options", "reason", "sentence"),
    [
        ({"export": "/nothing"}, "status", "nfs COMPOUND /nothing: LOOKUP nothing: NFS4ERR_NOENT: there is no such"),
        ({"export": "/kerberos"}, "auth", "nfs COMPOUND /kerberos: LOOKUP kerberos: NFS4ERR_WRONGSEC: it wants"),
        ({"export": "/files", "privileged_port": False}, "auth", "NFS4ERR_PERM"),
        (
            {"version": 3, "export": "/srv/nothing"},
            "status",
            "mountd MNT /srv/nothing: MNT3ERR_NOENT: there",
        ),
        ({"version": 3, "export": "/nothing"}, "auth", "MNT3ERR_ACCES: access denied, or there is no such export"),
        ({"version": 3, "export": "/srv/kerberos"}, "auth", "the export takes no credentials but krb5"),
        (
            {"version": 3, "export": "/srv/files", "privileged_port": False},
            "auth",
            "or there is no such export; it may want a port below 1024 (privileged_port)",
        ),
    ],
)
def test_an_export_that_does_not_let_us_in_fails(options: dict[str, Any], reason: str, sentence: str) -> None:
    outcome, why, detail = check_once(NfsCheck(**options))
    assert (outcome, why) == (Outcome.FAIL, reason)
    assert sentence in detail


@pytest.mark.parametrize("options", [{"export": "/files"}, {"version": 3, "export": "/srv/files"}])
def test_an_export_that_is_full_fails_where_there_must_be_space(options: dict[str, Any]) -> None:
    filling = Path("/srv/files/filling")
    filling.write_bytes(bytes(FILE_SYSTEM_BYTES * 3 // 4))
    try:
        outcome, reason, detail = check_once(NfsCheck(min_free=0.5, **options))
        assert (outcome, reason) == (Outcome.FAIL, "content")
        assert detail.endswith(": 25.0% free, must be 50.0% at least")
    finally:
        filling.unlink()


def test_an_export_that_hangs_is_told_from_a_living_daemon(mountd: subprocess.Popen[bytes]) -> None:
    """The kernel asks mountd who may have what. While that is silent, it answers NULL, and no question for a file."""
    with stopped(mountd):
        run("exportfs", "-f")  # the kernel forgets what it was told
        assert check_once(NfsCheck(version=3)) == (Outcome.PASS, "", "NFS 3")
        outcome, reason, detail = check_once(NfsCheck(export="/files"), timeout_seconds=HANGING_SECONDS)
        assert (outcome, reason) == (Outcome.FAIL, "timeout")
        assert detail.startswith("nfs COMPOUND /files: ")
    assert check_once(NfsCheck(export="/files"))[0] is Outcome.PASS


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_mountd_that_hangs_is_told_from_a_living_server(mountd: subprocess.Popen[bytes], transport: Any) -> None:
    check = NfsCheck(version=3, transport=transport, export="/srv/files")
    with stopped(mountd):
        outcome, reason, detail = check_once(check, timeout_seconds=HANGING_SECONDS)
        assert (outcome, reason) == (Outcome.FAIL, "timeout")
        assert detail.startswith("mountd MNT /srv/files: ")
        outcome, reason, detail = check_once(RpcCheck(programs=["mountd/3"]), timeout_seconds=HANGING_SECONDS)
        assert (outcome, reason) == (Outcome.FAIL, "timeout")
        assert detail.startswith("mountd/3 udp NULL: ")
    assert check_once(check)[0] is Outcome.PASS
    RMTAB.write_text("")  # where each copy of a datagram that was sent again counts as one more mount


def test_a_server_without_minor_version_0_is_asked_in_a_session() -> None:
    start_nfsd("--no-nfs-version", "4.0")
    try:
        assert check_once(NfsCheck()) == (Outcome.PASS, "", "NFS 4.1")
        assert check_once(NfsCheck(export="/files")) == (Outcome.PASS, "", "NFS 4.1, /files has 100% free")
        assert check_once(NfsCheck(export="/kerberos"))[1] == "auth"
        # A server keeps a client's directory here for as long as the client has not said goodbye.
        assert list(Path("/proc/fs/nfsd/clients").iterdir()) == []
    finally:
        start_nfsd("--nfs-version", "4.0")


def test_a_server_that_is_gone_is_refused() -> None:
    run("rpc.nfsd", "0")
    try:
        assert check_once(NfsCheck()) == (Outcome.FAIL, "refused", "nfs: connection refused by 127.0.0.1:2049")
        over_udp = check_once(NfsCheck(version=3, transport="udp"))
        assert over_udp == (Outcome.FAIL, "refused", "nfs NULL: connection refused by 127.0.0.1:2049")
    finally:
        start_nfsd()
