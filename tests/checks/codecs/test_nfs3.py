"""NFS version 3: what an export's root says of itself, and any bytes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import nfs3, xdr
from feedback.checks.codecs.nfs3 import Space
from feedback.errors import CheckFailed

DIRECTORY = xdr.uint(2) + bytes(80)
SPACE = xdr.uint64(1000) + xdr.uint64(400) + xdr.uint64(300) + bytes(24 + 4)


def test_attributes_are_those_of_a_file() -> None:
    nfs3.read_getattr(xdr.Reader(xdr.uint(0) + DIRECTORY))
    with pytest.raises(CheckFailed, match=r"^protocol: the answer has the unknown file type 8$"):
        nfs3.read_getattr(xdr.Reader(xdr.uint(0, 8) + bytes(80)))
    with pytest.raises(CheckFailed, match=r"^protocol: the answer ends too early"):
        nfs3.read_getattr(xdr.Reader(xdr.uint(0) + DIRECTORY[:-1]))
    with pytest.raises(CheckFailed, match=r"^status: NFS3ERR_STALE"):
        nfs3.read_getattr(xdr.Reader(xdr.uint(70)))


@pytest.mark.parametrize("attributes", [xdr.uint(0), xdr.uint(1) + DIRECTORY])
def test_a_file_system_s_space_may_follow_attributes(attributes: bytes) -> None:
    space = nfs3.read_fsstat(xdr.Reader(xdr.uint(0) + attributes + SPACE))
    assert space == Space(total_bytes=1000, available_bytes=300)
    assert space.available_ratio == 0.3
    with pytest.raises(CheckFailed, match=r"^status: NFS3ERR_IO: the disk has failed$"):
        nfs3.read_fsstat(xdr.Reader(xdr.uint(5) + attributes))


def test_a_file_system_without_a_size_has_no_share_of_it() -> None:
    assert Space(0, 0).available_ratio is None


@given(st.sampled_from([b"", xdr.uint(0), xdr.uint(0, 1), xdr.uint(0) + DIRECTORY]), st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(beginning: bytes, data: bytes) -> None:
    for read in (nfs3.read_getattr, nfs3.read_fsstat):
        with contextlib.suppress(CheckFailed):
            read(xdr.Reader(beginning + data))
