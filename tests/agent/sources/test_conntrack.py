from pathlib import Path

import pytest

from feedback.agent.source import SourceError
from feedback.agent.sources import conntrack
from feedback.agent.sources.conntrack import ConntrackSource, used_ratio


def test_entries_are_a_share_of_the_table() -> None:
    assert used_ratio(50, 200) == 0.25


def test_a_table_without_a_limit_is_told_in_words() -> None:
    with pytest.raises(SourceError, match=r"^nf_conntrack_max is 0: the table has no limit to measure against$"):
        used_ratio(50, 0)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(conntrack, "DIRECTORY", str(tmp_path))
    return tmp_path


@pytest.mark.loopback
async def test_the_kernels_files_are_read_when_the_module_is_there(directory: Path) -> None:
    source = ConntrackSource()
    with pytest.raises(SourceError, match=r"^there is no connection tracking here, the module nf_conntrack is not lo"):
        await source.sample()
    (directory / "nf_conntrack_count").write_text("65536\n")
    (directory / "nf_conntrack_max").write_text("262144\n")
    assert (await source.sample()).ratio == 0.25
    (directory / "nf_conntrack_max").write_text("many\n")
    with pytest.raises(SourceError, match=r"/nf_conntrack_max: b'many' where a number should be$"):
        await source.sample()
