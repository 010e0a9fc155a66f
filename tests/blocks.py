"""A source and a check that hold the whole event loop up while a file is there, as an installed plugin has them."""

from pathlib import Path

MODULE = """\
import time
from pathlib import Path
from typing import Annotated

from feedback.agent.source import Sample, Source
from feedback.checks.check import Check


def block(flag):
    while Path(flag).exists():
        Path(flag).with_name("blocked").touch()
        time.sleep(0.01)


class BlockingSource(Source, name="blocking"):
    \"\"\"0.5, once the flag is gone.\"\"\"

    flag: Annotated[str, "the file"]

    async def sample(self):
        block(self.flag)
        return Sample(0.5)


class BlockingCheck(Check, name="blocking"):
    \"\"\"Pass when the flag is gone.\"\"\"

    flag: Annotated[str, "the file"]

    async def probe(self, target, net):
        block(self.flag)
        return "not blocked"
"""
ENTRY_POINTS = """\
[feedback.sources]
blocking = blocks:BlockingSource
[feedback.checks]
blocking = blocks:BlockingCheck
"""


def install(directory: Path) -> None:
    """Put the plugin into a directory that PYTHONPATH will name. It makes `blocked` beside the flag when it blocks."""
    distribution = directory / "blocks-1.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: blocks\nVersion: 1\n")
    (distribution / "entry_points.txt").write_text(ENTRY_POINTS)
    (directory / "blocks.py").write_text(MODULE)
