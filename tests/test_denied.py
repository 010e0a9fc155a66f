import errno
import os
import pwd

import pytest

from feedback.denied import user, why


def test_what_is_denied_is_denied_to_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    user.cache_clear()
    denied = PermissionError(errno.EACCES, "Permission denied")
    assert why(denied) == f"Permission denied to user {pwd.getpwuid(os.geteuid()).pw_name}"
    monkeypatch.setattr("os.geteuid", lambda: 4_000_000_000)
    user.cache_clear()
    assert why(denied) == "Permission denied to user 4000000000"
    user.cache_clear()


def test_what_else_goes_wrong_is_told_as_it_is() -> None:
    assert why(FileNotFoundError(errno.ENOENT, "No such file or directory")) == "No such file or directory"
    assert why(ValueError("embedded null byte")) == "embedded null byte"
