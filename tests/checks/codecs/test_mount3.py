"""MOUNT version 3: a file handle for a path, and any bytes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import mount3, nfs3, xdr
from feedback.errors import CheckFailed


def test_a_mount_gives_a_file_handle() -> None:
    assert mount3.read_mnt(xdr.Reader(xdr.uint(0) + xdr.opaque(b"handle") + xdr.uints(1))) == b"handle"
    assert mount3.read_mnt(xdr.Reader(xdr.uint(0) + xdr.opaque(b"handle") + xdr.uints())) == b"handle"
    assert mount3.read_mnt(xdr.Reader(xdr.uint(0) + xdr.opaque(b"handle") + xdr.uints(390003, 0))) == b"handle"


def test_an_export_s_path_is_a_string() -> None:
    assert mount3.path("/srv") == b"\0\0\0\x04/srv"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (xdr.uint(13), "auth: MNT3ERR_ACCES: access denied, or there is no such export"),
        (xdr.uint(0, 65), "protocol: the answer announces 65 bytes, must be 64 at most"),
        (xdr.uint(0) + xdr.opaque(b"h") + xdr.uint(65), "protocol: the answer announces 65 numbers, must be 64"),
        (
            xdr.uint(0) + xdr.opaque(b"h") + xdr.uints(390003, 390005, 7),
            "auth: the export takes no credentials but krb5, krb5p, 7",
        ),
    ],
)
def test_a_mount_that_is_refused_is_told_in_words(data: bytes, sentence: str) -> None:
    with pytest.raises(CheckFailed, match=f"^{sentence}"):
        mount3.read_mnt(xdr.Reader(data))


@given(st.binary(max_size=64))
def test_any_handle_that_a_server_gives_goes_back_to_it(handle: bytes) -> None:
    given_by_server = xdr.uint(0) + xdr.opaque(handle) + xdr.uints(1)
    assert xdr.Reader(nfs3.handle(mount3.read_mnt(xdr.Reader(given_by_server)))).opaque(64) == handle


@given(st.binary(max_size=120))
def test_any_bytes_are_a_handle_or_refused(data: bytes) -> None:
    with contextlib.suppress(CheckFailed):
        assert len(mount3.read_mnt(xdr.Reader(xdr.uint(0) + data))) <= 64
