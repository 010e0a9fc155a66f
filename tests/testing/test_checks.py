"""What `conform_check` finds: each rule by a check that breaks it and no other."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import pytest

from feedback.checks import Check
from feedback.errors import CheckFailed
from feedback.model import Outcome
from feedback.net import Net, Stream, Target
from feedback.options import Unit
from feedback.secret import Secret
from feedback.testing import (
    ConformanceError,
    Connection,
    Endless,
    Exchange,
    Part,
    Program,
    Receive,
    Send,
    StartTls,
    Violation,
    conform_check,
    run_check,
)
from feedback.testing.checks import MOST_BYTES, RULES

SCRIPT = Receive(b"hello\n"), Send(b"ready\n")


async def talk(stream: Stream) -> str:
    await stream.write(b"hello\n")
    line = await stream.read_until(b"\n", limit=100)
    if line != b"ready\n":
        raise CheckFailed("content", "not ready")
    return "ready"


class Greeting(Check, name="greeting"):
    """Pass when the server says that it is ready."""

    async def probe(self, target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            return await talk(stream)


class BadlyNamed(Greeting, name="not a name"):
    """Pass when the server says that it is ready."""


class Undescribed(Greeting, name="undescribed"):
    pass


class Untyped(Greeting, name="untyped"):
    """Pass when the server says that it is ready."""

    names: Annotated[set[str] | None, "what can't be read"] = None


class BadDefault(Greeting, name="bad_default"):
    """Pass when the server says that it is ready."""

    times: Annotated[int, "how often"] = "twice"  # type: ignore[assignment]


class Unvalidated(Greeting, name="unvalidated"):
    """Pass when the server says that it is ready."""

    word: Annotated[str, "what to say"] = "hello"

    def __post_init__(self) -> None:
        assert self.word


class Unmade(Greeting, name="unmade"):
    """Pass when the server says that it is ready."""

    def __post_init__(self) -> None:
        raise RuntimeError("not today")


class Unequal(Greeting, name="unequal"):
    """Pass when the server says that it is ready."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other


class NeverPassing(Greeting, name="never_passing"):
    """Pass never."""

    async def probe(self, target: Target, net: Net) -> str:
        await super().probe(target, net)
        raise CheckFailed("content", "not good enough")


class OnePacket(Greeting, name="one_packet"):
    """Pass when the server says that it is ready, in one packet."""

    async def probe(self, target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            await stream.write(b"hello\n")
            if await stream.read_some(100) != b"ready\n":
                raise CheckFailed("content", "not ready")
            return "ready"


class Counting(Greeting, name="counting"):
    """Pass when the server says that it is ready, and count."""

    def __post_init__(self) -> None:
        self.runs: list[int] = []

    async def probe(self, target: Target, net: Net) -> str:
        self.runs.append(1)
        return f"{await super().probe(target, net)}, run {len(self.runs)}"


class Forgiving(Greeting, name="forgiving"):
    """Pass when the server says that it is ready, or hangs up."""

    async def probe(self, target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            try:
                return await talk(stream)
            except CheckFailed as error:
                if error.reason == "closed":
                    return "ready"
                raise


class Buggy(Greeting, name="buggy"):
    """Pass when the server says that it is ready, in ASCII."""

    async def probe(self, target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            await stream.write(b"hello\n")
            line = await stream.read_until(b"\n", limit=100)
            return ["ready"][line != b"ready\n"]


class NoText(Greeting, name="no_text"):
    """Pass when the server says that it is ready, and say nothing."""

    async def probe(self, target: Target, net: Net) -> str:
        await super().probe(target, net)
        return None  # type: ignore[return-value]


class Chatty(Greeting, name="chatty"):
    """Pass when the server says that it is ready."""

    async def probe(self, target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            await stream.write(b"please\n")
            return await talk(stream)


class Leaving(Greeting, name="leaving"):
    """Pass when the server says that it is ready, and leave the connection open."""

    async def probe(self, target: Target, net: Net) -> str:
        return await talk(await net.connect_tcp(target).__aenter__())


class Greedy(Greeting, name="greedy"):
    """Pass when the server says that it is ready, however much else it says."""

    async def probe(self, target: Target, net: Net) -> str:
        async with net.connect_tcp(target) as stream:
            await stream.write(b"hello\n")
            end = b""
            while b"ready\n" not in end:
                data = await stream.read_some(65536)
                if not data:
                    raise CheckFailed("closed", "not ready")
                end = end[-10:] + data
            return "ready"


Password = Annotated[Secret, Unit("password", lambda value: Secret(str(value)))]


class Telling(Greeting, name="telling"):
    """Pass when the server says that it is ready, and tell the password."""

    password: Annotated[Password, "of the user"] = Secret("")

    async def probe(self, target: Target, net: Net) -> str:
        return f"{await super().probe(target, net)} for {self.password.reveal()}"


class Shown(Greeting, name="shown"):
    """Pass when the server says that it is ready, and show the password."""

    password: Annotated[Password, "of the user"] = Secret("")

    def __repr__(self) -> str:
        return self.password.reveal()


class Asyncio(Greeting, name="asyncio"):
    """Pass when the server says that it is ready, a moment later."""

    async def probe(self, target: Target, net: Net) -> str:
        async with net.connect_tcp(target):
            await asyncio.sleep(0)
        return "ready"


BROKEN: Mapping[str, tuple[type[Check], dict[str, Any]]] = {
    "named": (BadlyNamed, {}),
    "described": (Undescribed, {}),
    "typed": (Untyped, {}),
    "default": (BadDefault, {"times": 2}),
    "validated": (Unvalidated, {}),
    "made": (Unmade, {}),
    "equal": (Unequal, {}),
    "passes": (NeverPassing, {}),
    "in pieces": (OnePacket, {}),
    "stateless": (Counting, {}),
    "interrupted": (Forgiving, {}),
    "bug": (Buggy, {}),
    "script": (Chatty, {}),
    "closes": (Leaving, {}),
    "bounded": (Greedy, {}),
    "secret": (Telling, {"password": Secret("s3cret")}),
    "direct": (Asyncio, {}),
}


def broken_rules(conform: Callable[[], None]) -> set[str]:
    with pytest.raises(ConformanceError) as raised:
        conform()
    return {violation.rule for violation in raised.value.violations}


def test_a_check_that_keeps_to_the_contract_conforms() -> None:
    conform_check(Greeting, Connection(*SCRIPT))
    conform_check(Greeting(port=7), Connection(*SCRIPT))
    conform_check(Greeting)


def test_every_rule_has_a_check_that_breaks_it() -> None:
    assert BROKEN.keys() == RULES.keys()


@pytest.mark.parametrize("rule", BROKEN)
def test_a_check_that_breaks_one_rule_is_found_out_by_that_rule(rule: str) -> None:
    check, options = BROKEN[rule]
    assert broken_rules(lambda: conform_check(check, Connection(*SCRIPT), **options)) == {rule}


@pytest.mark.parametrize(
    ("check", "options", "rule"), [(Shown, {"password": Secret("s3cret")}, "secret"), (NoText, {}, "bug")]
)
def test_a_rule_may_be_broken_in_another_way(check: type[Check], options: dict[str, Any], rule: str) -> None:
    assert rule in broken_rules(lambda: conform_check(check, Connection(*SCRIPT), **options))


def test_everything_is_told_at_once_by_name_with_what_would_be_right() -> None:
    class Wrong(Greeting, name="wrong"):
        names: set[str] = frozenset()  # type: ignore[assignment]

    with pytest.raises(ConformanceError) as raised:
        conform_check(Wrong, Connection(*SCRIPT))
    assert str(raised.value) == (
        "check wrong breaks 2 rules of its contract:\n"
        f"  described: a plugin {RULES['described']}\n"
        "    - it has no docstring\n"
        "    - its option names has no text\n"
        f"  typed: a plugin {RULES['typed']}\n"
        "    - its option names is of set[str]"
    )
    assert raised.value.plugin == "check wrong"


def test_what_shows_in_many_ways_is_told_in_a_few() -> None:
    violations = tuple(Violation("closes", f"at step {number}", RULES["closes"]) for number in range(9))
    assert str(ConformanceError("check leaving", violations)) == (
        "check leaving breaks a rule of its contract:\n"
        "  closes: a plugin closes whatever it opens, whatever happens\n"
        "    - at step 0\n    - at step 1\n    - at step 2\n    - at step 3\n    - at step 4\n"
        "    ... and in 4 more ways"
    )


class Asking(Check, name="asking"):
    """Pass when datagrams, TLS and a program are all well."""

    async def probe(self, target: Target, net: Net) -> str:
        async with net.connect_udp(target) as datagrams:
            await datagrams.send(b"ping")
            if await datagrams.receive() != b"pong":
                raise CheckFailed("content", "no pong")
        completed = await net.run(["true"], {}, 100)
        if completed.status != 0:
            raise CheckFailed("exit", "it is not true")
        async with net.connect_tcp(target) as stream:
            await stream.start_tls(None, None)  # type: ignore[arg-type]
            return await talk(stream)


ALL: tuple[Part, ...] = (
    Exchange(Receive(b"ping"), Send(b"pong")),
    Program(),
    Connection(StartTls(), *SCRIPT),
)


def test_datagrams_programs_and_tls_are_broken_too() -> None:
    conform_check(Asking, *ALL)


class Deserted(Asking, name="deserted"):
    """Pass when datagrams, TLS and a program are all well, or when the program is not there."""

    async def probe(self, target: Target, net: Net) -> str:
        try:
            return await super().probe(target, net)
        except Exception:  # noqa: BLE001 - that is the mistake
            return "well enough"


def test_a_check_that_swallows_failures_is_found_out_in_every_part() -> None:
    with pytest.raises(ConformanceError) as raised:
        conform_check(Deserted, *ALL)
    seen = " ".join(violation.seen for violation in raised.value.violations)
    for words in ("a refusal instead of b'pong'", "no such program", "a hang-up instead of TLS", "nobody listens"):
        assert f"{words}: it passes" in seen


def test_answers_that_follow_each_other_may_come_in_one_piece() -> None:
    class Slicing(Greeting, name="slicing"):
        """Pass when the server says that it is ready, in two packets."""

        async def probe(self, target: Target, net: Net) -> str:
            async with net.connect_tcp(target) as stream:
                await stream.write(b"hello\n")
                got = [await stream.read_some(100) for _ in range(2)]
                if got != [b"rea", b"dy\n"]:
                    raise CheckFailed("content", "not ready")
                return "ready"

    script = Connection(SCRIPT[0], Send(b"rea"), Send(b"dy\n"))
    assert broken_rules(lambda: conform_check(Slicing, script)) == {"in pieces"}
    conform_check(Greeting, script)


def test_a_form_of_an_option_that_has_a_bug_is_found_out() -> None:
    class Formed(Greeting, name="formed"):
        """Pass when the server says that it is ready."""

        word: Annotated[str | None, Unit("word", lambda value: value.strip()), "a word"] = None

    class Unshown(Greeting, name="unshown"):
        """Pass when the server says that it is ready."""

        word: Annotated[str, Unit("word", str, lambda value: value.shown), "a word"] = ""

    assert broken_rules(lambda: conform_check(Formed)) == {"validated"}
    assert broken_rules(lambda: conform_check(Unshown)) == {"described"}


@pytest.mark.parametrize("chunk_bytes", [None, 1000])
def test_an_endless_answer_goes_on_past_what_a_check_may_read_and_then_hangs(chunk_bytes: int | None) -> None:
    connection = Connection(SCRIPT[0], Endless(b"abc"))
    result = run_check(Greedy(), connection, chunk_bytes=chunk_bytes)
    assert (result.outcome, result.reason) == (Outcome.FAIL, "timeout")
    assert MOST_BYTES < Endless.STREAM_BYTES <= connection.received < Endless.STREAM_BYTES + 16384


def test_an_endless_answer_is_the_same_however_it_is_read() -> None:
    class Reading(Check):
        async def probe(self, target: Target, net: Net) -> str:
            async with net.connect_tcp(target) as stream:
                return b"".join([await stream.read_some(count) for count in (1, 4, 2)]).decode()

    assert run_check(Reading(), Connection(Endless(b"abc"))).detail == "abcabca"
