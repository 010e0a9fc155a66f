"""What every check must do, whatever it checks: seen by running it on scripts of a server that works, and breaks."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from feedback.checks.check import Check
from feedback.errors import Reason
from feedback.model import CheckResult, Outcome
from feedback.secret import Secret
from feedback.testing import conformance, plugins
from feedback.testing.conformance import Findings
from feedback.testing.script import (
    Close,
    Connection,
    Drop,
    Endless,
    Exchange,
    ForeignAwaitError,
    Hang,
    LeftOpenError,
    Part,
    Program,
    Receive,
    Refuse,
    Reset,
    ScriptError,
    Send,
    StartTls,
    Step,
    afresh,
    with_steps,
)
from feedback.testing.scripted import ScriptedNet, run_on

MOST_BYTES = 8 * 1024 * 1024
"""More than this a check need not read of one answer."""

RULES: Mapping[str, str] = {
    **plugins.RULES,
    "passes": "passes on the script of a server that works",
    "in pieces": "passes however answers are cut: byte by byte, or several in one piece",
    "stateless": "says the same of the same answers, whatever earlier runs have seen",
    "interrupted": "fails when a server falls silent, hangs up, resets or is not there: silence is a timeout",
    "bug": "raises nothing but CheckFailed, with a reason of the list, and LocalFault for what is wrong with this host",
    "script": "opens and sends what its script says and nothing else",
    "closes": "closes whatever it opens, whatever happens",
    "bounded": f"reads at most {MOST_BYTES // 1024 // 1024} MiB of an answer that never ends",
    "secret": "shows no password, in no detail and not when it is printed",
    "direct": "awaits what `net` gives and nothing else, or sets uses_asyncio",
}


class Variant(msgspec.Struct, frozen=True):
    """A script that differs from that of a server that works, in one thing.

    reasons: those with which a check may fail on it; None: it must pass. `may_pass`: it need not fail.
    """

    words: str
    script: tuple[Part, ...]
    rule: str
    reasons: frozenset[str] | None = None
    may_pass: bool = False
    chunk_bytes: int | None = None


SERVICE = frozenset(reason.value for reason in Reason) - {Reason.LOCAL, Reason.BUG, Reason.DEPENDENCY}
"""What a server can be blamed for."""

TIMEOUT = frozenset({Reason.TIMEOUT.value})


def conform_check(check: type[Check] | Check, /, *script: Part, **options: Any) -> None:
    """Prove a check. Raises ConformanceError with every rule that it breaks.

    `script` is what happens when it passes: its connections, exchanges and programs, in the order of their use. The
    kit breaks it at each step. Without a script only what the check says of itself is looked at. `options` are those
    of the class; a check that has been made has its own.
    """
    kind = check if isinstance(check, type) else type(check)
    findings = Findings(f"check {kind.name or kind.__name__}", RULES)
    plugins.examine(kind, findings)
    made = plugins.make(kind, options if isinstance(check, type) else plugins.options_of(check), findings)
    if made is not None and script:
        _Trial(made, script, findings).run()
    findings.raise_any()


class _Trial:
    """One check against one script and its variants."""

    def __init__(self, check: Check, script: Sequence[Part], findings: Findings) -> None:
        self._check = check
        self._script = script
        self._findings = findings
        self._secrets = list(secrets_of(check))

    def run(self) -> None:
        """Run it against the script, against all its variants, and against the script once more."""
        before = copy.deepcopy(plugins.options_of(self._check))
        if any(secret in repr(self._check) for secret in self._secrets):
            self._findings.add("secret", f"{self._check!r} shows one")
        first = self._run(Variant("a server that works", tuple(self._script), "passes"))
        if first is None or first.outcome is not Outcome.PASS:
            return  # its variants would say the same again and again
        for variant in variants(self._script):
            self._run(variant)
        last = self._run(Variant("a server that works, in the end", tuple(self._script), "stateless"))
        if last is not None and (last.outcome, last.detail) != (first.outcome, first.detail):
            self._findings.add("stateless", f'it said "{first.detail}" first and "{last.detail}" in the end')
        if plugins.options_of(self._check) != before:
            self._findings.add("stateless", "its options are not what they were")

    def _run(self, variant: Variant) -> CheckResult | None:
        script = tuple(map(afresh, variant.script))
        try:
            lenient = variant.reasons is not None  # a check may say goodbye, or try another way
            result = run_on(ScriptedNet(*script, chunk_bytes=variant.chunk_bytes, lenient=lenient), self._check)
        except LeftOpenError as error:
            self._findings.add("closes", f"{variant.words}: {error}")
        except ForeignAwaitError:
            self._findings.add("direct", f"{variant.words}: it awaits something else")
        except ScriptError as error:
            self._findings.add("script", f"{variant.words}: {error}")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a bug in the check, whatever it is
            self._findings.add("bug", f"{variant.words}: it raises {conformance.words_of(error)}")
        else:
            self._judge(variant, result)
            for part in script:
                self._weigh(variant, part)
            return result
        return None

    def _judge(self, variant: Variant, result: CheckResult) -> None:
        if result.reason == Reason.BUG.value:
            self._findings.add("bug", f"{variant.words}: {result.detail}")
        elif not _is_right(variant, result):
            seen = "passes" if result.outcome is Outcome.PASS else f"ends with {result.reason}: {result.detail}"
            self._findings.add(variant.rule, f"{variant.words}: it {seen}")
        if any(secret in result.detail for secret in self._secrets):
            self._findings.add("secret", f"{variant.words}: its detail shows one")

    def _weigh(self, variant: Variant, part: Part) -> None:
        if not isinstance(part, Program) and part.received > MOST_BYTES:
            self._findings.add("bounded", f"{variant.words}: it reads {part.received // 1024 // 1024} MiB and more")


def _is_right(variant: Variant, result: CheckResult) -> bool:
    if result.outcome is Outcome.PASS:
        return variant.reasons is None or variant.may_pass
    return variant.reasons is not None and result.reason in variant.reasons


def secrets_of(check: Check) -> Iterator[str]:
    """Yield the passwords among a check's options."""
    for value in plugins.options_of(check).values():
        if isinstance(value, Secret) and value.reveal():
            yield value.reveal()


def variants(script: Sequence[Part]) -> Iterator[Variant]:
    """Yield everything that may happen to a script."""
    joined = tuple(map(_joined, script))
    yield Variant("byte by byte", tuple(script), "in pieces", chunk_bytes=1)
    yield Variant("several answers in one piece", joined, "in pieces")
    for number, part in enumerate(script):
        others = tuple(script[:number]), tuple(script[number + 1 :])
        for variant in _variants_of(part):
            replaced = (*others[0], *variant.script, *others[1])
            yield msgspec.structs.replace(variant, script=replaced)


def _variants_of(part: Part) -> Iterator[Variant]:
    """Yield what may happen to one part."""
    if isinstance(part, Program):
        yield Variant("a program that hangs", (Program(hangs=True),), "interrupted", TIMEOUT)
        yield Variant("no such program", (Program(fault="no such program"),), "interrupted", frozenset({"local"}))
    elif isinstance(part, Exchange):
        yield from _broken(part, (Hang(), Refuse()))
        yield from _endless(part)
    else:
        yield Variant("nobody listens", (Connection(Refuse()),), "interrupted", SERVICE)
        yield Variant("nobody is there", (Connection(Drop()),), "interrupted", TIMEOUT)
        yield from _broken(part, (Hang(), Close(), Reset()))
        yield from _cut(part)
        yield from _endless(part)


_NAMES: Mapping[type[Step], str] = {
    Hang: "silence",
    Close: "a hang-up",
    Reset: "a reset",
    Refuse: "a refusal",
    Send: "an answer",
    StartTls: "TLS",
}


def _broken(part: Connection | Exchange, ways: Sequence[Step]) -> Iterator[Variant]:
    """Yield scripts in which something else happens than what the peer does of its own accord."""
    for number, step in enumerate(part.script):
        for way in ways if isinstance(step, Send | StartTls) else ():
            words = f"{_NAMES[type(way)]} instead of {_show(step)}"
            reasons = TIMEOUT if isinstance(way, Hang) else SERVICE
            yield Variant(words, (with_steps(part, (*part.script[:number], way)),), "interrupted", reasons)


def _cut(part: Connection) -> Iterator[Variant]:
    """Yield scripts in which the peer breaks off in the middle of an answer. Half of it may be enough."""
    for number, step in enumerate(part.script):
        if isinstance(step, Send) and len(step.data) > 1:
            half = Send(step.data[: len(step.data) // 2])
            for way in (Hang(), Close(), Reset()):
                words = f"{_NAMES[type(way)]} in the middle of {_show(step)}"
                steps = (*part.script[:number], half, way)
                yield Variant(words, (with_steps(part, steps),), "interrupted", SERVICE, may_pass=True)


def _endless(part: Connection | Exchange) -> Iterator[Variant]:
    """Yield scripts in which an answer never ends: the answer itself, its first half, and nonsense."""
    for number, step in enumerate(part.script):
        if isinstance(step, Send) and step.data:
            begin = part.script[:number]
            half = step.data[: (len(step.data) + 1) // 2]
            for data in (step.data, half, b"A", b"\0", b"\r\n"):
                words = f"{_shorten(data)} for ever instead of {_show(step)}"
                yield Variant(words, (with_steps(part, (*begin, Endless(data))),), "bounded", SERVICE, may_pass=True)


def _joined(part: Part) -> Part:
    """Return a connection on which answers that follow each other come in one piece."""
    if not isinstance(part, Connection):
        return part
    steps: list[Step] = []
    for step in part.script:
        if steps and isinstance(step, Send) and isinstance(steps[-1], Send):
            steps[-1] = Send(steps[-1].data + step.data)
        else:
            steps.append(step)
    return with_steps(part, steps)


def _show(step: Step) -> str:
    return _shorten(step.data) if isinstance(step, Send | Receive) else _NAMES[type(step)]


def _shorten(data: bytes) -> str:
    return repr(data) if len(data) <= 24 else f"{data[:24]!r}..."
