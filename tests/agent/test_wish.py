import stat
from pathlib import Path

import pytest

from feedback.agent.wish import keep_wish, load_wish, wish_path
from feedback.report import Wish


def test_the_wish_lies_beside_the_control_socket() -> None:
    assert wish_path("/run/feedback/agent.sock") == "/run/feedback/agent.sock.drain"


def test_a_drain_is_kept_until_it_is_taken_back(tmp_path: Path) -> None:
    path = str(tmp_path / "wish")
    assert load_wish(path) is Wish.READY
    keep_wish(path, Wish.DRAIN)
    keep_wish(path, Wish.DRAIN)
    assert load_wish(path) is Wish.DRAIN
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    keep_wish(path, Wish.READY)
    keep_wish(path, Wish.READY)
    assert load_wish(path) is Wish.READY


def test_without_a_place_nothing_is_kept() -> None:
    keep_wish(None, Wish.DRAIN)
    assert load_wish(None) is Wish.READY


def test_a_place_that_refuses_is_logged_and_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep_wish(str(tmp_path / "missing" / "wish"), Wish.DRAIN)
    assert "the wish will not outlive this agent wish=drain" in caplog.text
    assert "No such file or directory" in caplog.text
