"""What every client command says when the director can't be reached, or is something else."""

import argparse
import errno
import socket
from pathlib import Path

import pytest

from feedback.cli import main
from feedback.commands import client
from feedback.commands.client import Client, add_client_arguments, admin_path, make_client
from feedback.errors import ConfigError
from feedback.secret import Secret
from tests.commands.threads import director, stranger

TOKEN = "a-token-of-some-length"
WHERE = "--director or FEEDBACK_DIRECTOR say where it is"
HOW = "--token-file or FEEDBACK_TOKEN_FILE"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEEDBACK_DIRECTOR", raising=False)
    monkeypatch.delenv("FEEDBACK_TOKEN_FILE", raising=False)


def failure(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Return a command's exit status, and its one sentence."""
    status = main(words)
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return status, line


def token_file(path: Path, token: str) -> str:
    file = path / "token"
    file.write_text(f"{token}\n")
    file.chmod(0o600)
    return str(file)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_client_arguments(parser)
    return parser.parse_args(words)


def test_the_director_is_on_this_host_unless_something_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_client(arguments()).url == "http://127.0.0.1:8600"
    monkeypatch.setenv("FEEDBACK_DIRECTOR", "http://192.0.2.1:8600")
    assert make_client(arguments()).url == "http://192.0.2.1:8600"
    assert make_client(arguments("--director", "https://lvs1.example/")).url == "https://lvs1.example"
    assert make_client(arguments("--director", "lvs1:8600")).url == "http://lvs1:8600"
    assert make_client(arguments("--director", "http://[2001:db8::1]:8600")).url == "http://[2001:db8::1]:8600"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "ftp://lvs1",
        "http://lvs1:x",
        "http://lvs1:99999",
        "http://lvs1:0",
        "http://lvs1/api",
        "http://[::1",
    ],
)
def test_what_is_no_url_is_wrong_usage(capsys: pytest.CaptureFixture[str], url: str) -> None:
    assert failure(capsys, "status", "--director", url) == (
        2,
        f'--director "{url}" must be a URL like http://127.0.0.1:8600',
    )


def test_names_are_quoted_on_their_way() -> None:
    assert admin_path("a/b", "c?d") == "/api/v1/services/a%2Fb/destinations/c%3Fd/admin"


@pytest.mark.loopback
def test_nobody_listening_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    assert failure(capsys, "status", "--director", url) == (
        1,
        f"feedback status: no director listens at {url}: is it running? {WHERE}",
    )


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("answer", "more"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf of it", ""),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nsorry", " (HTTP status 404)"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", " (HTTP status 302)"),
        (b"", ""),
    ],
)
def test_something_else_that_answers_is_said_to_be_something_else(
    capsys: pytest.CaptureFixture[str], answer: bytes, more: str
) -> None:
    with stranger(answer) as url:
        sentence = f"feedback status: what answers at {url} is not a feedback director{more}"
        assert failure(capsys, "status", "--director", url) == (1, sentence)


@pytest.mark.loopback
def test_an_answer_without_end_is_not_read_to_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 1000)
    with stranger(b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 2000, hold=True) as url:
        assert failure(capsys, "status", "--director", url)[0] == 1


@pytest.mark.loopback
def test_a_director_that_never_answers_is_not_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.05)
    with stranger(b"", hold=True) as url:
        assert failure(capsys, "status", "--director", url) == (
            1,
            f"feedback status: the director at {url} does not answer within 0.05 s",
        )


def test_a_host_that_can_not_be_reached_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_route(*_: object) -> socket.socket:
        raise OSError(errno.EHOSTUNREACH, "No route to host")

    monkeypatch.setattr(socket, "create_connection", no_route)
    assert failure(capsys, "status", "--director", "http://192.0.2.1:8600") == (
        1,
        "feedback status: the director at http://192.0.2.1:8600 can't be reached: No route to host",
    )


@pytest.mark.loopback
def test_tls_with_a_director_that_has_none_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        secure = url.replace("http:", "https:")
        status, sentence = failure(capsys, "status", "--director", secure)
    assert status == 1
    assert sentence.startswith(f"feedback status: no TLS with {secure}: ")


@pytest.mark.loopback
def test_proxies_of_the_environment_are_not_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with director() as there:
        assert main(["status", "--director", there.url]) == 0
    assert "rs1" in capsys.readouterr().out


@pytest.mark.loopback
def test_changes_need_the_token_and_say_how_to_give_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with director(token=Secret(TOKEN)) as there:
        words = ("drain", "web", "rs1", "--director", there.url)
        assert failure(capsys, *words) == (
            1,
            f"feedback drain: the director at {there.url} wants a token: {HOW}",
        )
        wrong = token_file(tmp_path, "another-token-than-this")
        assert failure(capsys, *words, "--token-file", wrong) == (
            1,
            f"feedback drain: the director at {there.url} wants another token than this one: {HOW}",
        )
        assert main([*words, "--token-file", token_file(tmp_path, TOKEN)]) == 0
        assert "rs1 in web: drain" in capsys.readouterr().out


def test_a_token_file_that_can_not_be_read_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, "status", "--token-file", "/no/token") == (
        2,
        "/no/token can't be read: No such file or directory",
    )


def test_the_environment_names_the_token_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDBACK_TOKEN_FILE", "/no/token")
    with pytest.raises(ConfigError, match=r"^/no/token can't be read"):
        make_client(arguments())


def test_a_client_shows_no_token() -> None:
    assert TOKEN not in repr(vars(Client("http://127.0.0.1", Secret(TOKEN))))
