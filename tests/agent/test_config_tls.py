"""`agent.tls` in agent.yaml."""

from pathlib import Path

import pytest

from feedback.agent.config import AgentConfig, TlsFiles
from feedback.agent.config_file import load_agent_config
from feedback.errors import ConfigError
from feedback.pki.store import Store
from tests.pki.authority_made import enrolled


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TlsFiles:
    monkeypatch.chdir(tmp_path)
    store = Store("pki")
    store.create(["lvs1"], 86400.0)
    return enrolled(store, Path("tls"), "rs1")


def load(tls: str, url: str = "wss://lvs1:8600/agent") -> AgentConfig:
    Path("agent.yaml").write_text(f'agent: {{name: rs1, directors: ["{url}"]{tls}}}\nmetrics: {{load: {{}}}}\n')
    return load_agent_config("agent.yaml")


def test_a_directory_has_everything(files: TlsFiles) -> None:
    assert load(", tls: {directory: tls}").tls == files
    assert files.renews


def test_files_of_ones_own_are_used_and_left_alone(files: TlsFiles) -> None:
    own = load(f", tls: {{certificate: {files.certificate}, key: {files.key}, ca: {files.ca}}}").tls
    assert own == TlsFiles(certificate=files.certificate, key=files.key, ca=files.ca)


@pytest.mark.usefixtures("files")
def test_without_a_section_the_system_s_authorities_are_trusted() -> None:
    assert load("").tls == TlsFiles()
    assert load("", "ws://lvs1:8600/agent").tls is None


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("tls", "problem"),
    [
        ("{directory: tls, ca: tls/ca.pem}", "agent.tls.ca: must be left out: the directory has everything"),
        ("{key: tls/agent.key}", "agent.tls.key: goes with certificate, and there is none"),
        (
            "{directory: none}",
            "agent.tls.directory: none/ca.pem can't be used: No such file or directory: feedback agent enroll makes it",
        ),
        ("{ca: none}", "agent.tls: none can't be used: No such file or directory"),
        ("{cert: a}", "agent.tls.cert: unknown key; known keys: ca, certificate, directory, key"),
    ],
)
def test_what_is_wrong_is_told(tls: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(f", tls: {tls}")
    assert str(raised.value) == f"agent.yaml:1: {problem}"


@pytest.mark.usefixtures("files")
def test_tls_that_no_director_is_spoken_to_with_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"agent.tls: goes with wss:// in directors, and there is none$"):
        load(", tls: {directory: tls}", "ws://lvs1:8600/agent")
