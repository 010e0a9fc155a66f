"""A unit whose last process ends: told by its control group."""

from pathlib import Path

import pytest

from feedback.agent.source import SourceError
from feedback.agent.watches import unit
from feedback.agent.watches.unit import UnitWatch, group_of, unified_root


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("nginx.service", "system.slice/nginx.service"),
        ("postgresql@15-main.service", "system.slice/system-postgresql.slice/postgresql@15-main.service"),
        ("my-app@1.service", "system.slice/system-my\\x2dapp.slice/my-app@1.service"),
        ("/web.slice/nginx.service", "web.slice/nginx.service"),
    ],
)
def test_a_unit_is_looked_for_where_systemd_puts_it(name: str, group: str) -> None:
    assert group_of(name) == group


def test_the_hierarchy_is_found_alone_and_beside_the_first_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "ROOT", str(tmp_path))
    with pytest.raises(SourceError, match=f"there is no cgroup v2 at {tmp_path}, which tells of units that stop"):
        UnitWatch("nginx.service").look()
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.controllers").touch()
    assert unified_root() == str(tmp_path / "unified")
    (tmp_path / "cgroup.controllers").touch()
    assert unified_root() == str(tmp_path)


def test_a_unit_without_a_group_does_not_run(tmp_path: Path) -> None:
    watch = UnitWatch("nginx.service", str(tmp_path))
    assert watch.look().wrong
    assert watch.look().why == "nginx.service does not run"


def test_what_can_not_be_read_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "system.slice/nginx.service/cgroup.events").mkdir(parents=True)
    with pytest.raises(OSError, match=r"^\[Errno \d+\]"):
        UnitWatch("nginx.service", str(tmp_path)).look()
