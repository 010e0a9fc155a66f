"""A check of one's own: whether a Gearman job server answers, and is new enough."""

import re
from typing import Annotated

from feedback.checks import Check
from feedback.errors import CheckFailed
from feedback.net import Net, Target


class GearmanCheck(Check, name="gearman"):
    """Pass when the server answers `version`.

    Example:

        - gearman: {min_version: 1.1.18}
    """

    min_version: Annotated[str | None, "oldest version that passes, like 1.1.18"] = None

    def __post_init__(self) -> None:
        if self.min_version is not None and not re.fullmatch(r"\d{1,9}(\.\d{1,9})*", self.min_version):
            raise ValueError("min_version: must be numbers with dots between them, like 1.1.18")

    async def probe(self, target: Target, net: Net) -> str:
        """Ask for the version."""
        async with net.connect_tcp(target, brief=True) as stream:
            await stream.write(b"version\n")
            line = await stream.read_until(b"\n", limit=512)
        match = re.fullmatch(rb"OK (\d{1,9}(?:\.\d{1,9})*)\S*\n", line)
        if match is None:
            raise CheckFailed("protocol", f"not an answer to version: {line.decode('latin-1').strip()}")
        version = match[1].decode()
        if self.min_version is not None and numbers(version) < numbers(self.min_version):
            raise CheckFailed("content", f"version {version}, must be at least {self.min_version}")
        return f"version {version}"


def numbers(version: str) -> list[int]:
    """Return a version's numbers, which sort as versions do."""
    return [int(number) for number in version.split(".")]
