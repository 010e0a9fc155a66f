"""The `nfs` check against scripts: both versions, exports that hang, are gone or full, and what else must answer."""

import struct
from typing import Any

import pytest

from feedback.checks.codecs import mount3, nfs3, nfs4, rpc_message, rpcbind, xdr
from feedback.checks.nfs import NfsCheck
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.testing import Close, Connection, Exchange, Hang, Part, Receive, Refuse, Reset, Send, Step, interrupted
from feedback.testing import run_check as run_any_check
from tests.checks.rpc_scripts import Call, listed, message, over_tcp, over_udp, reply

TARGET = Target(Endpoint("192.0.2.11", 2049), "rs1", "files")
ROOT = rpc_message.auth_sys(0, 0)
NULL_3 = Call(rpc_message.null(100003, 3))
NULL_4 = Call(rpc_message.null(100003, 4))


def run_check(options: dict[str, Any], *script: Part, timeout_seconds: float = 1.0) -> CheckResult:
    return run_any_check(NfsCheck(**options), *script, target=TARGET, timeout_seconds=timeout_seconds)


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


# Version 4


def result(number: int, results: bytes = b"", status: int = 0) -> bytes:
    return xdr.uint(number, status) + results


def compound(operations: tuple[nfs4.Operation, ...], *results: bytes, minor_version: int = 0, status: int = 0) -> Call:
    answer = xdr.uint(status, 0, len(results)) + b"".join(results)
    return Call(nfs4.COMPOUND, nfs4.compound(operations, minor_version), answer, ROOT)


def attributes(available_bytes: int, total_bytes: int) -> bytes:
    values = xdr.uint64(available_bytes) + xdr.uint64(total_bytes)
    return result(9, xdr.uints(0, 0x1400) + xdr.opaque(values))


PUTROOTFH, LOOKUP, GETFH = result(24), result(15), result(10, xdr.opaque(b"handle"))
SERVER_ROOT = compound(nfs4.to_root(None), PUTROOTFH, GETFH)
EXPORT = compound(nfs4.to_root(("srv", "home")), PUTROOTFH, LOOKUP, LOOKUP, GETFH, attributes(300, 1000))


def test_a_server_of_version_4_answers_and_has_a_root() -> None:
    connection = Connection(*over_tcp(NULL_4, SERVER_ROOT))
    assert outcome(run_check({}, connection)) == (Outcome.PASS, "", "NFS 4.0")
    assert not connection.privileged_port


def test_an_export_of_version_4_is_looked_up_from_a_privileged_port() -> None:
    connection = Connection(*over_tcp(NULL_4, EXPORT))
    assert run_check({"export": "/srv//home/"}, connection).detail == "NFS 4.0, /srv//home/ has 30% free"
    assert connection.privileged_port
    connection = Connection(*over_tcp(NULL_4, EXPORT))
    run_check({"export": "/srv/home", "privileged_port": False}, connection)
    assert not connection.privileged_port


def test_an_export_of_version_4_may_have_no_size() -> None:
    answer = compound(nfs4.to_root(()), PUTROOTFH, GETFH, result(9, xdr.uints() + xdr.opaque(b"")))
    assert run_check({"export": "/"}, Connection(*over_tcp(NULL_4, answer))).detail == "NFS 4.0, / answers"
    sized = run_check({"export": "/", "min_free": 0.1}, Connection(*over_tcp(NULL_4, answer)))
    assert outcome(sized) == (
        Outcome.FAIL,
        "content",
        "nfs COMPOUND /: the server does not say how much space the export has",
    )


def test_an_export_must_have_as_much_space_as_is_wanted() -> None:
    options = {"export": "/srv/home", "min_free": 0.3}
    assert run_check(options, Connection(*over_tcp(NULL_4, EXPORT))).detail == "NFS 4.0, /srv/home has 30% free"
    full = run_check(options | {"min_free": 0.4}, Connection(*over_tcp(NULL_4, EXPORT)))
    assert outcome(full) == (
        Outcome.FAIL,
        "content",
        "nfs COMPOUND /srv/home: 30.0% free, must be 40.0% at least",
    )


def test_an_export_that_hangs_is_told_from_a_living_daemon() -> None:
    steps = over_tcp(NULL_4, EXPORT)
    hung = run_check({"export": "/srv/home"}, Connection(*steps[:3], Hang()))
    assert outcome(hung) == (Outcome.FAIL, "timeout", "nfs COMPOUND /srv/home: no answer within 1 s")


@pytest.mark.parametrize(
    ("privileged_port", "hint"), [(False, "; it may want a port below 1024 (privileged_port)"), (True, "")]
)
def test_a_server_that_refuses_a_file_may_have_wanted_another_port(privileged_port: bool, hint: str) -> None:
    refused = compound(nfs4.to_root(None), result(24, status=1), status=1)
    refusal = run_check({"privileged_port": privileged_port}, Connection(*over_tcp(NULL_4, refused)))
    assert outcome(refusal) == (
        Outcome.FAIL,
        "auth",
        f"nfs COMPOUND: PUTROOTFH: NFS4ERR_PERM: not permitted{hint}",
    )


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_a_server_of_version_4_that_falls_silent_or_hangs_up_fails(by: Step, reason: str) -> None:
    for connection in interrupted(over_tcp(NULL_4, EXPORT), by):
        assert run_check({"export": "/srv/home"}, connection).reason == reason


# Minor version 1

INTRODUCTION = nfs4.exchange_id(struct.pack(">d", 0.0), "feedback 0.0")
CLIENT = nfs4.Client(client_id=7, sequence_id=3)
SESSION = nfs4.Session(b"session id......", 7)
NO_MINOR_0 = compound(nfs4.to_root(None), status=10021)
INTRODUCED = compound((INTRODUCTION,), result(42, xdr.uint64(7) + xdr.uint(3) + bytes(32)), minor_version=1)
CREATED = compound((nfs4.create_session(CLIENT),), result(43, SESSION.session_id + bytes(64)), minor_version=1)
SEQUENCE = result(53, SESSION.session_id + bytes(20))
GOODBYE = (
    compound((nfs4.destroy_session(SESSION),), result(44), minor_version=1),
    compound((nfs4.destroy_client(SESSION),), result(57), minor_version=1),
)


def in_session(*results: bytes, status: int = 0) -> Call:
    operations = (nfs4.sequence(SESSION), *nfs4.to_root(None))
    return compound(operations, *results, minor_version=1, status=status)


NO_SLOT = in_session(result(53, status=10053), status=10053)


def test_a_server_without_minor_version_0_is_asked_in_a_session_of_minor_version_1() -> None:
    asked = in_session(SEQUENCE, PUTROOTFH, GETFH)
    connection = Connection(*over_tcp(NULL_4, NO_MINOR_0, INTRODUCED, CREATED, asked, *GOODBYE))
    assert outcome(run_check({}, connection)) == (Outcome.PASS, "", "NFS 4.1")


def test_the_session_is_ended_before_it_is_said_that_it_was_no_use() -> None:
    asked = in_session(SEQUENCE, result(24, status=10016), status=10016)
    connection = Connection(*over_tcp(NULL_4, NO_MINOR_0, INTRODUCED, CREATED, asked, *GOODBYE))
    refusal = run_check({"privileged_port": True}, connection)
    assert (refusal.reason, refusal.detail.partition(": it")[0]) == (
        "auth",
        "nfs COMPOUND: PUTROOTFH: NFS4ERR_WRONGSEC",
    )


@pytest.mark.parametrize(
    ("answers", "detail"),
    [
        ([compound((INTRODUCTION,), minor_version=1, status=10021)], "NFS4ERR_MINOR_VERS_MISMATCH: the server does"),
        ([compound((INTRODUCTION,), result(42, status=10008), minor_version=1)], "EXCHANGE_ID: NFS4ERR_DELAY"),
        (
            [INTRODUCED, compound((nfs4.create_session(CLIENT),), result(43, status=10017), minor_version=1)],
            "CREATE_SESSION: NFS4ERR_10017",
        ),
        (
            [INTRODUCED, CREATED, in_session(result(53, status=10052), status=10052), *GOODBYE],
            "SEQUENCE: NFS4ERR_10052",
        ),
    ],
)
def test_a_server_that_gives_no_session_fails(answers: list[Call], detail: str) -> None:
    refused = run_check({}, Connection(*over_tcp(NULL_4, NO_MINOR_0, *answers)))
    assert (refused.outcome, refused.reason) == (Outcome.FAIL, "status")
    assert refused.detail.startswith(f"nfs COMPOUND: {detail}")


# Version 3

PATH = mount3.path("/srv/home")
HANDLE = nfs3.handle(b"handle")
MNT = Call(mount3.MNT, PATH, xdr.uint(0) + xdr.opaque(b"handle") + xdr.uints(1), ROOT)
UMNT = Call(mount3.UMNT, PATH, b"", ROOT)
GETATTR = Call(nfs3.GETATTR, HANDLE, xdr.uint(0, 2) + bytes(80), ROOT)
FSSTAT = Call(nfs3.FSSTAT, HANDLE, xdr.uint(0, 0) + b"".join(map(xdr.uint64, (1000, 400, 300, 0, 0, 0))), ROOT)
MOUNTD = (100005, 3, "tcp", "0.0.0.0.78.80")
STATUS = (100024, 1, "tcp", "0.0.0.0.78.81")
DUMP = Call(rpcbind.dump(4), results=listed(MOUNTD, STATUS, (100005, 3, "udp", "0.0.0.0.78.80")))
OPTIONS = {"version": 3, "export": "/srv/home"}
AT_MOUNT_PORT = OPTIONS | {"mount_port": 20048}


def test_a_server_of_version_3_answers() -> None:
    assert outcome(run_check({"version": 3}, Connection(*over_tcp(NULL_3)))) == (Outcome.PASS, "", "NFS 3")
    assert run_check({"version": 3, "transport": "udp"}, Exchange(*over_udp(NULL_3))).detail == "NFS 3"


def test_an_export_is_mounted_looked_at_and_unmounted() -> None:
    nfs, mountd = Connection(*over_tcp(NULL_3, GETATTR, FSSTAT)), Connection(*over_tcp(MNT, UMNT))
    rpcbind_ = Connection(*over_tcp(DUMP))
    assert run_check(OPTIONS, nfs, rpcbind_, mountd).detail == "NFS 3, /srv/home has 30% free"
    assert (nfs.privileged_port, rpcbind_.privileged_port, mountd.privileged_port) == (True, False, True)


def test_everything_goes_over_udp_where_that_is_wanted() -> None:
    nfs, mountd = Exchange(*over_udp(NULL_3, GETATTR, FSSTAT)), Exchange(*over_udp(MNT, UMNT))
    script = (nfs, Exchange(*over_udp(DUMP)), mountd)
    assert run_check(OPTIONS | {"transport": "udp"}, *script).detail == "NFS 3, /srv/home has 30% free"


def test_rpcbind_is_not_needed_where_mountd_s_port_is_given() -> None:
    nfs, mountd = Connection(*over_tcp(NULL_3, GETATTR, FSSTAT)), Connection(*over_tcp(MNT, UMNT))
    assert run_check(AT_MOUNT_PORT, nfs, mountd).outcome is Outcome.PASS


def test_an_export_is_asked_for_as_the_user_that_is_given() -> None:
    credential = rpc_message.auth_sys(33, 44)
    calls = [Call(call.procedure, call.arguments, call.results, credential) for call in (GETATTR, FSSTAT, MNT, UMNT)]
    nfs, mountd = Connection(*over_tcp(NULL_3, *calls[:2])), Connection(*over_tcp(*calls[2:]))
    assert run_check(AT_MOUNT_PORT | {"uid": 33, "gid": 44}, nfs, mountd).outcome is Outcome.PASS


@pytest.mark.parametrize("step", [3, 5])
def test_an_export_that_hangs_is_unmounted_and_told_from_a_living_daemon(step: int) -> None:
    nfs = Connection(*over_tcp(NULL_3, GETATTR, FSSTAT)[:step], Hang())
    mountd = Connection(*over_tcp(MNT, UMNT)[:3], Hang())
    hung = run_check(AT_MOUNT_PORT, nfs, mountd)
    name = "GETATTR" if step == 3 else "FSSTAT"
    assert outcome(hung) == (Outcome.FAIL, "timeout", f"nfs {name} /srv/home: no answer within 1 s")
    assert mountd.sent.endswith(message(UMNT, 2))


def test_a_mountd_that_hangs_is_told_from_a_living_daemon() -> None:
    hung = run_check(AT_MOUNT_PORT, Connection(*over_tcp(NULL_3)), Connection(*over_tcp(MNT)[:1], Hang()))
    assert outcome(hung) == (Outcome.FAIL, "timeout", "mountd MNT /srv/home: no answer within 1 s")


def test_an_export_that_is_full_is_unmounted_too() -> None:
    nfs, mountd = Connection(*over_tcp(NULL_3, GETATTR, FSSTAT)), Connection(*over_tcp(MNT, UMNT))
    full = run_check(AT_MOUNT_PORT | {"min_free": 0.5}, nfs, mountd)
    assert outcome(full) == (
        Outcome.FAIL,
        "content",
        "nfs FSSTAT /srv/home: 30.0% free, must be 50.0% at least",
    )
    assert mountd.sent.endswith(message(UMNT, 2))


def test_an_export_that_is_not_there_fails_with_what_mountd_says() -> None:
    mnt = Call(mount3.MNT, PATH, xdr.uint(2), ROOT)
    nfs, mountd = Connection(*over_tcp(NULL_3)), Connection(*over_tcp(mnt, UMNT))
    assert outcome(run_check(AT_MOUNT_PORT, nfs, mountd)) == (
        Outcome.FAIL,
        "status",
        "mountd MNT /srv/home: MNT3ERR_NOENT: there is no such file or directory",
    )


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_whoever_falls_silent_or_hangs_up_fails(by: Step, reason: str) -> None:
    nfs, mountd = over_tcp(NULL_3, GETATTR, FSSTAT), over_tcp(MNT, UMNT)
    for connection in interrupted(nfs, by):
        assert run_check(AT_MOUNT_PORT, connection, Connection(*mountd)).reason == reason
    for connection in interrupted(mountd, by):
        assert run_check(AT_MOUNT_PORT, Connection(*nfs), connection).reason == reason


# What else must answer


def test_further_programs_are_found_and_asked_with_either_version() -> None:
    others = (Connection(*over_tcp(DUMP)), Connection(*over_tcp(Call(rpc_message.null(100024, 1)))))
    required = {"require": ["status"]}
    assert run_check(required, Connection(*over_tcp(NULL_4, SERVER_ROOT)), *others).detail == "NFS 4.0"
    others = (Connection(*over_tcp(DUMP)), Connection(*over_tcp(Call(rpc_message.null(100024, 1)))))
    nfs, mountd = Connection(*over_tcp(NULL_3, GETATTR, FSSTAT)), Connection(*over_tcp(MNT, UMNT))
    assert run_check(AT_MOUNT_PORT | required, nfs, *others, mountd).outcome is Outcome.PASS


def test_a_further_program_that_is_not_there_fails() -> None:
    connection = Connection(*over_tcp(NULL_3))
    missing = run_check({"version": 3, "require": ["nlockmgr"]}, connection, Connection(*over_tcp(DUMP)))
    assert outcome(missing) == (
        Outcome.FAIL,
        "content",
        "rpcbind DUMP: nlockmgr is not registered on tcp; there are: mountd 3, status 1",
    )
    script = (Connection(*over_tcp(NULL_3)), Connection(*over_tcp(DUMP)), Connection(Refuse()))
    gone = run_check({"version": 3, "require": ["status"]}, *script)
    assert outcome(gone) == (Outcome.FAIL, "refused", "status/1 tcp: connection refused by 192.0.2.11:20049")


def test_another_program_on_the_port_is_no_nfs() -> None:
    answer = rpc_message.record(reply(b"", 1, 1))
    connection = Connection(Receive(rpc_message.record(message(NULL_4, 1))), Send(answer))
    assert outcome(run_check({}, connection)) == (
        Outcome.FAIL,
        "status",
        "nfs NULL: PROG_UNAVAIL: the server does not have this program",
    )


# Options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"transport": "udp"}, "transport: NFS version 4 has no udp"),
        ({"min_free": 0.1}, "min_free: goes with export, and there is none"),
        ({"version": 3, "mount_port": 20048}, "mount_port: goes with an export of version 3"),
        ({"export": "/srv", "mount_port": 20048}, "mount_port: goes with an export of version 3"),
        ({"export": "srv"}, "export: must be a path from the root"),
        ({"export": "/srv/../etc"}, "export: must be a path from the root"),
        ({"export": "/" + "x" * 1024}, "export: must have at most 1024 bytes"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        NfsCheck(**options)
