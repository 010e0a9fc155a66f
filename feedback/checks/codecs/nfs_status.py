"""The statuses that MOUNT and NFS answer with: numbers and names are the same in all versions. Pure.

RFC 1813, 2.6 and 5.1.5; RFC 7530, 13.1; RFC 8881, 15.1.
"""

from typing import Literal

from feedback.errors import CheckFailed, Reason

Family = Literal["MNT3ERR", "NFS3ERR", "NFS4ERR"]

OK = 0
MINOR_VERS_MISMATCH = 10021

_PERM, _ACCES, _WRONGSEC = 1, 13, 10016

_NAMES = {
    _PERM: "PERM: not permitted",
    2: "NOENT: there is no such file or directory",
    5: "IO: the disk has failed",
    6: "NXIO: the device is gone",
    _ACCES: "ACCES: access denied",
    19: "NODEV: there is no such device",
    20: "NOTDIR: it is not a directory",
    22: "INVAL: an argument is not valid",
    63: "NAMETOOLONG: the name is too long",
    70: "STALE: the file handle is no longer valid",
    10001: "BADHANDLE: the file handle is not valid",
    10004: "NOTSUPP: not supported",
    10006: "SERVERFAULT: the server has a fault of its own",
    10008: "DELAY: the server asks to try again later",
    10013: "GRACE: the server has just been started",
    _WRONGSEC: "WRONGSEC: it wants another kind of credential, like Kerberos",
    10018: "RESOURCE: the server has run out of a resource",
    10019: "MOVED: it is on another server",
    10020: "NOFILEHANDLE: there is no file handle",
    MINOR_VERS_MISMATCH: "MINOR_VERS_MISMATCH: the server does not have this minor version",
    10029: "SYMLINK: it is a symbolic link",
    10044: "OP_ILLEGAL: the server does not know the operation",
}
_NAMES_OF = {
    "MNT3ERR": {_ACCES: "ACCES: access denied, or there is no such export"},
    "NFS3ERR": {10008: "JUKEBOX: the server asks to try again later"},
}


def require_ok(family: Family, number: int, where: str = "") -> None:
    """Raise CheckFailed, in words, unless a status is OK: of access denied as of a login that is refused."""
    if number == OK:
        return
    words = f"{family}_{(_NAMES | _NAMES_OF.get(family, {})).get(number, number)}"
    reason = Reason.AUTH if number in {_PERM, _ACCES, _WRONGSEC} else Reason.STATUS
    raise CheckFailed(reason, f"{where}: {words}" if where else words)
