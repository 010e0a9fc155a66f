"""`director.tls` in director.yaml, and what a listener needs that other hosts reach."""

from pathlib import Path

import pytest

from feedback.director.config import DirectorConfig, TlsConfig
from feedback.director.config_file import load_director_config
from feedback.errors import ConfigError
from feedback.model import Endpoint
from feedback.pki.store import Store

SERVICES = "services: {web: {address: 192.0.2.10:80, checks: [tcp], destinations: {rs1: 10.2.0.11:80}}}\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Store("pki").create(["lvs1"], 86400.0)
    token = Path("token")
    token.write_text("0123456789abcdef\n")
    token.chmod(0o600)


def load(director: str) -> DirectorConfig:
    Path("director.yaml").write_text(f"director: {{{director}}}\n{SERVICES}")
    return load_director_config("director.yaml")


def test_an_authority_s_directory_is_all_it_takes() -> None:
    config = load("listen: 0.0.0.0:8600, tls: {directory: pki}")
    assert config.tls == TlsConfig(directory="pki")
    assert config.warnings == ()


def test_tls_may_be_spoken_beside_the_plain_listener() -> None:
    config = load("tls: {directory: pki, listen: 10.2.0.1:8600}")
    assert (config.listen, config.tls) == (
        Endpoint("127.0.0.1", 8600),
        TlsConfig(directory="pki", listen=Endpoint("10.2.0.1", 8600)),
    )


def test_certificates_of_ones_own_are_read() -> None:
    own = "certificate: pki/director.pem, key: pki/director.key, ca: pki/ca.pem"
    assert load(f"listen: 0.0.0.0:8600, tls: {{{own}}}").tls == TlsConfig(
        certificate="pki/director.pem", key="pki/director.key", ca="pki/ca.pem"
    )


@pytest.mark.parametrize("tls", ["", ", tls: {directory: pki, listen: 10.2.0.1:8601}"])
def test_a_plain_listener_that_others_reach_is_warned_of(tls: str) -> None:
    (warning,) = load(f"listen: 10.2.0.1:8600, token_file: token{tls}").warnings
    assert warning == (
        "director.yaml:1: director.listen: 10.2.0.1:8600 is open to other hosts without TLS: who reads the network "
        "reads the token; director.tls mends that"
    )


@pytest.mark.parametrize(
    ("director", "problem"),
    [
        (
            "listen: 0.0.0.0:8600",
            (
                "listen: 0.0.0.0:8600 is open to other hosts and needs token_file: a file with a token for agents and "
                "operators; or, better, tls: `feedback pki init` makes what it takes"
            ),
        ),
        ("tls: {directory: pki, ca: pki/ca.pem}", "tls.ca: must be left out: the directory has everything"),
        (
            "tls: {ca: pki/ca.pem}",
            "tls: must have a directory, as `feedback pki init` makes it, or a certificate and its key",
        ),
        (
            "token_file: token, tls: {certificate: pki/director.pem, key: pki/director.key, crl: none}",
            "tls.crl: goes with ca, and there is none",
        ),
        (
            "tls: {certificate: pki/director.pem, key: pki/director.key}",
            "tls: must have a ca, whose certificates agents show, or the director a token_file that says who is one",
        ),
        ("tls: {directory: none}", "tls.directory: none/director.pem can't be read: No such file or directory"),
        (
            "tls: {certificate: pki/director.pem, key: pki/ca.key, ca: pki/ca.pem}",
            "tls.certificate: pki/director.pem and pki/ca.key can't be used together: ",
        ),
        (
            "tls: {directory: pki, listen: 127.0.0.1:8600}",
            "tls.listen: 127.0.0.1:8600 is director.listen already: leave it out",
        ),
        ("tls: {directory: 5}", "tls.directory: must be text, not 5; put it in quotes"),
    ],
)
def test_what_is_wrong_is_told(director: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(director)
    (line,) = raised.value.problems
    assert line.startswith(f"director.yaml:1: director.{problem}")
