r"""Checks that are scripts: a protocol in one declarative file of `scripts/`, made a check like any other.

    doc: |
      Pass when the server greets, and lets the user in if there is one.
    options:
      user: {needs: password, doc: user to log in as}
      password: {type: password, needs: user, doc: the user's password}
    steps:
      - {stage: greeting, expect_regex: '^\+OK.*\n', fail_regex: '^-ERR.*\n'}
      - stage: LOGIN
        when: user
        send: "LOGIN {user:word} {password:word}\r\n"
        expect_regex: '^\+OK.*\n'
        fail_regex: {auth: '^-ERR.*\n'}
    quit: "QUIT\r\n"

A step is a turn: it sends, waits as a step of the `chat` check does, and may go on in TLS. `when` makes it depend on an
option, or on the lack of one: `not user`. Placeholders name an option and the form that the protocol has for its value.
`like: imap` takes everything but the doc from another script, and `tls: true` speaks TLS from the start; so does an
option called `tls`. `brief` is that of `Net.connect_tcp`.
"""

import functools
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from feedback.checks.chat import Dialogue, Refusal, Step
from feedback.checks.credentials import Password
from feedback.checks.placeholders import FORMATS, TURN, fill, placeholders
from feedback.config import read_yaml
from feedback.reader import complete, read_class
from feedback.secret import Secret

DIRECTORY = Path(__file__).parent / "scripts"
LIMIT_BYTES = 16 * 1024
GO_ON = r"^\+.*\n"
"""How an IMAP server asks for a literal (RFC 3501, 7.5)."""

TYPES: Mapping[str, tuple[Any, Any]] = {
    "text": (str | None, None),
    "password": (Password | None, None),
    "flag": (bool, False),
}
"""What an option may be, with its default."""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """An option of a script: a text, a password, or a flag that is false without it."""

    doc: str
    type: Literal["text", "password", "flag"] = "text"
    needs: str | None = None  # another option


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a script."""

    stage: str
    when: str | None = None
    send: str | None = None
    expect_regex: str | None = None
    fail_regex: str | dict[Refusal, str] | None = None
    detail: str | None = None
    starttls: bool = False

    def __post_init__(self) -> None:
        if self.expect_regex is not None:
            self.answer()
        elif self.fail_regex is not None or self.detail is not None:
            raise ValueError("fail_regex and detail go with expect_regex")

    def applies(self, given: Mapping[str, str]) -> bool:
        """Return whether the options ask for it."""
        if self.when is None:
            return True
        return (self.option in given) is not self.when.startswith("not ")

    @property
    def option(self) -> str | None:
        """The option that it depends on."""
        return None if self.when is None else self.when.removeprefix("not ")

    def steps(self, given: Mapping[str, str]) -> Iterator[Step]:
        """Yield the steps of a dialogue. Raises ValueError, begun by an option's name, for what can't be sent."""
        *parts, last = fill(self.send or "", given).split(TURN)
        for part in parts:
            yield Step(stage=self.stage, send=part)
            yield Step(stage=self.stage, expect_regex=GO_ON, fail_regex=self.fail_regex)
        if last:
            yield Step(stage=self.stage, send=last)
        if self.expect_regex is not None:
            yield self.answer()
        if self.starttls:
            yield Step(stage=self.stage, starttls=True)

    def answer(self) -> Step:
        """Return the step that waits. Raises ValueError, begun by a field's name, for what is no regular expression."""
        return Step(stage=self.stage, expect_regex=self.expect_regex, fail_regex=self.fail_regex, detail=self.detail)


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A script's file."""

    doc: str
    like: str | None = None
    tls: bool = False
    brief: bool = False
    options: dict[str, Option] = {}
    steps: tuple[Turn, ...] = ()
    quit: str | None = None

    def __post_init__(self) -> None:
        for name in {name for option in self.options.values() if (name := option.needs)}:
            self._know(name, "needs")
        for turn in self.steps:
            if turn.option is not None:
                self._know(turn.option, "when")
            for name, form in placeholders(turn.send or ""):
                self._know(name, "send")
                if form not in FORMATS:
                    raise ValueError(f"steps: {form} is no format; there are {', '.join(FORMATS)}")

    def _know(self, option: str, where: str) -> None:
        if option not in self.options:
            raise ValueError(f"options: has no {option}, which {where} names")


class ScriptCheck(Dialogue):
    """Base of the checks that are scripts."""

    script: ClassVar[Script]

    def __post_init__(self) -> None:
        given = self._given()
        for name in given:
            needed = self.script.options[name].needs
            if needed is not None and needed not in given:
                raise ValueError(f"{name}: goes with {needed}, and there is none")
        steps = [step for turn in self.script.steps if turn.applies(given) for step in turn.steps(given)]
        self.prepare(steps, tls=self.over_tls or "tls" in given, farewell=self.script.quit, limit=LIMIT_BYTES)
        super().__post_init__()

    def _given(self) -> dict[str, str]:
        """Return the options that are given, as text. A script over TLS has no `starttls`."""
        values = {name: getattr(self, name, None) for name in self.script.options}
        return {
            name: value.reveal() if isinstance(value, Secret) else str(value)
            for name, value in values.items()
            if value is not None and value is not False
        }


def names() -> list[str]:
    """Return the names of all scripts."""
    return sorted(path.stem for path in DIRECTORY.glob("*.yaml"))


@functools.cache
def define(name: str) -> type[ScriptCheck]:
    """Make a script's class, which registers itself. Raises ConfigError with every mistake in the file."""
    own = load(name)
    script = own if own.like is None else load(own.like)
    fields = {
        option: (Annotated[kind, one.doc], default)
        for option, one in script.options.items()
        for kind, default in [TYPES[one.type]]
        if not (own.tls and option == "starttls")
    }

    def body(namespace: dict[str, Any]) -> None:
        namespace.update({option: default for option, (_, default) in fields.items()})
        namespace.update(
            __doc__=own.doc,
            __module__=f"{__package__}.scripts.{name}",
            __annotations__={option: kind for option, (kind, _) in fields.items()},
            script=script,
            over_tls=own.tls,
            brief=script.brief,
        )

    return types.new_class(f"{name.capitalize()}Check", (ScriptCheck,), {"name": name}, body)


def load(name: str) -> Script:
    """Read a script's file. Raises ConfigError with every mistake in it."""
    root, problems = read_yaml(DIRECTORY / f"{name}.yaml")
    return complete(problems, lambda: read_class(Script, root, problems))
