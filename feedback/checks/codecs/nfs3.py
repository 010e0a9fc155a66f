"""NFS version 3: as much as shows that an export works (RFC 1813). Pure."""

import msgspec

from feedback.checks.codecs import nfs_status, xdr
from feedback.checks.codecs.rpc_message import Procedure
from feedback.errors import CheckFailed, Reason

PROGRAM = 100003

GETATTR = Procedure("GETATTR", PROGRAM, 3, 1)
FSSTAT = Procedure("FSSTAT", PROGRAM, 3, 18)

_FILE_TYPES = range(1, 8)
_AFTER_THE_TYPE_BYTES = 80  # mode, links, owner, sizes, device, file system, number, three times


class Space(msgspec.Struct, frozen=True):
    """How large a file system is, and how much of it this caller may still fill."""

    total_bytes: int
    available_bytes: int

    @property
    def available_ratio(self) -> float | None:
        """The share that is available; None where the file system has no size."""
        return self.available_bytes / self.total_bytes if self.total_bytes else None


def handle(data: bytes) -> bytes:
    """Return the arguments of GETATTR and of FSSTAT."""
    return xdr.opaque(data)


def read_getattr(reader: xdr.Reader) -> None:
    """Read the attributes of a file that is there."""
    nfs_status.require_ok("NFS3ERR", reader.uint())
    _read_attributes(reader)


def read_fsstat(reader: xdr.Reader) -> Space:
    """Return the space of the file system that a file is on."""
    status = reader.uint()
    if reader.boolean():
        _read_attributes(reader)
    nfs_status.require_ok("NFS3ERR", status)
    total_bytes, _free_bytes, available_bytes = reader.uint64(), reader.uint64(), reader.uint64()
    return Space(total_bytes, available_bytes)


def _read_attributes(reader: xdr.Reader) -> None:
    """Read an fattr3 (2.6), of which only the beginning can be wrong."""
    file_type = reader.uint()
    if file_type not in _FILE_TYPES:
        raise CheckFailed(Reason.PROTOCOL, f"the answer has the unknown file type {file_type}")
    reader.fixed(_AFTER_THE_TYPE_BYTES)
