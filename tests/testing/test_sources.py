"""What `conform_source` finds: each rule by a source that breaks it and no other."""

import asyncio
import math
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from feedback.agent.source import Sample, Source, SourceError
from feedback.testing import ConformanceError, conform_source
from feedback.testing.reaching import imported
from feedback.testing.sources import RULES
from tests.testing.test_checks import broken_rules

if TYPE_CHECKING:
    import aiohttp  # noqa: F401 - nothing that is imported when this is

pytestmark = pytest.mark.loopback  # programs, files and real time


class Idle(Source, name="idle"):
    """A host that does nothing."""

    async def sample(self) -> Sample:
        return Sample(0.0)


class Waiting(Idle, name="waiting"):
    """A host that takes a moment."""

    async def sample(self) -> Sample:
        await asyncio.sleep(0.02)
        return Sample(0.0)


class BadlyNamed(Idle, name="not a name"):
    """A host that does nothing."""


class Undescribed(Idle, name="undescribed_source"):
    pass


class Untyped(Idle, name="untyped_source"):
    """A host that does nothing."""

    names: Annotated[set[str] | None, "what can't be read"] = None


class BadDefault(Idle, name="bad_default_source"):
    """A host that does nothing."""

    times: Annotated[int, "how often"] = "twice"  # type: ignore[assignment]


class Unvalidated(Idle, name="unvalidated_source"):
    """A host that does nothing."""

    word: Annotated[str, "what to say"] = "hello"

    def __post_init__(self) -> None:
        assert self.word


class Unmade(Idle, name="unmade_source"):
    """A host that does nothing."""

    def __post_init__(self) -> None:
        raise RuntimeError("not today")


class Unequal(Idle, name="unequal_source"):
    """A host that does nothing."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other


class Reserving(Idle, name="reserving"):
    """A host that does nothing."""

    interval: Annotated[float, "how often"] = 1.0


class Unlimited(Idle, name="unlimited"):
    """A host that does nothing."""

    limit: Annotated[float, "what is full"] = 1.0


class Infinite(Idle, name="infinite"):
    """A host that does more than can be."""

    async def sample(self) -> Sample:
        return Sample(math.inf)


class Traceback(Idle, name="traceback"):
    """A host that can't be measured, told by an exception of Python's."""

    async def sample(self) -> Sample:
        raise KeyError("load")


class Holding(Idle, name="holding"):
    """A host that takes a moment, and everybody's."""

    async def sample(self) -> Sample:
        time.sleep(0.15)  # noqa: ASYNC251 - that is the mistake
        return Sample(0.0)


class Stubborn(Waiting, name="stubborn"):
    """A host that takes a moment, whatever happens."""

    async def sample(self) -> Sample:
        try:
            return await super().sample()
        except asyncio.CancelledError:
            raise RuntimeError("not now") from None


class Opening(Idle, name="opening"):
    """A host whose files are opened."""

    async def sample(self) -> Sample:
        LEFT.append(os.open("/dev/null", os.O_RDONLY))
        return Sample(0.0)


LEFT: list[int] = []

BROKEN: Mapping[str, type[Source]] = {
    "named": BadlyNamed,
    "described": Undescribed,
    "typed": Untyped,
    "default": BadDefault,
    "validated": Unvalidated,
    "made": Unmade,
    "equal": Unequal,
    "reserved": Reserving,
    "limit": Unlimited,
    "sample": Infinite,
    "words": Traceback,
    "yields": Holding,
    "cancelled": Stubborn,
    "tidy": Opening,
}


@pytest.fixture(autouse=True)
def _nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("feedback.testing.sources.GRACE_SECONDS", 0.2)
    yield
    for descriptor in LEFT:
        os.close(descriptor)
    LEFT.clear()


@pytest.mark.parametrize("source", [Idle, Waiting, Waiting()])
def test_a_source_that_keeps_to_the_contract_conforms(source: Source | type[Source]) -> None:
    conform_source(source)


def test_every_rule_has_a_source_that_breaks_it() -> None:
    assert {*BROKEN, "light"} == RULES.keys()


@pytest.mark.parametrize("rule", BROKEN)
def test_a_source_that_breaks_one_rule_is_found_out_by_that_rule(rule: str) -> None:
    options: dict[str, Any] = {"times": 2} if rule == "default" else {}
    assert broken_rules(lambda: conform_source(BROKEN[rule], **options)) == {rule}


def test_what_is_large_is_imported_where_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "large_source.py").write_text(
        "import asyncio, feedback.director.weights\n"
        "from feedback.checks.codecs import resp\n"
        "from feedback.agent.source import Sample, Source\n"
        "try:\n    import aiohttp.web\nexcept ImportError:\n    pass\n"
        'class Large(Source, name="large"):\n'
        '    """A host that does nothing."""\n'
        "    async def sample(self):\n"
        "        import asyncssh\n"
        "        return Sample(0.0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import large_source  # type: ignore[import-not-found]

    with pytest.raises(ConformanceError) as raised:
        conform_source(large_source.Large)
    seen = {(violation.rule, violation.seen) for violation in raised.value.violations}
    assert seen == {
        ("light", "its module imports aiohttp.web"),
        ("light", "its module imports feedback.director.weights"),
    }


def test_what_a_type_checker_alone_imports_counts_for_nothing() -> None:
    assert "aiohttp" not in set(imported(Path(__file__)))
    assert "asyncio" in set(imported(Path(__file__)))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "the first sample returns None, which is no Sample"),
        ("0.5", "the first sample returns '0.5', which is no Sample"),
        (Sample("0.5"), "the first sample returns a ratio of '0.5'"),  # type: ignore[arg-type]
        (Sample(True), "the first sample returns a ratio of True"),
        (Sample(math.nan), "the first sample returns a ratio of nan"),
        (Sample(-0.1), "the first sample returns a ratio of -0.1"),
    ],
)
def test_what_is_no_sample_is_named(answer: Any, words: str) -> None:
    class Answering(Idle):
        """A host that says something."""

        async def sample(self) -> Sample:
            return answer  # type: ignore[no-any-return]

    with pytest.raises(ConformanceError) as raised:
        conform_source(Answering)
    assert words in {violation.seen for violation in raised.value.violations}


class Failing(Idle, name="failing"):
    """A host that can't be measured."""

    words: Annotated[str, "why"] = "no such queue"

    async def sample(self) -> Sample:
        raise SourceError(self.words)


def test_a_source_that_can_not_measure_conforms_where_it_is_told_so() -> None:
    conform_source(Failing, failing=True)
    assert broken_rules(lambda: conform_source(Idle, failing=True)) == {"words"}
    with pytest.raises(ConformanceError, match=r"- the first sample can't measure: no such queue"):
        conform_source(Failing)


@pytest.mark.parametrize("words", ["", "  ", "two\nlines", "x" * 201])
def test_why_it_can_not_is_one_short_sentence(words: str) -> None:
    assert broken_rules(lambda: conform_source(Failing(words=words), failing=True)) == {"words"}


class Hanging(Idle, name="hanging"):
    """A host that never answers."""

    async def sample(self) -> Sample:
        await asyncio.Event().wait()
        return Sample(0.0)


class Ending(Idle, name="ending"):
    """A host that cancels whoever asks."""

    async def sample(self) -> Sample:
        raise asyncio.CancelledError


class Exiting(Idle, name="exiting"):
    """A host that ends whoever asks."""

    async def sample(self) -> Sample:
        raise SystemExit(1)


def test_one_that_hangs_is_named_with_its_time() -> None:
    with pytest.raises(ConformanceError, match=r"- the first sample has no answer within 0\.1 s"):
        conform_source(Hanging, timeout_seconds=0.1)


@pytest.mark.parametrize(("source", "words"), [(Ending, "CancelledError"), (Exiting, "SystemExit: 1")])
def test_one_that_would_end_others_is_named(source: type[Source], words: str) -> None:
    with pytest.raises(ConformanceError, match=f"- the first sample raises {words}"):
        conform_source(source)


class Starting(Idle, name="starting"):
    """A host whose programs go on."""

    async def sample(self) -> Sample:
        STARTED.append(subprocess.Popen(["sleep", "60"]))  # noqa: ASYNC220 - that is the mistake
        return Sample(0.0)


STARTED: list[subprocess.Popen[bytes]] = []


class Forgetting(Idle, name="forgetting_source"):
    """A host that is looked at in the background."""

    async def sample(self) -> Sample:
        TASKS.append(asyncio.create_task(asyncio.sleep(60), name="forgotten"))
        return Sample(0.0)


TASKS: list[asyncio.Task[None]] = []


def test_programs_and_tasks_that_are_left_are_named() -> None:
    try:
        with pytest.raises(ConformanceError, match=r"- after samples there is the program \d+"):
            conform_source(Starting)
    finally:
        for process in STARTED:
            process.kill()
            process.wait()
    with pytest.raises(ConformanceError, match=r"- after samples there is the task forgotten"):
        conform_source(Forgetting)
    TASKS.clear()


class Changing(Idle, name="changing"):
    """A host that tells of changes, and can't be told to stop."""

    async def change(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("now or never") from None


def test_waiting_for_a_change_is_cancelled_too() -> None:
    with pytest.raises(ConformanceError, match=r"- it raises ValueError: now or never"):
        conform_source(Changing)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("0.5", "- a look returns '0.5', which is no Sample"),
        (KeyError("load"), "- a look raises KeyError: 'load'"),
        (SourceError("no such queue"), "- a look can't measure: no such queue"),
    ],
)
def test_a_look_is_a_sample_or_nothing(answer: Any, words: str) -> None:
    class Looking(Idle):
        """A host that is looked at."""

        def look(self) -> Sample | None:
            if isinstance(answer, Exception):
                raise answer
            return answer  # type: ignore[no-any-return]

    with pytest.raises(ConformanceError, match=words):
        conform_source(Looking)


class Recovering(Waiting, name="recovering"):
    """A host that can't be asked again for a while after it was cancelled."""

    seconds: Annotated[float, "how long"] = 0.1

    def __post_init__(self) -> None:
        self._until = 0.0

    async def sample(self) -> Sample:
        if time.monotonic() < self._until:
            raise SourceError("the last one still waits")
        try:
            return await super().sample()
        except asyncio.CancelledError:
            self._until = time.monotonic() + self.seconds
            raise


def test_a_source_may_need_a_moment_after_it_was_cancelled_and_no_longer() -> None:
    conform_source(Recovering)
    assert broken_rules(lambda: conform_source(Recovering, seconds=60.0)) == {"cancelled"}
