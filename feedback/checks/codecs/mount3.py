"""MOUNT version 3, which knows the way to the root of an NFSv3 export (RFC 1813, section 5). Pure."""

from feedback.checks.codecs import nfs_status, xdr
from feedback.checks.codecs.rpc_message import Procedure
from feedback.errors import CheckFailed, Reason

PROGRAM = 100005
PATH_LIMIT_BYTES = 1024
HANDLE_LIMIT_BYTES = 64
FLAVORS_LIMIT = 64

MNT = Procedure("MNT", PROGRAM, 3, 1)
UMNT = Procedure("UMNT", PROGRAM, 3, 3)

_FLAVORS = {390003: "krb5", 390004: "krb5i", 390005: "krb5p"}
_AUTH_NONE, _AUTH_SYS = 0, 1


def path(export: str) -> bytes:
    """Return the arguments of MNT and of UMNT."""
    return xdr.string(export)


def read_mnt(reader: xdr.Reader) -> bytes:
    """Return the file handle of an export's root. Raises CheckFailed when it can't be had with AUTH_SYS."""
    nfs_status.require_ok("MNT3ERR", reader.uint())
    handle = reader.opaque(HANDLE_LIMIT_BYTES)
    flavors = reader.uints(FLAVORS_LIMIT)
    if flavors and not {_AUTH_NONE, _AUTH_SYS} & set(flavors):
        names = ", ".join(_FLAVORS.get(flavor, str(flavor)) for flavor in flavors)
        raise CheckFailed(Reason.AUTH, f"the export takes no credentials but {names}")
    return handle
