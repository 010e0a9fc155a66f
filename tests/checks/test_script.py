"""Scripts become checks: with options of their own, steps that depend on them, and mistakes that are named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feedback.checks import script
from feedback.checks.check import Check
from feedback.checks.script import ScriptCheck
from feedback.config import read_arguments
from feedback.errors import ConfigError
from feedback.model import Outcome
from feedback.options import describe
from feedback.testing import Connection, Receive, Send, StartTls, Step, run_check

Define = Callable[..., type[ScriptCheck]]

GREETER = r"""
doc: |
  Pass when it greets.

  Example:

      - greeter: {}
options:
  user: {needs: password, doc: who asks}
  password: {type: password, needs: user, doc: what only they know}
  starttls: {type: flag, doc: go on in TLS}
steps:
  - {stage: greeting, expect_regex: '^HI (?P<name>\w+)\n', fail_regex: '^NO.*\n', detail: 'it is {name}'}
  - {stage: TLS, when: starttls, send: "TLS\n", expect_regex: '^OK\n', starttls: true}
  - stage: LOGIN
    when: user
    send: "LOGIN {user:imap} {password:imap}\n"
    expect_regex: '^OK\n'
    fail_regex: {auth: '^NO.*\n'}
  - {stage: GUEST, when: not user, send: "GUEST\n", expect_regex: '^OK\n'}
quit: "BYE\n"
"""
HI = Send(b"HI mail\n")
OK = Send(b"OK\n")
BYE = Receive(b"BYE\n")


@pytest.fixture
def define(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Define:
    """Return what makes checks of texts, none of which anybody else gets to see."""
    monkeypatch.setattr(script, "DIRECTORY", tmp_path)
    monkeypatch.setattr(Check, "registered", dict(Check.registered))

    def define(text: str, name: str = "greeter", **others: str) -> type[ScriptCheck]:
        for file, content in {name: text, **others}.items():
            (tmp_path / f"{file}.yaml").write_text(content)
        return script.define.__wrapped__(name)

    return define


def mistakes(define: Define, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        define(text)
    return [problem.partition("greeter.yaml:")[2] for problem in caught.value.problems]


def test_a_script_is_a_check_with_its_name_its_docs_and_typed_options(define: Define) -> None:
    check = define(GREETER)
    assert (check.name, Check.registered["greeter"]) == ("greeter", check)
    assert (check.__name__, check.__module__) == ("GreeterCheck", "feedback.checks.scripts.greeter")
    assert (check.__doc__ or "").startswith("Pass when it greets.\n\nExample:\n")
    inherited = {option.name for option in describe(script.ScriptCheck)}
    own = [(one.name, one.type, one.default, one.doc) for one in describe(check) if one.name not in inherited]
    assert own == [
        ("user", "text", "none", "who asks"),
        ("password", "password", "none", "what only they know"),
        ("starttls", "true | false", "false", "go on in TLS"),
    ]


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_steps_depend_on_options(define: Define, chunk_bytes: int | None) -> None:
    check = define(GREETER)
    connection = Connection(HI, Receive(b"GUEST\n"), OK, BYE)
    result = run_check(check(), connection, chunk_bytes=chunk_bytes)
    assert (result.outcome, result.detail) == (Outcome.PASS, "it is mail")
    connection = Connection(HI, Receive(b"TLS\n"), OK, StartTls(), Receive(b'LOGIN "me" "a b"\n'), OK, BYE)
    secured = read_arguments(check, ["starttls=true", "user=me", "password=a b"])
    assert run_check(secured, connection, chunk_bytes=chunk_bytes).outcome is Outcome.PASS
    assert connection.sent.endswith(b"BYE\n")


def test_a_literal_waits_until_the_server_asks_for_it(define: Define) -> None:
    check = read_arguments(define(GREETER), ["user=jörg", "password=ä"])
    dialogue: list[Step] = [
        HI,
        Receive(b"LOGIN {5}\r\n"),
        Send(b"+ go on\r\n"),
        Receive("jörg {2}\r\n".encode()),
        Send(b"+\r\n"),
        Receive("ä\n".encode()),
        OK,
    ]
    assert run_check(check, Connection(*dialogue, BYE)).outcome is Outcome.PASS
    refused = run_check(check, Connection(*dialogue[:2], Send(b"NO literals\n"), BYE))
    assert (refused.reason, refused.detail) == ("auth", 'LOGIN: answered "NO literals"')


def test_a_failure_names_the_stage_and_never_what_was_sent(define: Define) -> None:
    check = read_arguments(define(GREETER), ["user=me", "password=hunter2"])
    result = run_check(check, Connection(HI, Receive(b'LOGIN "me" "hunter2"\n'), Send(b"NO way\n"), BYE))
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, "auth", 'LOGIN: answered "NO way"')
    assert "hunter2" not in repr(check)


def test_an_option_is_refused_that_needs_another_or_would_break_a_line(define: Define) -> None:
    check = define(GREETER)
    for arguments, sentence in (
        (["user=me"], "user: goes with password, and there is none"),
        (["password=secret"], "password: goes with user, and there is none"),
        (["user=me", 'password="a\\r\\nb"'], "password: must be one line of text"),
    ):
        with pytest.raises(ConfigError) as caught:
            read_arguments(check, arguments)
        assert str(caught.value) == sentence


def test_a_script_like_another_takes_all_but_its_docs_and_speaks_tls_from_the_start(define: Define) -> None:
    check = define("doc: Pass when it greets in TLS.\nlike: greeter\ntls: true", name="greeters", greeter=GREETER)
    assert (check.name, check.__doc__) == ("greeters", "Pass when it greets in TLS.")
    assert "starttls" not in {option.name for option in describe(check)}
    connection = Connection(StartTls(), HI, Receive(b"GUEST\n"), OK, BYE)
    assert run_check(check(), connection).outcome is Outcome.PASS


def test_an_option_may_say_that_tls_is_spoken_from_the_start(define: Define) -> None:
    check = define("{doc: Pass., options: {tls: {type: flag, doc: in TLS}}, steps: [{stage: a, expect_regex: HI}]}")
    assert run_check(check(), Connection(HI)).outcome is Outcome.PASS
    assert run_check(read_arguments(check, ["tls=true"]), Connection(StartTls(), HI)).outcome is Outcome.PASS


@pytest.mark.parametrize("brief", [False, True])
def test_a_script_says_whether_its_connections_are_brief(define: Define, brief: bool) -> None:
    check = define(f"{{doc: Pass., brief: {str(brief).lower()}, steps: [{{stage: a, expect_regex: HI}}]}}")
    connection = Connection(HI)
    run_check(check(), connection)
    assert connection.brief is brief


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("steps: []", ["1: doc: is missing"]),
        ("doc: x\nstep: []", ["2: step: unknown key; did you mean steps?"]),
        ("doc: x\nsteps:\n  - send: a", ["3: steps[0].stage: is missing"]),
        ("doc: x\noptions:\n  a: {}", ["3: options.a.doc: is missing"]),
        ("doc: x\noptions: {a: {doc: y, needs: b}}", ["2: options: has no b, which needs names"]),
        ("doc: x\nsteps: [{stage: a, when: not b}]", ["1: options: has no b, which when names"]),
        ('doc: x\nsteps: [{stage: a, send: "{b:line}"}]', ["1: options: has no b, which send names"]),
        (
            'doc: x\noptions: {b: {doc: y}}\nsteps: [{stage: a, send: "{b:xml}"}]',
            ["3: steps: xml is no format; there are line, word, imap, imap_mailbox"],
        ),
        (
            "doc: x\nsteps:\n  - {stage: a, expect_regex: a, detail: '{b}'}",
            ["3: steps[0].detail: expect_regex has no group called b"],
        ),
        (
            "doc: x\nsteps:\n  - {stage: a, expect_regex: a, fail_regex: {auth: '('}}",
            ["3: steps[0].fail_regex: must be a regular expression: missing ), unterminated subpattern at position 0"],
        ),
        ("doc: x\nsteps:\n  - {stage: a, detail: b}", ["3: steps[0]: fail_regex and detail go with expect_regex"]),
    ],
)
def test_a_mistake_in_a_script_is_named_with_its_line(define: Define, text: str, problems: list[str]) -> None:
    assert mistakes(define, text) == problems


def test_every_script_of_ours_is_found_by_its_file_s_name() -> None:
    assert script.names() == sorted(path.stem for path in script.DIRECTORY.iterdir())
    for name in script.names():
        check: Any = script.define(name)
        assert check.name == name
        assert check() == check()
        assert check.script.steps[0].when is None, "a check does something without options"
