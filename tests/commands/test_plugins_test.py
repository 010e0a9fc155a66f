"""`feedback plugins test`: programs of several languages, each of which breaks one rule."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from feedback.cli import main
from feedback.commands.program_trial import ENVIRONMENT, children, try_program

pytestmark = pytest.mark.loopback

NAGIOS = Path("/usr/lib/nagios/plugins")


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def script(directory: Path, text: str, interpreter: str = "/bin/sh") -> Path:
    path = directory / "my_plugin"
    path.write_text(f"#!{interpreter}\n{text}\n")
    path.chmod(0o755)
    return path


def broken(path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    """Return the rules that a program breaks, and what is said of them."""
    status = main(["plugins", "test", "--json", "--timeout", "10s", *words, str(path)])
    told = json.loads(capsys.readouterr().out)
    wrong = {rule["rule"]: rule["detail"] for rule in told["rules"] if not rule["ok"]}
    assert status == (1 if wrong else 0)
    assert told["conforms"] is not bool(wrong)
    return wrong


PYTHON, PERL = sys.executable, "/usr/bin/perl"


@pytest.mark.parametrize(
    ("interpreter", "text"),
    [
        ("/bin/sh", "echo 42"),
        ("/bin/sh", "cat; echo \"OK - $(pwd) | 'in box'=12;100;200;0;400\""),
        (PYTHON, "import sys; print('WARNING: läuft | a=3%;2;4'); sys.exit(1)"),
        (PERL, 'print "CRITICAL | a=3s\\n"; exit 2'),
    ],
)
def test_programs_of_any_language_conform(
    interpreter: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert broken(script(tmp_path, text, interpreter), capsys) == {}


@pytest.mark.parametrize(
    ("interpreter", "text", "rule"),
    [
        ("/nowhere", "echo 42", "runs"),
        ("/bin/sh", "yes", "runs"),
        ("/bin/sh", "echo OK; sleep 600 & :", "leaves nothing"),
        ("/bin/sh", "setsid -f sleep 600; echo OK", "leaves nothing"),
        ("/bin/sh", "echo OK; exit 7", "exit status"),
        ("/bin/sh", "echo 42; exit 1", "exit status"),
        (PERL, "$| = 1; print 'OK'; kill 9, $$; sleep 1", "exit status"),
        ("/bin/sh", "echo OK; head -c 9000 /dev/zero | tr '\\0' x", "output"),
        ("/bin/sh", "echo '|a=1'", "first line"),
        (PERL, "print qq(OK\\r\\n)", "first line"),
        (PYTHON, "import sys; print('OK'); print('careful', file=sys.stderr)", "standard error"),
        ("/bin/sh", "echo 'OK | in box=3'", "value"),
        (PYTHON, "print(float('nan'))", "value"),
        ("/bin/sh", "echo 'usage: me'; exit 3", "value"),
        (PERL, "print qq(OK | a$$=1)", "same again"),
    ],
)
def test_each_rule_is_broken_alone_and_named(
    interpreter: str, text: str, rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = broken(script(tmp_path, text, interpreter), capsys)
    if rule == "exit status":
        wrong.pop("value", None)
    assert list(wrong) == [rule]
    assert not [child for child in children() if child.name in {"sleep", "yes"}]


def test_a_program_that_hangs_is_killed_with_its_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script(tmp_path, "sleep 600 & sleep 600")
    assert main(["plugins", "test", "--timeout", "300ms", str(path)]) == 1
    assert "still runs after 300ms" in capsys.readouterr().out
    assert not [child for child in children() if child.name == "sleep"]


def test_who_does_not_wait_leaves_nothing_behind_either(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    path = script(tmp_path, f"setsid sh -c 'echo $$ >{noted}.new; mv {noted}.new {noted}; exec sleep 600' & sleep 600")
    command = [sys.executable, "-m", "feedback", "plugins", "test", "--timeout", "60s", str(path)]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 30
        while not noted.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert not Path(f"/proc/{noted.read_text().strip()}").exists()


def test_what_needs_its_author_s_directory_or_environment_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue").write_text("42\n")
    monkeypatch.chdir(tmp_path)
    assert "environment" in broken(script(tmp_path, "exec cat queue"), capsys)
    monkeypatch.setenv("QUEUE", "queue")
    assert "environment" in broken(script(tmp_path, "set -u; echo $QUEUE"), capsys)


def test_what_is_left_is_told_apart_by_its_process_group(tmp_path: Path) -> None:
    left = try_program([str(script(tmp_path, "sleep 600 & echo OK"))], 10.0, "/", ENVIRONMENT)
    assert (len(left.left), left.escaped) == (1, ())
    waits = "until [ -e pid ]; do :; done"
    path = script(tmp_path, f"cd {tmp_path}; setsid sh -c 'echo >pid; exec sleep 600' & {waits}; echo OK")
    escaped = try_program([str(path)], 10.0, "/", ENVIRONMENT)
    assert (escaped.left, len(escaped.escaped)) == ((), 1)
    hangs = try_program([str(script(tmp_path, "sleep 600 & sleep 600"))], 0.3, "/", ENVIRONMENT)
    assert (hangs.finished, hangs.left, hangs.escaped) == (None, (), ())


def test_a_run_leaves_directory_and_environment_as_they_were(tmp_path: Path) -> None:
    before, here = dict(os.environ), Path.cwd()
    trial = try_program([str(script(tmp_path, "pwd; env"))], 10.0, "/", ENVIRONMENT)
    assert trial.finished is not None
    assert trial.finished.stdout.startswith(b"/\n")
    assert b"HOME=" not in trial.finished.stdout
    assert (dict(os.environ), Path.cwd()) == (before, here)


def test_a_person_reads_a_line_for_each_rule_and_what_comes_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = script(tmp_path, "echo 'OK - 12 wait | wait=12'; echo oh >&2")
    assert main(["plugins", "test", "--limit", "48", str(path), "--json"]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert 'not ok  standard error  "oh" is lost there, as only standard output is shown' in lines
    assert "        as a check      PASS: OK - 12 wait" in lines
    assert "        as a metric     0.25: 12 of 48, which is --limit" in lines
    assert "note    --json          stands behind the program, and is the program's own" in lines
    assert last == f"{path} does not conform: it breaks one rule"
    assert main(["plugins", "test", str(script(tmp_path, "echo OK"))]) == 0
    assert capsys.readouterr().out.endswith(f"{path} conforms\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["./nowhere"], "there is no program ./nowhere"),
        (["nowhere"], 'there is no program "nowhere" in /usr/local/sbin:'),
        (["my_plugin"], "; the one in this directory is ./my_plugin"),
        (["."], 'there is no program "." in /usr'),
        (["equalize"], "; the policy equalize is no program: conform_policy of feedback.testing proves it"),
        (["./package"], "./package is a package and no program: its own test proves it, by pytest ./package"),
        (["./"], "./ is a directory; name the program in it"),
        ([""], 'there is no program "" in /usr'),
        ([], "the following arguments are required: PROGRAM"),
        (["--limit", "0", "./my_plugin"], 'argument --limit: must be a number more than 0, not "0"'),
        (["--limit", "many", "./my_plugin"], 'argument --limit: must be a number more than 0, not "many"'),
        (["--timeout", "2", "./my_plugin"], "argument --timeout: must have a unit, like 2s"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(
    words: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script(tmp_path, "echo OK")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    try:
        status: object = main(["plugins", "test", *words])
    except SystemExit as error:
        status = error.code
    assert status == 2
    assert said in capsys.readouterr().err


def test_a_file_that_may_not_be_run_says_how_it_may(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script(tmp_path, "echo OK")
    path.chmod(0o644)
    said = broken(path, capsys)["runs"]
    assert "Permission denied" in said
    assert said.endswith(": chmod +x makes a program of a file")


@pytest.mark.parametrize(
    "command",
    [
        "check_load -w 100,100,100 -c 200,200,200",
        "check_disk -w 1 -c 1 -p /",
        "check_procs -w 1:100000",
        "check_users -w 1000 -c 2000",
        "check_dummy 0 fine",
        "check_file_age -w 999999999 -c 999999999 -W 0 -C 0 -f /etc/passwd",
    ],
)
def test_plugins_of_nagios_conform(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *words = shlex.split(command)
    status = main(["plugins", "test", "--timeout", "10s", str(NAGIOS / program), *words])
    assert (status, capsys.readouterr().out.splitlines()[-1]) == (0, f"{NAGIOS / program} conforms")
