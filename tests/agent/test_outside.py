"""Sources from outside in a real agent: whatever they do, it reports all others, and says of these what is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.loopback

MODULE = '''\
import time
from feedback.agent.source import Sample, Source, SourceError

class Plain(Source):
    """A source of its own."""

class Good(Plain, name="good"):
    async def sample(self):
        return Sample(0.5)

class Secure(Plain, name="secure"):
    async def sample(self):
        import asyncio, ssl
        return Sample(0.5 if asyncio.sslproto.ssl is ssl else 0.0)

class Raising(Plain, name="raising"):
    async def sample(self):
        return Sample({}["load"])

class Asleep(Plain, name="asleep"):
    async def sample(self):
        import asyncio
        await asyncio.sleep(3600)

class Flooding(Plain, name="flooding"):
    async def sample(self):
        raise SourceError("flood " * 2_000_000)

class Flooded(Plain, name="flooded"):
    async def sample(self):
        return Sample("1" * 10_000_000)

class Many(Plain, name="many"):
    async def sample(self):
        return {f"metric{number}": Sample(0.5) for number in range(1_000_000)}

class Huge(Plain, name="huge"):
    async def sample(self):
        return Sample(10 ** 400)

class Lines(Plain, name="lines"):
    async def sample(self):
        raise SourceError("one\\n\\x1b[2Jtwo")

class Words(Plain, name="words"):
    async def sample(self):
        return Sample("0.5")

class Nan(Plain, name="nan"):
    async def sample(self):
        return Sample(float("nan"))

class Nothing(Plain, name="nothing"):
    async def sample(self):
        return None

class Truth(Plain, name="truth"):
    async def sample(self):
        return Sample(True)

class Plainly(Plain, name="plainly"):
    def sample(self):
        return Sample(0.5)

class Unmakable(Plain, name="unmakable"):
    def __post_init__(self):
        raise KeyError("load")

    async def sample(self):
        return Sample(0.5)
'''
NAMES = {
    "good": "Good",
    "secure": "Secure",
    "raising": "Raising",
    "asleep": "Asleep",
    "flooding": "Flooding",
    "flooded": "Flooded",
    "many": "Many",
    "huge": "Huge",
    "lines": "Lines",
    "words": "Words",
    "nan": "Nan",
    "nothing": "Nothing",
    "truth": "Truth",
    "plainly": "Plainly",
    "unmakable": "Unmakable",
}
RATIO = "must be a number from 0 to 1000000"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Have a package installed that brings sources."""
    (tmp_path / "outside_sources.py").write_text(MODULE)
    (tmp_path / "outside_broken.py").write_text("import nowhere_to_be_found\n")
    installed = tmp_path / "outside_sources-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-sources\nVersion: 1.0\n")
    lines = [f"{name} = outside_sources:{cls}" for name, cls in NAMES.items()]
    text = "\n".join(["[feedback.sources]", *lines, "broken = outside_broken:Broken", ""])
    (installed / "entry_points.txt").write_text(text)
    return tmp_path


def once(outside: Path, *metrics: str) -> tuple[int, str, str]:
    config = outside / "agent.yaml"
    head = "agent: {name: rs1, directors: ['ws://127.0.0.1:9/agent'], control: null}\nmetrics:\n"
    config.write_text(head + "".join(f"  {metric}\n" for metric in metrics))
    done = subprocess.run(
        [sys.executable, "-m", "feedback", "agent", "--config", str(config), "--once"],
        env={**os.environ, "PYTHONPATH": str(outside)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def report(outside: Path, *metrics: str) -> dict[str, Any]:
    status, printed, _ = once(outside, *metrics)
    assert status == 0
    found: dict[str, Any] = json.loads(printed)
    return found


def test_whatever_sources_do_the_others_are_reported_and_they_are_named(outside: Path) -> None:
    bad = NAMES.keys() - {"good", "secure", "unmakable"}
    found = report(outside, "good: {}", "memory: {}", *(f"{name}: {{timeout: 500ms}}" for name in sorted(bad)))
    assert {"good", "memory"} == found["metrics"].keys()
    failures = found["failures"]
    assert all(len(words) <= 200 for words in failures.values())
    assert failures.pop("flooding").startswith("flood flood ")
    assert failures.pop("flooded").startswith("the source returned '111")
    assert failures.pop("huge").startswith("the source returned 1000")
    assert failures == {
        "asleep": "no answer within 0.5 s",
        "lines": "one [2Jtwo",
        "many": "AttributeError: 'dict' object has no attribute 'ratio'",
        "nan": f"the source returned nan, {RATIO}",
        "nothing": "AttributeError: 'NoneType' object has no attribute 'ratio'",
        "plainly": "TypeError: object Sample can't be used in 'await' expression",
        "raising": "KeyError: 'load'",
        "truth": f"the source returned True, {RATIO}",
        "words": f"the source returned '0.5', {RATIO}",
    }


def test_one_that_can_not_be_imported_is_refused_with_the_configuration(outside: Path) -> None:
    status, _, told = once(outside, "memory: {}", "broken: {}")
    assert status == 2
    assert told.endswith(
        'agent.yaml:4: metrics.broken: source "broken" of outside_broken:Broken in outside-sources 1.0 '
        "can't be imported: ModuleNotFoundError: No module named 'nowhere_to_be_found'\n"
    )


def test_one_that_can_not_be_made_is_refused_with_the_configuration(outside: Path) -> None:
    status, _, told = once(outside, "memory: {}", "unmakable: {}")
    assert status == 2
    assert told.endswith("agent.yaml:4: metrics.unmakable: has a bug: Unmakable raises KeyError: 'load'\n")


def test_a_source_from_outside_finds_tls_wherever_it_imports_it(outside: Path) -> None:
    assert report(outside, "secure: {}")["metrics"] == {"secure": 0.5}
