"""The configuration's documentation: its examples load, and its tables say what the code does."""

import re
from pathlib import Path

import pytest

from feedback.agent import config_file as agent_file
from feedback.agent import config_tls as agent_tls
from feedback.agent import config_watches as agent_watches
from feedback.agent.config_file import load_agent_config
from feedback.director import config_feeds
from feedback.director import config_shape as shape
from feedback.director.config_file import load_director_config
from feedback.options import describe

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "docs/configuration.md").read_text()
FILES = {path.name: path.read_text() for path in sorted((ROOT / "examples").glob("*.yaml"))}
BLOCKS = {
    f"{path.name}:{text.count(chr(10), 0, match.start()) + 2}": match[1]
    for path in sorted((ROOT / "docs").glob("*.md"))
    for text in [path.read_text()]
    for match in re.finditer(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    if re.search(r"^(services|metrics):", match[1], re.MULTILINE)
}
TABLES: list[tuple[str, type]] = [
    ("### director", shape.DirectorShape),
    ("### tls", shape.TlsShape),
    ("### defaults", shape.DefaultsShape),
    ("### services", shape.ServiceShape),
    ("### check", shape.CadenceShape),
    ("### weights", shape.WeightsShape),
    ("### destinations", shape.DestinationShape),
    ("### overload", shape.OverloadShape),
    ("### overflow", shape.OverflowShape),
    ("### connections", shape.ConnectionsShape),
    ("### agents", config_feeds.FeedShape),
    ("### agent", agent_file._Agent),
    ("### agent.tls", agent_tls.TlsShape),
    ("### metrics", agent_file._Metric),
    ("### watches", agent_watches.WatchShape),
    ("### agent_check", agent_file._AgentCheck),
    ("### prometheus", agent_file._Prometheus),
]


@pytest.mark.parametrize("text", [*FILES.values(), *BLOCKS.values()], ids=[*FILES, *BLOCKS])
def test_every_example_loads(text: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    path = tmp_path / "example.yaml"
    path.write_text(text.replace("/etc/feedback/token", str(token)))
    if re.search(r"^services:", text, re.MULTILINE):
        config = load_director_config(path)
        assert config.services
        assert not config.warnings
    else:
        assert load_agent_config(path).metrics


def test_there_are_examples_of_both_files() -> None:
    assert {"agent.yaml", "director.yaml"} <= FILES.keys()
    assert len([name for name in BLOCKS if name.startswith("configuration.md")]) >= 3


@pytest.mark.parametrize(("heading", "cls"), TABLES, ids=[heading for heading, _ in TABLES])
def test_every_key_is_documented_with_its_default(heading: str, cls: type) -> None:
    section = re.search(rf"^{heading}\n(.*?)(?=^##|\Z)", DOCS, re.DOTALL | re.MULTILINE)
    assert section is not None
    documented = dict(re.findall(r"^\| `(\w+)` \| (.*?) ?\|", section[1], re.MULTILINE))
    options = {option.name: option for option in describe(cls) if "." not in option.name}
    assert documented.keys() == options.keys()
    own = {name: option.default for name, option in options.items() if option.type != "mapping"}
    told = {name: default for name, default in documented.items() if own.get(name) not in {None, "none", "[]", "{}"}}
    assert told == {name: own[name] for name in told}
