"""ONC RPC messages: calls byte by byte, every way in which a reply can say no, records, and any bytes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import rpc_message, xdr
from feedback.checks.codecs.rpc_message import VersionRefusedError
from feedback.errors import CheckFailed

XID = 0x12345678
ACCEPTED = xdr.uint(XID, 1, 0, 0, 0)
DENIED = xdr.uint(XID, 1, 1)


def test_a_null_call_is_ten_words() -> None:
    assert rpc_message.call(XID, rpc_message.null(100003, 4)) == bytes.fromhex(
        "12345678 00000000 00000002 000186a3 00000004 00000000 00000000 00000000 00000000 00000000"
    )


def test_a_call_as_root_carries_a_credential_and_arguments() -> None:
    procedure = rpc_message.Procedure("MNT", 100005, 3, 1)
    called = rpc_message.call(XID, procedure, b"argument", rpc_message.auth_sys(0, 65534))
    assert (
        called
        == bytes.fromhex(
            "12345678 00000000 00000002 000186a5 00000003 00000001"
            "00000001 0000001c 00000000 00000008 666565646261636b 00000000 0000fffe 00000000"
            "00000000 00000000"
        )
        + b"argument"
    )


def test_results_follow_the_verifier() -> None:
    message = xdr.uint(XID, 1, 0, 6) + xdr.opaque(b"verifier") + xdr.uint(0, 42)
    reader = rpc_message.results(message, XID)
    assert reader is not None
    assert reader.uint() == 42


def test_a_reply_to_another_call_is_none() -> None:
    assert rpc_message.results(ACCEPTED + xdr.uint(0), XID + 1) is None


def test_another_version_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(VersionRefusedError, match=r"^status: PROG_MISMATCH: the server has versions 2 to 4") as caught:
        rpc_message.results(ACCEPTED + xdr.uint(2, 2, 4), XID)
    assert (caught.value.low, caught.value.high) == (2, 4)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (ACCEPTED + xdr.uint(1), "status: PROG_UNAVAIL: the server does not have this program"),
        (ACCEPTED + xdr.uint(3), "status: PROC_UNAVAIL: the server does not have this procedure"),
        (ACCEPTED + xdr.uint(4), "status: GARBAGE_ARGS: the server did not understand the arguments"),
        (ACCEPTED + xdr.uint(5), "status: SYSTEM_ERR: the server has a fault of its own, like no memory left"),
        (ACCEPTED + xdr.uint(6), "status: the unknown RPC status 6"),
        (DENIED + xdr.uint(0, 3, 4), "status: the server speaks RPC versions 3 to 4, not 2"),
        (DENIED + xdr.uint(1, 1), "auth: the server rejects the credential: AUTH_BADCRED"),
        (DENIED + xdr.uint(1, 5), "auth: .*: AUTH_TOOWEAK, it wants a stronger kind of credential"),
        (DENIED + xdr.uint(1, 13), "auth: .*: RPCSEC_GSS_CREDPROBLEM, it wants Kerberos"),
        (DENIED + xdr.uint(1, 99), "auth: the server rejects the credential: authentication error 99"),
        (DENIED + xdr.uint(2), "protocol: the call was rejected for the unknown reason 2"),
        (xdr.uint(XID, 1, 2), "protocol: the RPC reply has the unknown state 2"),
        (xdr.uint(XID, 0, 2), 'protocol: the answer is not an RPC reply: "'),
        (b"HTTP/1.1 400 Bad Request", 'protocol: the answer is not an RPC reply: "HTTP/1.1 400 Bad Request"'),
        (b"", "protocol: the answer ends too early"),
        (xdr.uint(XID, 1, 0, 0, 401), "protocol: the answer announces 401 bytes, must be 400 at most"),
    ],
)
def test_a_server_that_says_no_is_quoted(message: bytes, sentence: str) -> None:
    with pytest.raises(CheckFailed, match=f"^{sentence}"):
        rpc_message.results(message, XID)


def test_a_message_is_a_record_of_one_fragment() -> None:
    assert rpc_message.record(b"call") == b"\x80\0\0\x04call"


@pytest.mark.parametrize(
    ("header", "length", "last"),
    [(b"\x80\0\0\x1c", 28, True), (b"\0\0\0\x1c", 28, False), (b"\x80\0\0\0", 0, True), (b"\xff" * 4, 2**31 - 1, True)],
)
def test_a_fragment_says_its_length_and_whether_it_is_the_last(header: bytes, length: int, last: bool) -> None:
    assert rpc_message.fragment(header) == (length, last)


def test_a_fragment_that_brings_nothing_is_refused() -> None:
    with pytest.raises(CheckFailed, match=r"^protocol: the answer has an empty fragment$"):
        rpc_message.fragment(bytes(4))


@given(st.integers(0, 2**32 - 1), st.binary(max_size=99))
def test_a_record_begins_with_its_length(xid: int, arguments: bytes) -> None:
    message = rpc_message.call(xid, rpc_message.null(100000, 2), arguments)
    record = rpc_message.record(message)
    assert rpc_message.fragment(record[:4]) == (len(record) - 4, True)


@given(st.sampled_from([b"", xdr.uint(XID), xdr.uint(XID, 1), ACCEPTED, DENIED]), st.binary(max_size=60))
def test_any_bytes_are_results_or_refused(beginning: bytes, data: bytes) -> None:
    with contextlib.suppress(CheckFailed):
        rpc_message.results(beginning + data, XID)
