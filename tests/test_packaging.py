"""What is shipped: the wheel that `pip install .` makes, built here without a network."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
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


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def base(wheel: ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return what runs the command `feedback` as the wheel has it, with the libraries of the base and no others."""
    directory = tmp_path_factory.mktemp("base")
    wheel.extractall(directory)
    for module in ("msgspec", "yaml"):
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        (directory / module).symlink_to(Path(spec.origin).parent)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", "-m", "feedback", *words],  # -S: what is installed beside is not seen
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(directory)},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    return run


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
    assert requirements(metadata, "") == {"msgspec", "pyyaml"}


def test_the_extras_are_the_director_and_everything(metadata: Message) -> None:
    assert metadata.get_all("Provides-Extra") == ["all", "director", "plots", "psutil"]
    director = {
        "aiohttp",
        "asyncssh",
        "cryptography",
        "dnspython",
        "h2",
        "prometheus-client",
        "rich",
        "uvloop",
        "wsproto",
    }
    assert requirements(metadata, "director") == director
    assert requirements(metadata, "all") == director | {"matplotlib", "psutil"}


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


NEEDS = "needs the director extra: pip install 'lvs-feedback[director]'"


def test_with_the_base_alone_the_list_of_plugins_shows_what_can_be_used_and_names_the_rest(base: Run) -> None:
    listing = base("plugins")
    assert (listing.returncode, listing.stderr) == (0, "")
    lines = listing.stdout.splitlines()
    assert {"check http", "check imap", "source cpu"} <= set(lines)
    assert f"check dns {NEEDS}" in lines
    broken = {plugin["name"]: plugin["why"] for plugin in json.loads(base("plugins", "--json").stdout)["broken"]}
    assert {why.partition(" needs ")[2] for why in broken.values()} == {NEEDS.partition("needs ")[2]}
    assert "dns" in broken


def test_with_the_base_alone_a_plugin_of_the_extra_names_it_and_every_other_is_shown(base: Run) -> None:
    shown = base("plugins", "dns")
    assert (shown.returncode, shown.stderr) == (1, f"feedback plugins: check dns {NEEDS}\n")
    for name, plugin in (("http", "check http"), ("cpu", "source cpu"), ("equalize", "policy equalize")):
        assert base("plugins", name).stdout.startswith(f"{plugin}\n")


def test_with_the_base_alone_checks_are_made_but_those_of_the_extra(base: Run) -> None:
    refused = base("check", "tcp", "127.0.0.1:1")
    assert (refused.returncode, refused.stderr) == (2, "")
    assert refused.stdout.startswith("FAIL tcp 127.0.0.1:1: refused: ")
    lacking = base("check", "dns", "127.0.0.1:1", "name=example.com")
    assert (lacking.returncode, lacking.stderr) == (3, f"feedback check: check dns {NEEDS}\n")
    unknown = base("check", "nothing", "127.0.0.1:1")
    assert 'there is no check "nothing"; there are: ' in unknown.stderr
    assert " dns, " in unknown.stderr


def test_with_the_base_alone_the_agent_runs_and_the_director_names_its_extra(base: Run, tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text("agent: {name: rs1, directors: ['ws://127.0.0.1:1/agent']}\nmetrics: {load: {}}\n")
    agent = base("agent", "--config", str(config), "--once")
    assert (agent.returncode, agent.stderr) == (0, "")
    assert json.loads(agent.stdout)["metrics"]["load"] >= 0
    director = base("director", "--config", str(config))
    assert (director.returncode, director.stderr) == (1, f"feedback director {NEEDS}\n")


def test_with_the_base_alone_a_plugin_is_begun_and_a_program_is_judged(base: Run, tmp_path: Path) -> None:
    begun = base("plugins", "new", "executable", "queue", "--directory", str(tmp_path / "queue"))
    assert (begun.returncode, begun.stderr) == (0, "")
    judged = base("plugins", "test", "--timeout", "10s", str(tmp_path / "queue" / "queue"), str(tmp_path))
    assert (judged.returncode, judged.stderr) == (0, "")
    assert judged.stdout.endswith(" conforms\n")
    taken = base("plugins", "new", "check", "dns")
    assert (taken.returncode, taken.stderr) == (2, 'there is a check "dns" already (built in); take another name\n')
