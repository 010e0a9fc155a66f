"""`feedback pki` and `feedback agent enroll`, as an operator types them."""

import io
import stat
import sys
import time
from pathlib import Path

import pytest

from feedback.agent import enrol
from feedback.agent.config import TlsFiles
from feedback.agent.secure import make_context
from feedback.cli import main
from feedback.director.config import TlsConfig
from feedback.director.secure import Tls
from feedback.pki.store import Store
from tests.commands.threads import director, stranger

SENTENCE = "feedback agent: "


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    assert main(["pki", "init", "127.0.0.1", "lvs1", "--directory", "pki"]) == 0
    return Store("pki")


@pytest.fixture(autouse=True)
def no_output_of_set_up(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert store
    capsys.readouterr()


def token_for(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["pki", "enroll", *words, "--directory", "pki"]) == 0
    return capsys.readouterr().out.splitlines()[-1]


def failure(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Return a command's exit status, and its one sentence."""
    status = main(words)
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return status, line


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_an_authority_is_for_its_owner_s_eyes_alone() -> None:
    assert mode("pki") == 0o700
    assert {path.name: mode(str(path)) for path in Path("pki").iterdir()} == {
        "ca.key": 0o600,
        "ca.pem": 0o644,
        "director.key": 0o600,
        "director.pem": 0o644,
        "register.json": 0o600,
    }


def test_an_authority_is_not_made_where_there_is_something(capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("pki/ca.key").read_bytes()
    status, sentence = failure(capsys, "pki", "init", "lvs1", "--directory", "pki")
    assert (status, sentence.startswith("feedback pki: pki is not empty, and a second authority would lock")) == (
        1,
        True,
    )
    assert Path("pki/ca.key").read_bytes() == before


@pytest.mark.loopback
def test_without_names_the_director_is_this_host() -> None:
    assert main(["pki", "init", "--directory", "other"]) == 0
    assert {"localhost", "127.0.0.1"} < set(Store("other").director_names())


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("init", "a b"), 2, '"a b" must be a host name or an address, like lvs1.example or 10.2.0.1'),
        (("init", "lvs1", "--lifetime", "5m"), 2, "--lifetime must be at least 1h"),
        (("director",), 2, "feedback pki director: by which names and addresses do agents reach the director?"),
        (("enroll",), 2, "feedback pki enroll: which agent? Give its name, as in director.yaml"),
        (("enroll", "rs/1"), 2, '"rs/1" must be an agent\'s name: letters, digits, ".", "_" and "-", at most 128'),
        (("enroll", *map(str, range(17))), 2, "one certificate has at most 16 names"),
        (("list", "rs1"), 2, "feedback pki list takes no names"),
        (("revoke", "rs1", "--directory", "nowhere"), 1, "feedback pki: nowhere/register.json is not there: "),
    ],
)
def test_what_is_wrong_is_a_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], status: int, sentence: str
) -> None:
    where = () if "--directory" in words else ("--directory", "pki")
    failed, said = failure(capsys, "pki", *words, *where)
    assert (failed, said[: len(sentence)]) == (status, sentence)


def test_a_damaged_register_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("pki/register.json").write_text("{")
    status, sentence = failure(capsys, "pki", "list", "--directory", "pki")
    assert status == 1
    assert sentence.startswith("feedback pki: pki/register.json is damaged (")


def test_the_list_shows_what_is_out(capsys: pytest.CaptureFixture[str]) -> None:
    token_for(capsys, "rs1", "mail", "--valid", "2h")
    assert main(["pki", "revoke", "rs2", "--directory", "pki"]) == 0
    assert "(none is known here: is the name right?)" in capsys.readouterr().out
    assert main(["pki", "list", "--directory", "pki"]) == 0
    token, revoked = capsys.readouterr().out.splitlines()
    assert token.startswith("rs1, mail: token, until 20")
    assert revoked.startswith("rs2: revoked, what was issued until 20")


def test_the_director_s_names_can_be_changed(store: Store) -> None:
    assert main(["pki", "director", "lvs2", "10.2.0.2", "--directory", "pki"]) == 0
    assert store.director_names() == ("lvs2", "10.2.0.2")


def test_a_rollover_is_three_steps_each_told_and_the_next_one_is_a_new_rollover(
    capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    for sentence in (
        "a new authority is trusted beside the old one",
        "the new authority signs from now on; the old one is still trusted",
        "the new authority alone is trusted: the old one is gone",
        "a new authority is trusted beside the old one",
    ):
        before = store.authority_file.read_bytes()
        assert main(["pki", "rollover", "--directory", "pki"]) == 0
        first, second, *more = capsys.readouterr().out.splitlines()
        assert (first, second) == (sentence, "a running director gives a new certificate to: no agent, there is none")
        assert more == (["when they have it, the next step: feedback pki rollover"] if store.rolls_over() else [])
        assert (store.authority_file.read_bytes() == before) == sentence.startswith("the new authority signs")
    assert mode("pki/next.key") == 0o600


def test_an_authority_whose_key_is_another_s_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pki", "init", "127.0.0.1", "--directory", "other"]) == 0
    capsys.readouterr()
    Path("other/ca.key").replace("pki/ca.key")
    assert failure(capsys, "pki", "rollover", "--directory", "pki") == (
        1,
        "feedback pki: the authority's key is of none of its certificates: bring back a copy of both",
    )


NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMTIz\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("rollover",), "nothing"),
        (("rollover",), NO_CERTIFICATE),
        (("director", "lvs1"), NO_CERTIFICATE),
        (("enroll", "rs1"), "nothing"),
        (("enroll", "rs1"), "\xe4"),
    ],
)
def test_a_damaged_authority_is_named(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], text: str) -> None:
    Path("pki/ca.pem").write_text(text, encoding="latin-1")
    status, sentence = failure(capsys, "pki", *words, "--directory", "pki")
    assert status == 1
    assert sentence.startswith("feedback pki: pki/ca.pem or its key is damaged (")
    assert sentence.endswith("): bring back a copy of both")


@pytest.mark.loopback
class TestEnrolment:
    """Over TLS, with a director in a thread."""

    def test_a_host_gets_a_certificate_and_its_key_never_leaves_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        token = token_for(capsys, "rs1")
        with director(tls=Tls(TlsConfig(directory="pki"))) as there:
            assert main(["agent", "enroll", "--director", there.url, "--token", token, "--directory", "tls"]) == 0
            assert "tls has a certificate for rs1; the director renews it in time" in capsys.readouterr().out
            again = failure(capsys, "agent", "enroll", "--director", there.url, "--token", token, "--directory", "new")
        assert again[0] == 1
        assert again[1].startswith(f"{SENTENCE}the director refuses: the token is unknown here, or used already")
        assert {path.name: mode(str(path)) for path in Path("tls").iterdir()} == {
            "agent.key": 0o600,
            "agent.pem": 0o644,
            "ca.pem": 0o644,
        }
        assert mode("tls") == 0o700
        make_context(TlsFiles(certificate="tls/agent.pem", key="tls/agent.key", ca="tls/ca.pem"))
        assert main(["pki", "list", "--directory", "pki"]) == 0
        assert capsys.readouterr().out.startswith("rs1: certificate ")

    def test_the_token_may_come_from_the_input_and_the_host_may_be_enrolled_again(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with director(tls=Tls(TlsConfig(directory="pki"))) as there:
            for _ in range(2):
                monkeypatch.setattr(sys, "stdin", io.StringIO(f"{token_for(capsys, 'rs1')}\n"))
                words = ["agent", "enroll", "--director", there.url, "--token", "-", "--directory", "tls"]
                assert main(words) == 0
        assert len(Store("pki").register().issued) == 2

    def test_another_director_than_the_token_s_is_found_out(self, capsys: pytest.CaptureFixture[str]) -> None:
        token = token_for(capsys, "rs1")
        assert main(["pki", "init", "127.0.0.1", "--directory", "other"]) == 0
        capsys.readouterr()
        with director(tls=Tls(TlsConfig(directory="other"))) as there:
            status, sentence = failure(
                capsys, "agent", "enroll", "--director", there.url, "--token", token, "--directory", "tls"
            )
        assert status == 1
        assert "is not the director that the token is of: another one, or somebody between" in sentence
        assert not Path("tls").exists()

    def test_a_director_under_another_name_says_how_to_give_it_that_name(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["pki", "director", "lvs1", "--directory", "pki"]) == 0
        capsys.readouterr()
        token = token_for(capsys, "rs1")
        with director(tls=Tls(TlsConfig(directory="pki"))) as there:
            status, sentence = failure(
                capsys, "agent", "enroll", "--director", there.url, "--token", token, "--directory", "tls"
            )
        assert status == 1
        assert sentence.endswith("'127.0.0.1': feedback pki director gives it more names")
        assert list(Path("tls").iterdir()) == []

    def test_without_openssl_nothing_is_had_and_the_token_stays_good(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = token_for(capsys, "rs1")
        with director(tls=Tls(TlsConfig(directory="pki"))) as there:
            words = ["agent", "enroll", "--director", there.url, "--token", token, "--directory", "tls"]
            with monkeypatch.context() as patch:
                patch.setattr(enrol, "OPENSSL", "no-such-openssl")
                status, sentence = failure(capsys, *words)
            assert (status, sentence[: len(SENTENCE) + 36]) == (1, f"{SENTENCE}openssl makes this host's key, and i")
            assert main(words) == 0

    def test_what_is_no_director_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        token = token_for(capsys, "rs1")
        with stranger(b"SSH-2.0-OpenSSH_9.2\r\n") as url:
            secure = url.replace("http", "https")
            status, sentence = failure(
                capsys, "agent", "enroll", "--director", secure, "--token", token, "--directory", "tls"
            )
        assert status == 1
        assert "no TLS is spoken there" in sentence

    def test_operators_trust_the_authority_by_its_file(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with director(tls=Tls(TlsConfig(directory="pki"))) as there:
            status, sentence = failure(capsys, "status", "--director", there.url)
            assert status == 1
            assert sentence.endswith("; --ca or FEEDBACK_CA name the file of its authority")
            assert main(["status", "--director", there.url, "--ca", "pki/ca.pem"]) == 0
            monkeypatch.setenv("FEEDBACK_CA", "pki/ca.pem")
            assert main(["reload", "--director", there.url]) == 0
        assert failure(capsys_of(capsys), "status", "--director", "https://lvs1", "--ca", "/no/ca") == (
            2,
            "--ca /no/ca can't be used: No such file or directory",
        )


def capsys_of(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """Forget what was said until now."""
    capsys.readouterr()
    return capsys


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "feedback agent enroll needs --director URL and --token TOKEN"),
        (("--director", "https://lvs1:8600", "--token", "x"), "--token: that is no token: it must be as"),
        (
            ("--director", "http://lvs1:8600", "--token", f"fb1.{'A' * 64}"),
            '--director "http://lvs1:8600" must be a URL like https://lvs1.example:8600',
        ),
        (("--director", "https://[::1", "--token", f"fb1.{'A' * 64}"), '--director "https://[::1" must be a URL'),
    ],
)
def test_wrong_usage_of_enroll_is_a_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    status, said = failure(capsys, "agent", "enroll", *words)
    assert (status, said[: len(sentence)]) == (2, sentence)


def test_an_agent_without_a_configuration_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, "agent") == (2, "feedback agent needs --config FILE, the agent's configuration")


def test_the_register_keeps_no_token_in_the_clear(store: Store) -> None:
    token = store.invite(["rs1"], 60.0)
    assert token.secret.hex() not in store.register_file.read_text()
    assert store.register().invitations[0].expires_at == pytest.approx(time.time() + 60, abs=5)
