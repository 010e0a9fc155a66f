"""NFS version 4: compounds and their results, sessions, and any bytes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import nfs4, xdr
from feedback.checks.codecs.nfs3 import Space
from feedback.checks.codecs.nfs4 import Results
from feedback.errors import CheckFailed

PUTROOTFH = xdr.uint(24, 0)
LOOKUP = xdr.uint(15, 0)
GETFH = xdr.uint(10, 0) + xdr.opaque(b"handle")
GETATTR = xdr.uint(9, 0) + xdr.uints(0, 0x1400) + xdr.opaque(xdr.uint64(300) + xdr.uint64(1000))
SESSION = nfs4.Session(b"session id......", 7)


def answer(*results: bytes, status: int = 0, count: int | None = None) -> Results:
    head = xdr.uint(status) + xdr.opaque(b"tag") + xdr.uint(len(results) if count is None else count)
    return Results(xdr.Reader(head + b"".join(results)))


def read(results: Results, path: tuple[str, ...] | None = None) -> Space | None:
    return nfs4.read_root(results, nfs4.to_root(path))


def test_the_root_s_handle_takes_two_operations() -> None:
    assert nfs4.compound(nfs4.to_root(None)) == bytes.fromhex("00000000 00000000 00000002 00000018 0000000a")
    assert read(answer(PUTROOTFH, GETFH)) is None


def test_an_export_is_looked_up_name_by_name_and_asked_for_its_space() -> None:
    assert nfs4.compound(nfs4.to_root(("srv", "home")), 1) == bytes.fromhex(
        "00000000 00000001 00000005 00000018 0000000f 00000003 73727600 0000000f 00000004 686f6d65"
        "0000000a 00000009 00000002 00000000 00001400"
    )
    assert read(answer(PUTROOTFH, LOOKUP, LOOKUP, GETFH, GETATTR), ("srv", "home")) == Space(1000, 300)


def test_the_root_may_be_an_export_itself() -> None:
    assert [operation.name for operation in nfs4.to_root(())] == ["PUTROOTFH", "GETFH", "GETATTR"]


@pytest.mark.parametrize(
    ("bitmap", "values"), [((), b""), ((0, 0x1000), xdr.uint64(1000)), ((0, 0x400), xdr.uint64(300))]
)
def test_a_server_need_not_know_its_space(bitmap: tuple[int, ...], values: bytes) -> None:
    getattr_ = xdr.uint(9, 0) + xdr.uints(*bitmap) + xdr.opaque(values)
    assert read(answer(PUTROOTFH, GETFH, getattr_), ()) is None


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        (answer(status=10021), "status: NFS4ERR_MINOR_VERS_MISMATCH: the server does not have this minor version"),
        (answer(xdr.uint(24, 10016), status=10016), "auth: PUTROOTFH: NFS4ERR_WRONGSEC: it wants another kind of"),
        (answer(PUTROOTFH, xdr.uint(15, 2), status=2), "status: LOOKUP srv: NFS4ERR_NOENT: there is no such file"),
        (answer(PUTROOTFH, LOOKUP), "protocol: the answer has no result of GETFH"),
        (answer(PUTROOTFH, LOOKUP, status=10008), "status: NFS4ERR_DELAY"),
        (answer(PUTROOTFH, GETFH), "protocol: the answer has a result of operation 10, not LOOKUP srv"),
        (answer(PUTROOTFH, LOOKUP, xdr.uint(10, 0, 0)), "protocol: the answer has an empty file handle"),
        (answer(PUTROOTFH, LOOKUP, xdr.uint(10, 0, 129)), "protocol: the answer announces 129 bytes, must be 128"),
        (answer(PUTROOTFH, count=9), "protocol: the answer ends too early"),
        (
            answer(PUTROOTFH, LOOKUP, GETFH, xdr.uint(9, 0) + xdr.uints(1) + xdr.opaque(bytes(8))),
            "protocol: the answer has attributes that were not asked for",
        ),
        (
            answer(PUTROOTFH, LOOKUP, GETFH, xdr.uint(9, 0) + xdr.uints(0, 0x1400) + xdr.opaque(bytes(8))),
            "protocol: the answer ends too early: 8 bytes, must be 16 at least",
        ),
    ],
)
def test_a_server_that_does_not_do_it_is_quoted(results: Results, sentence: str) -> None:
    with pytest.raises(CheckFailed, match=f"^{sentence}"):
        read(results, ("srv",))


def test_a_client_introduces_itself_without_state_protection() -> None:
    assert nfs4.exchange_id(b"verifier", "me").arguments == b"verifier" + bytes.fromhex(
        "00000002 6d650000 00000000 00000000 00000000"
    )
    client = nfs4.read_exchange_id(xdr.Reader(xdr.uint64(7) + xdr.uint(3) + bytes(40)))
    assert client == nfs4.Client(client_id=7, sequence_id=3)


def test_a_session_has_one_slot_and_no_callbacks() -> None:
    operation = nfs4.create_session(nfs4.Client(7, 3))
    channel = "00000000 00001000 00001000 00000000 00000040 00000001 00000000"
    assert operation.arguments == bytes.fromhex(
        f"0000000000000007 00000003 00000000 {channel} {channel} 40000000 00000001 00000000"
    )
    reader = xdr.Reader(SESSION.session_id + bytes(64))
    assert nfs4.read_create_session(reader, nfs4.Client(7, 3)) == SESSION


def test_a_compound_in_a_session_begins_with_its_sequence() -> None:
    assert nfs4.sequence(SESSION).arguments == SESSION.session_id + xdr.uint(1, 0, 0, 0)
    reader = xdr.Reader(SESSION.session_id + bytes(20) + xdr.uint(42))
    nfs4.read_sequence(reader)
    assert reader.uint() == 42


def test_a_session_and_its_client_are_ended_by_their_numbers() -> None:
    assert nfs4.destroy_session(SESSION) == nfs4.Operation("DESTROY_SESSION", 44, SESSION.session_id)
    assert nfs4.destroy_client(SESSION) == nfs4.Operation("DESTROY_CLIENTID", 57, xdr.uint64(7))


PREFIXES = [b"", xdr.uint(0) + xdr.opaque(b"") + xdr.uint(4) + PUTROOTFH + LOOKUP + GETFH + xdr.uint(9, 0)]


@given(st.sampled_from(PREFIXES), st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(beginning: bytes, data: bytes) -> None:
    with contextlib.suppress(CheckFailed):
        read(Results(xdr.Reader(beginning + data)), ("srv",))


@given(st.binary(max_size=120))
def test_any_bytes_are_a_session_or_refused(data: bytes) -> None:
    with contextlib.suppress(CheckFailed):
        nfs4.read_create_session(xdr.Reader(data), nfs4.read_exchange_id(xdr.Reader(data)))
        nfs4.read_sequence(xdr.Reader(data))
