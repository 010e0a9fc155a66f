"""What is shipped: the wheel that `pip install .` makes, built here without a network."""

import subprocess
import sys
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest

import feedback

pytestmark = pytest.mark.loopback  # it runs pip

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    directory = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(directory)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True, timeout=50)
    (path,) = directory.glob("*.whl")
    return ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    return HeaderParser().parsestr(text_of(wheel, "METADATA"))


def text_of(wheel: ZipFile, name: str) -> str:
    """Return one file of the wheel's .dist-info directory."""
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def requirements(metadata: Message, extra: str) -> set[str]:
    """Return the names of what an extra ("": the base) asks for."""
    lines = (line.partition(";") for line in metadata.get_all("Requires-Dist", []))
    wanted = (name for name, _, marker in lines if (f"extra == '{extra}'" in marker if extra else not marker))
    return {name.split(">")[0].strip() for name in wanted}


def test_the_distribution_has_the_package_s_version_and_licence(metadata: Message) -> None:
    assert metadata["Name"] == "lvs-feedback"
    assert metadata["Version"] == feedback.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_base_is_the_agent_s_and_small(metadata: Message) -> None:
    assert requirements(metadata, "") == {"msgspec", "pyyaml", "wsproto"}


def test_the_extras_are_the_director_and_everything(metadata: Message) -> None:
    assert metadata.get_all("Provides-Extra") == ["all", "director", "plots"]
    director = {"aiohttp", "asyncssh", "dnspython", "h2", "prometheus-client", "rich", "uvloop"}
    assert requirements(metadata, "director") == director
    assert requirements(metadata, "all") == director | {"matplotlib"}


def test_the_command_is_called_feedback(wheel: ZipFile) -> None:
    assert text_of(wheel, "entry_points.txt").split() == [
        "[console_scripts]",
        "feedback",
        "=",
        "feedback.__main__:main",
    ]


def test_every_file_of_the_package_is_in_the_wheel_and_nothing_else(wheel: ZipFile) -> None:
    shipped = {path for path in wheel.namelist() if ".dist-info/" not in path}
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "feedback").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == sources
    assert "feedback/py.typed" in shipped
    assert "feedback/director/static/index.html" in shipped
