"""One director's link in virtual time, against a connection made of scripts."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from feedback.agent.connection import Connection
from feedback.agent.secure import TlsError
from feedback.agent.transport import Link
from feedback.agent.websocket import LostError, RefusedError
from feedback.errors import WireError
from feedback.report import (
    Accepted,
    AgentFrame,
    Goodbye,
    Hello,
    Renewed,
    Report,
    SetWish,
    Wish,
    decode_agent_frame,
    encode,
)
from feedback.testing import run_virtual

HELLO = Hello("rs1")


class FakeConnection:
    """A director as values: it records frames and answers as it is told to."""

    def __init__(self, *, accepts: bool = True, answers_pings: bool = True, reads: bool = True) -> None:
        self.frames: list[AgentFrame] = []
        self.pings: list[float] = []
        self.aborted = False
        self.signs = 0
        self._accepts = accepts
        self._answers_pings = answers_pings
        self._can_write = asyncio.Event()
        self._broken = False
        self._inbox: asyncio.Queue[tuple[bytes, ...] | WireError] = asyncio.Queue()
        if reads:
            self._can_write.set()

    async def send(self, payload: bytes) -> None:
        await self._can_write.wait()
        if self._broken:
            raise LostError("the connection is closing")
        frame = decode_agent_frame(payload)
        self.frames.append(frame)
        if isinstance(frame, SetWish) and self._accepts:
            self.say(encode(Accepted(frame.wish)))

    def send_now(self, payload: bytes) -> bool:
        if self._broken:
            raise LostError("the connection is closing")
        if self._can_write.is_set():
            self.frames.append(decode_agent_frame(payload))
        return self._can_write.is_set()

    async def receive(self) -> tuple[bytes, ...]:
        heard = await self._inbox.get()
        if isinstance(heard, WireError):
            raise heard
        return heard

    def ping(self) -> None:
        self.pings.append(asyncio.get_running_loop().time())
        self.signs += self._answers_pings

    async def close(self) -> None:
        self.end(LostError("the director closed the connection with code 1000: no reason given"))

    def abort(self, why: str = "") -> None:
        self.aborted = True
        self.end(LostError(why))

    def say(self, *messages: bytes) -> None:
        self._inbox.put_nowait(messages)

    def end(self, error: WireError) -> None:
        self._inbox.put_nowait(error)

    def stop_reading(self) -> None:
        self._can_write.clear()

    def break_down(self) -> None:
        self._broken = True

    def read_on(self) -> None:
        self._can_write.set()


class Directory:
    """Where the link connects: hands out connections or errors, in order, and notes when it was asked."""

    def __init__(self, *answers: FakeConnection | WireError) -> None:
        self._answers = list(answers)
        self.asked_at: list[float] = []

    async def connect(self) -> Connection:
        self.asked_at.append(asyncio.get_running_loop().time())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, WireError):
            raise answer
        return answer


def watch(
    story: Callable[[Link], Coroutine[Any, Any, None]],
    connect: Callable[[], Awaitable[Connection]],
    draw: float = 1.0,
    renew: Callable[[str, str], bool] = lambda _certificate, _authorities: False,
) -> None:
    """Run a story beside a link."""

    async def main() -> None:
        link = Link("ws://lvs1", HELLO, connect, lambda: draw, renew)
        running = asyncio.create_task(link.run())
        try:
            await story(link)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run_virtual(main())


def report(sequence: int) -> Report:
    return Report(metrics={"cpu": 0.5}, sequence=sequence)


def test_the_first_frame_is_a_hello_and_the_newest_report_follows() -> None:
    async def story(link: Link) -> None:
        link.offer(encode(report(1)))
        link.offer(encode(report(2)))
        await asyncio.sleep(1)
        link.offer(encode(report(3)))
        await asyncio.sleep(1)

    connection = FakeConnection()
    watch(story, Directory(connection).connect)
    assert connection.frames == [HELLO, report(2), report(3)]


def test_a_director_that_reads_late_hears_of_now_and_not_of_then() -> None:
    connection = FakeConnection(reads=False)

    async def story(link: Link) -> None:
        for sequence in range(1000):
            link.offer(encode(report(sequence)))
            await asyncio.sleep(0.001)
        connection.read_on()
        await asyncio.sleep(1)

    watch(story, Directory(connection).connect)
    assert connection.frames == [HELLO, report(999)]


def test_waits_grow_with_each_failure_and_begin_anew_after_a_connection_that_lived() -> None:
    connection = FakeConnection()
    lost = LostError("can't connect: Connection refused")
    directory = Directory(lost, lost, lost, connection, lost)

    async def story(_: Link) -> None:
        await asyncio.sleep(61.4)
        connection.end(LostError("gone"))
        await asyncio.sleep(1)

    watch(story, directory.connect)
    assert directory.asked_at == pytest.approx([0, 0.2, 0.6, 1.4, 61.6, 62.0])


def test_a_connection_that_ends_at_once_again_and_again_is_tried_ever_more_rarely() -> None:
    async def story(_: Link) -> None:
        await asyncio.sleep(600)

    asked: list[float] = []

    async def connect() -> Connection:
        asked.append(asyncio.get_running_loop().time())
        connection = FakeConnection()
        connection.end(LostError("gone"))
        return connection

    watch(story, connect)
    assert asked[:4] == pytest.approx([0, 0.2, 0.6, 1.4])
    assert asked[-1] - asked[-2] == pytest.approx(30)


@pytest.mark.parametrize("after_hello", [False, True])
def test_a_refusal_is_asked_again_late(*, after_hello: bool) -> None:
    refusal = RefusedError("the director refused with HTTP status 401: the token is wrong")
    connection = FakeConnection()
    connection.end(refusal)
    directory = Directory(connection if after_hello else refusal, refusal)

    async def story(_: Link) -> None:
        await asyncio.sleep(61)

    watch(story, directory.connect)
    assert directory.asked_at == pytest.approx([0, 30, 60])


def test_a_reason_is_logged_once_and_not_at_every_attempt(caplog: pytest.LogCaptureFixture) -> None:
    async def story(_: Link) -> None:
        await asyncio.sleep(600)

    directory = Directory(LostError("can't connect: Connection refused"))
    watch(story, directory.connect)
    assert len(directory.asked_at) > 10
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        'not connected director=ws://lvs1 retry_seconds=0.2 reason="can\'t connect: Connection refused"'
    ]


def test_a_silent_director_is_asked_for_a_sign_of_life_and_given_up_without_one() -> None:
    silent, second = FakeConnection(answers_pings=False), FakeConnection()
    directory = Directory(silent, second)

    async def story(_: Link) -> None:
        await asyncio.sleep(11)

    watch(story, directory.connect)
    assert silent.pings == [5]
    assert silent.aborted
    assert directory.asked_at == pytest.approx([0, 10.2])


def test_a_director_that_answers_pings_is_kept() -> None:
    connection = FakeConnection()
    directory = Directory(connection)

    async def story(_: Link) -> None:
        await asyncio.sleep(3600)

    watch(story, directory.connect)
    assert directory.asked_at == [0]
    assert len(connection.pings) == pytest.approx(720, abs=2)


def test_a_ping_that_is_due_soon_goes_with_a_report() -> None:
    connection = FakeConnection()

    async def story(link: Link) -> None:
        for number in range(12):
            await asyncio.sleep(0.8)
            link.offer(encode(report(number)))

    watch(story, Directory(connection).connect)
    assert connection.pings == pytest.approx([4.8, 9.6])


def test_a_director_that_never_reads_does_not_hold_up_the_search_for_another_connection() -> None:
    deaf, second = FakeConnection(reads=False, answers_pings=False), FakeConnection()

    async def story(_: Link) -> None:
        await asyncio.sleep(11)

    watch(story, Directory(deaf, second).connect)
    assert deaf.aborted
    assert second.frames == [HELLO]


def test_garbage_from_a_director_ends_that_connection_and_another_is_made() -> None:
    broken, second = FakeConnection(), FakeConnection()
    broken.say(b"\xff garbage")

    async def story(_: Link) -> None:
        await asyncio.sleep(1)

    watch(story, Directory(broken, second).connect)
    assert broken.aborted
    assert second.frames == [HELLO]


def test_a_wish_is_told_and_its_acceptance_waited_for() -> None:
    connection = FakeConnection()
    answers: list[str] = []

    async def story(link: Link) -> None:
        await asyncio.sleep(1)
        answers.append(await link.tell(Wish.DRAIN))
        answers.append(await link.tell(Wish.READY))

    watch(story, Directory(connection).connect)
    assert answers == ["", ""]
    assert connection.frames == [HELLO, SetWish(Wish.DRAIN), SetWish(Wish.READY)]


def test_a_wish_told_while_the_hello_is_on_its_way_is_not_lost() -> None:
    connection = FakeConnection(reads=False)
    answers: list[str] = []

    async def story(link: Link) -> None:
        await asyncio.sleep(1)
        telling = asyncio.create_task(link.tell(Wish.DRAIN))
        await asyncio.sleep(1)
        connection.read_on()
        answers.append(await telling)

    watch(story, Directory(connection).connect)
    assert answers == [""]
    assert connection.frames == [HELLO, SetWish(Wish.DRAIN)]


def test_a_wish_while_nobody_listens_is_told_by_the_next_hello() -> None:
    connection = FakeConnection()
    answers: list[str] = []

    async def story(link: Link) -> None:
        await asyncio.sleep(0.1)
        answers.append(await link.tell(Wish.DRAIN))
        await asyncio.sleep(1)

    watch(story, Directory(LostError("can't connect"), connection).connect)
    assert answers == ["not connected"]
    assert connection.frames == [Hello("rs1", wish=Wish.DRAIN)]


def test_a_director_that_does_not_answer_a_wish_is_waited_for_three_seconds() -> None:
    async def story(link: Link) -> None:
        await asyncio.sleep(1)
        answers.append(await link.tell(Wish.DRAIN))
        times.append(asyncio.get_running_loop().time())

    answers: list[str] = []
    times: list[float] = []
    watch(story, Directory(FakeConnection(accepts=False)).connect)
    assert answers == ["no answer within 3 s"]
    assert times == [4]


def test_acceptance_of_another_wish_is_no_answer() -> None:
    connection = FakeConnection(accepts=False)
    answers: list[str] = []

    async def story(link: Link) -> None:
        await asyncio.sleep(1)
        connection.say(encode(Accepted(Wish.READY)))  # before anything was asked
        await asyncio.sleep(0.1)
        telling = asyncio.create_task(link.tell(Wish.DRAIN))
        await asyncio.sleep(0.1)
        connection.say(encode(Accepted(Wish.READY)))
        answers.append(await telling)

    watch(story, Directory(connection).connect)
    assert answers == ["no answer within 3 s"]


def test_a_connection_lost_before_the_acceptance_is_told_at_once() -> None:
    connection = FakeConnection(accepts=False)
    answers: list[str] = []

    async def story(link: Link) -> None:
        await asyncio.sleep(1)
        telling = asyncio.create_task(link.tell(Wish.DRAIN))
        await asyncio.sleep(0.1)
        connection.end(LostError("gone"))
        answers.append(await telling)
        assert asyncio.get_running_loop().time() == pytest.approx(1.1)

    watch(story, Directory(connection, LostError("gone")).connect)
    assert answers == ["the connection was lost"]


def test_leaving_says_goodbye_and_ends_when_the_director_has_closed() -> None:
    connection = FakeConnection()

    async def main() -> float:
        link = Link("ws://lvs1", HELLO, Directory(connection).connect, lambda: 1.0)
        running = asyncio.create_task(link.run())
        await asyncio.sleep(1)
        link.leave("told to end")
        await running
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 1
    assert connection.frames == [HELLO, Goodbye("told to end")]
    assert connection.aborted


def test_leaving_does_not_wait_for_a_director_that_is_away() -> None:
    async def main() -> float:
        directory = Directory(RefusedError("no"))
        link = Link("ws://lvs1", HELLO, directory.connect, lambda: 1.0)
        running = asyncio.create_task(link.run())
        await asyncio.sleep(1)
        link.leave("told to end")
        await running
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 1


def test_a_report_that_has_to_wait_is_not_overtaken() -> None:
    async def story(link: Link) -> None:
        await asyncio.sleep(1)
        connection.stop_reading()
        link.offer(encode(report(1)))
        connection.read_on()
        link.offer(encode(report(2)))
        await asyncio.sleep(1)
        link.offer(encode(report(3)))
        assert connection.frames == [HELLO, report(2), report(3)]

    connection = FakeConnection()
    watch(story, Directory(connection).connect)


def test_a_connection_that_breaks_under_a_report_is_made_anew_and_begins_with_the_newest_report() -> None:
    async def story(link: Link) -> None:
        await asyncio.sleep(1)
        first.break_down()
        link.offer(encode(report(1)))
        await asyncio.sleep(60)
        link.offer(encode(report(2)))
        assert second.frames == [HELLO, report(1), report(2)]

    first, second = FakeConnection(), FakeConnection()
    watch(story, Directory(first, second).connect)


# --- certificates


def test_with_a_new_certificate_the_agent_connects_again_at_once() -> None:
    first, second = FakeConnection(), FakeConnection()
    taken: list[tuple[str, str]] = []

    def renew(certificate: str, authorities: str) -> bool:
        taken.append((certificate, authorities))
        return True

    async def story(_: Link) -> None:
        await asyncio.sleep(10)
        first.say(encode(Renewed("a certificate", "two authorities")))
        await asyncio.sleep(1)

    directory = Directory(first, second)
    watch(story, directory.connect, renew=renew)
    assert taken == [("a certificate", "two authorities")]
    assert first.aborted
    assert second.frames == [HELLO]
    assert directory.asked_at == [0.0, 10.2]


@pytest.mark.parametrize("broken", [True, False])
def test_a_certificate_that_is_not_put_in_place_changes_nothing(broken: bool, caplog: pytest.LogCaptureFixture) -> None:
    connection = FakeConnection()

    def renew(_certificate: str, _authorities: str) -> bool:
        if broken:
            raise TlsError("agent.pem can't be written: Read-only file system")
        return False

    async def story(_: Link) -> None:
        connection.say(encode(Renewed("a certificate")))
        await asyncio.sleep(1)

    directory = Directory(connection)
    watch(story, directory.connect, renew=renew)
    assert directory.asked_at == [0.0]
    told = [record.getMessage() for record in caplog.records if "certificate" in record.getMessage()]
    assert (
        told
        == ['certificate not renewed director=ws://lvs1 reason="agent.pem can\'t be written: Read-only file system"']
        * broken
    )
