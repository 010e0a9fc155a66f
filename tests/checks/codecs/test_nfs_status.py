"""What MOUNT and NFS answer with when they do not do it, in words."""

import pytest

from feedback.checks.codecs.nfs_status import Family, require_ok
from feedback.errors import CheckFailed


def test_ok_is_ok() -> None:
    require_ok("NFS4ERR", 0)


@pytest.mark.parametrize(
    ("family", "number", "where", "sentence"),
    [
        ("MNT3ERR", 2, "", "status: MNT3ERR_NOENT: there is no such file or directory"),
        ("MNT3ERR", 13, "", "auth: MNT3ERR_ACCES: access denied, or there is no such export"),
        ("NFS3ERR", 70, "", "status: NFS3ERR_STALE: the file handle is no longer valid"),
        ("NFS3ERR", 10008, "", "status: NFS3ERR_JUKEBOX: the server asks to try again later"),
        ("NFS4ERR", 10008, "", "status: NFS4ERR_DELAY: the server asks to try again later"),
        ("NFS4ERR", 1, "LOOKUP srv", "auth: LOOKUP srv: NFS4ERR_PERM: not permitted"),
        (
            "NFS4ERR",
            10016,
            "GETFH",
            "auth: GETFH: NFS4ERR_WRONGSEC: it wants another kind of credential, .*",
        ),
        ("NFS4ERR", 12345, "", "status: NFS4ERR_12345"),
    ],
)
def test_a_refusal_is_said_in_words(family: Family, number: int, where: str, sentence: str) -> None:
    with pytest.raises(CheckFailed, match=f"^{sentence}$"):
        require_ok(family, number, where)
