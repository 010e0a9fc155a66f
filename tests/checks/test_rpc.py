"""The `rpc` check against scripts: rpcbind's list, the programs on it, and each way in which one is not well."""

from typing import Any

import pytest

from feedback.checks.codecs import rpc_message, rpcbind
from feedback.checks.rpc import RpcCheck
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.testing import Close, Connection, Exchange, Hang, Part, Receive, Refuse, Reset, Send, Step, interrupted
from feedback.testing import run_check as run_any_check
from tests.checks.rpc_scripts import Call, listed, message, over_tcp, over_udp, reply

TARGET = Target(Endpoint("192.0.2.11", 2049), "rs1", "files")
NFS_3 = (100003, 3, "tcp", "0.0.0.0.8.1")
NFS_4 = (100003, 4, "tcp", "0.0.0.0.8.1")
MOUNTD_TCP = (100005, 3, "tcp", "0.0.0.0.78.80")
MOUNTD_UDP = (100005, 3, "udp", "0.0.0.0.78.80")
DUMP = Call(rpcbind.dump(4), results=listed(NFS_3, NFS_4, MOUNTD_TCP, MOUNTD_UDP))
LISTING = over_tcp(DUMP)


def null(program: int, version: int) -> Call:
    return Call(rpc_message.null(program, version))


def run_check(options: dict[str, Any], *script: Part) -> CheckResult:
    return run_any_check(RpcCheck(**options), *script, target=TARGET)


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def test_rpcbind_is_at_its_own_port_whatever_the_destination_s() -> None:
    assert RpcCheck().aim(Endpoint("192.0.2.11", 2049)) == Endpoint("192.0.2.11", 111)
    assert RpcCheck(port=1111).aim(Endpoint("192.0.2.11", 2049)) == Endpoint("192.0.2.11", 1111)


def test_without_programs_it_is_enough_that_rpcbind_lists_anything() -> None:
    assert outcome(run_check({}, Connection(*LISTING))) == (Outcome.PASS, "", "rpcbind lists nfs 3 4, mountd 3")


def test_an_rpcbind_that_lists_nothing_fails() -> None:
    connection = Connection(*over_tcp(Call(rpcbind.dump(4), results=listed())))
    assert outcome(run_check({}, connection)) == (
        Outcome.FAIL,
        "content",
        "rpcbind DUMP: nothing is registered on tcp or udp",
    )


def test_a_program_is_asked_in_each_version_and_on_each_transport_that_is_listed() -> None:
    script: list[Part] = [
        Connection(*LISTING),
        Connection(*over_tcp(null(100003, 3))),
        Connection(*over_tcp(null(100003, 4))),
        Connection(*over_tcp(null(100005, 3))),
        Exchange(*over_udp(null(100005, 3))),
    ]
    assert outcome(run_check({"programs": ["nfs", 100005]}, *script)) == (
        Outcome.PASS,
        "",
        "4 answered: nfs/3 tcp, nfs/4 tcp, mountd/3 tcp, mountd/3 udp",
    )


def test_a_version_and_a_transport_narrow_it_down() -> None:
    script: list[Part] = [Exchange(*over_udp(DUMP)), Exchange(*over_udp(null(100005, 3)))]
    assert run_check({"programs": ["mountd/3"], "transport": "udp"}, *script).detail == "1 answered: mountd/3 udp"
    script = [Connection(*LISTING), Connection(*over_tcp(null(100003, 4)))]
    assert run_check({"programs": ["nfs/4"], "transport": "tcp"}, *script).detail == "1 answered: nfs/4 tcp"


def test_all_programs_on_a_transport_are_all_that_are_listed_there() -> None:
    script = [Exchange(*over_udp(DUMP)), Exchange(*over_udp(null(100005, 3)))]
    assert run_check({"all": True, "transport": "udp"}, *script).detail == "1 answered: mountd/3 udp"


def test_an_older_rpcbind_may_be_asked_for() -> None:
    dump = Call(rpcbind.dump(3), results=listed(NFS_3))
    assert run_check({"rpcbind": 3}, Connection(*over_tcp(dump))).detail == "rpcbind lists nfs 3"


def test_a_program_that_is_not_registered_fails_before_any_is_asked() -> None:
    result = run_check({"programs": ["nfs", "status"]}, Connection(*LISTING))
    assert outcome(result) == (
        Outcome.FAIL,
        "content",
        "rpcbind DUMP: status is not registered on tcp or udp; there are: nfs 3 4, mountd 3",
    )


@pytest.mark.parametrize(
    ("part", "reason", "detail"),
    [
        (Connection(Refuse()), "refused", "mountd/3 tcp: connection refused by 192.0.2.11:20048"),
        (Connection(Receive(b"\x80")), "closed", "mountd/3 tcp NULL: 192.0.2.11:20048 closed the connection after 0"),
        (
            Connection(
                Receive(rpc_message.record(message(null(100005, 3), 1))), Send(rpc_message.record(reply(b"", 1, 1)))
            ),
            "status",
            "mountd/3 tcp NULL: PROG_UNAVAIL: the server does not have this program",
        ),
    ],
)
def test_a_program_that_is_registered_and_gone_fails(part: Connection, reason: str, detail: str) -> None:
    result = run_check({"programs": ["mountd"], "transport": "tcp"}, Connection(*LISTING), part)
    assert (result.outcome, result.reason) == (Outcome.FAIL, reason)
    assert result.detail.startswith(detail)


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_whoever_falls_silent_or_hangs_up_fails(by: Step, reason: str) -> None:
    for connection in interrupted(LISTING, by):
        assert run_check({}, connection).reason == reason
    for connection in interrupted(over_tcp(null(100003, 4)), by):
        result = run_check({"programs": ["nfs/4"]}, Connection(*LISTING), connection)
        assert result.reason == reason
        assert result.detail.startswith("nfs/4 tcp NULL: ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"programs": ["nfs"], "all": True}, "must have at most one of programs and all"),
        ({"programs": ["nfsd"]}, "programs: there is no program nfsd among those known by name; give its number"),
        ({"programs": ["nfs/x"]}, "programs: must be a program's name or number"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        RpcCheck(**options)
