import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.postfix_queue import STRING_LIMIT_BYTES, QueueCounter
from feedback.errors import CheckFailed

BEGIN = b"protocol\0mail_queue_list_protocol\0\0"
END = b"\0"


def message(queue: bytes, sender: bytes = b"a@example.com") -> bytes:
    return b"queue_name\0" + queue + b"\0queue_id\x006EC57\0sender\0" + sender + b"\0recipient\0queue_name\0\0"


@pytest.mark.parametrize("begin", [b"", BEGIN])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_messages_are_counted_by_queue_however_they_come(begin: bytes, piece: int) -> None:
    data = begin + message(b"active") + message(b"deferred", sender=b"") + message(b"deferred") + END
    counter = QueueCounter()
    for start in range(0, len(data), piece):
        assert not counter.ended
        counter.feed(data[start : start + piece])
    assert counter.ended
    assert counter.messages == {"active": 1, "deferred": 2}


def test_an_empty_queue_has_none() -> None:
    counter = QueueCounter()
    counter.feed(BEGIN + END)
    assert (counter.ended, counter.messages) == (True, {})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (END + b"more\0", 'protocol: more than an answer of showq: "more"'),
        (b"A" * (STRING_LIMIT_BYTES + 1), 'protocol: not an answer of showq: "AAA'),
    ],
)
def test_what_is_no_answer_is_told(data: bytes, why: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        QueueCounter().feed(data)
    assert str(caught.value).startswith(why)


@given(st.lists(st.binary() | st.just(b"\0") | st.just(b"queue_name\0")))
def test_any_bytes_are_counted_or_refused(pieces: list[bytes]) -> None:
    counter = QueueCounter()
    try:
        for piece in pieces:
            counter.feed(piece)
    except CheckFailed as failed:
        assert "answer of showq" in failed.detail  # noqa: PT017 - most examples raise it
    assert all(count > 0 for count in counter.messages.values())
