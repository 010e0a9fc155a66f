import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.table.netlink import (
    NLM_F_ACK,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_NOOP,
    Answer,
    Form,
    Reader,
    answers,
    decode_family,
    family_request,
    fence,
    message,
    nest,
    pack,
    walk,
)
from feedback.errors import TableError


def attributes(data: bytes) -> dict[int, bytes]:
    return {kind: data[begin:stop] for kind, begin, stop in walk(data, 0, len(data))}


FAMILY_ANSWER = bytes.fromhex("01020000" + "0900020049505653" + "00000000" + "060001001c000000" + "0800030001000000")
"""What the kernel answers when it is asked for the family IPVS: its name, its number 28, its version."""


def test_a_request_has_the_form_that_the_kernel_wants() -> None:
    assert message(28, 0x300, 7, 4, b"abcd") == struct.pack("=IHHIIBBH4s", 24, 28, 0x301, 7, 0, 4, 1, 0, b"abcd")


def test_a_fence_is_an_empty_message_that_is_answered() -> None:
    assert fence(9) == struct.pack("=IHHII", 16, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, 9, 0)


def test_an_attribute_is_padded_and_its_length_is_not() -> None:
    assert pack(6, b"wlc\0x") == struct.pack("=HH8s", 9, 6, b"wlc\0x")
    assert pack(6, b"wlc\0") == struct.pack("=HH4s", 8, 6, b"wlc\0")


def test_a_nest_says_that_it_is_one() -> None:
    assert nest(2, pack(1, b"abcd")) == struct.pack("=HHHH4s", 12, 0x8002, 8, 1, b"abcd")


def test_the_familys_number_is_asked_for_by_name() -> None:
    (asked,) = answers(family_request("IPVS", 3))
    assert (asked.kind, asked.sequence) == (16, 3)
    assert asked.payload[0] == 3
    assert attributes(asked.payload[4:]) == {2: b"IPVS\0"}
    assert decode_family(FAMILY_ANSWER) == 28


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1), st.binary(max_size=40)), max_size=8))
def test_messages_come_out_as_they_were_put_in(messages: list[tuple[int, int, bytes]]) -> None:
    datagram = b"".join(
        struct.pack("=IHHII", 16 + len(payload), kind, 2, sequence, 0) + payload + bytes(-len(payload) % 4)
        for kind, sequence, payload in messages
    )
    assert list(answers(datagram)) == [Answer(*each) for each in messages]


@given(st.dictionaries(st.integers(0, 0x3FFF), st.binary(max_size=40), max_size=8))
def test_attributes_come_out_as_they_were_put_in(found: dict[int, bytes]) -> None:
    assert attributes(b"".join(pack(kind, data) for kind, data in found.items())) == found
    assert attributes(b"".join(nest(kind, data) for kind, data in found.items())) == found


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_a_table_error(data: bytes) -> None:
    try:
        read = list(answers(data))
    except TableError:
        return
    assert sum(16 + len(each.payload) for each in read) <= len(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_attributes_or_a_table_error(data: bytes) -> None:
    try:
        found = attributes(data)
    except TableError:
        return
    assert sum(4 + len(each) for each in found.values()) <= len(data)


@pytest.mark.parametrize("kind", [NLMSG_ERROR, NLMSG_DONE])
def test_an_answer_tells_its_error_number(kind: int) -> None:
    assert Answer(kind, 1, struct.pack("=i", -17) + bytes(16)).errno == 17
    assert Answer(kind, 1, struct.pack("=i", 0)).errno == 0
    with pytest.raises(TableError, match=r"^the kernel's answer breaks off in the middle of an error$"):
        _ = Answer(kind, 1, b"\0\0").errno


@pytest.mark.parametrize(
    ("datagram", "sentence"),
    [
        (bytes(15), "the kernel's answer breaks off in the middle of a header"),
        (struct.pack("=IHHII", 15, 2, 0, 0, 0), "the kernel's answer has a message of 15 bytes that breaks off"),
        (struct.pack("=IHHII", 17, 2, 0, 0, 0), "the kernel's answer has a message of 17 bytes that breaks off"),
    ],
)
def test_a_datagram_that_breaks_off_is_an_error(datagram: bytes, sentence: str) -> None:
    with pytest.raises(TableError) as raised:
        list(answers(datagram))
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\4\0\1", "the kernel's answer breaks off in the middle of an attribute"),
        (b"\3\0\1\0", "the kernel's answer has an attribute of 3 bytes that breaks off"),
        (b"\5\0\1\0", "the kernel's answer has an attribute of 5 bytes that breaks off"),
    ],
)
def test_attributes_that_break_off_are_an_error(data: bytes, sentence: str) -> None:
    with pytest.raises(TableError) as raised:
        attributes(data)
    assert str(raised.value) == sentence


A = (1,)
B = (2, 3)
WANTED = {A: "I", B: "H"}


def made_of(a: int, b: int) -> bytes:
    return bytes(4) + pack(1, struct.pack("=I", a)) + nest(2, pack(9, b"other") + pack(3, struct.pack("=H", b)))


def test_values_are_read_by_their_paths_in_the_order_wanted() -> None:
    assert Reader(WANTED).read(made_of(70000, 8)) == [70000, 8]
    assert Reader({B: "H", A: "I"}).read(made_of(70000, 8)) == [8, 70000]


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1)), min_size=1, max_size=5))
def test_messages_of_one_form_are_each_read_with_their_own_values(numbers: list[tuple[int, int]]) -> None:
    reader = Reader(WANTED)
    assert [reader.read(made_of(*each)) for each in numbers] == [list(each) for each in numbers]


def test_messages_of_other_forms_are_read_as_well() -> None:
    """As long as the first one, and with the same bytes in other places."""
    reader = Reader(WANTED)
    swapped = bytes(4) + nest(2, pack(3, struct.pack("=H", 6)) + pack(9, b"other")) + pack(1, struct.pack("=I", 5))
    assert len(swapped) == len(made_of(1, 2))
    assert [reader.read(each) for each in (made_of(1, 2), swapped, made_of(3, 4))] == [[1, 2], [5, 6], [3, 4]]


def test_of_an_attribute_that_comes_twice_the_last_counts() -> None:
    assert Reader({A: "I"}).read(made_of(1, 2) + pack(1, struct.pack("=I", 3))) == [3]


def test_a_form_is_told_by_everything_but_values() -> None:
    form = Form(made_of(1, 2), WANTED, frozenset())
    assert form.fits(made_of(3, 4))
    assert not form.fits(made_of(3, 4) + pack(4, b""))
    assert not form.fits(made_of(3, 4)[:-8] + pack(4, struct.pack("=H", 2)))


def test_a_value_of_any_length_is_read_whole() -> None:
    reader = Reader({A: "s"})
    assert [reader.read(bytes(4) + pack(1, text))[0] for text in (b"wlc\0", b"", b"rr\0")] == [b"wlc\0", b"", b"rr\0"]


def test_an_optional_attribute_may_be_missing_and_another_may_not() -> None:
    payload = bytes(4) + pack(1, struct.pack("=I", 1))
    assert Reader(WANTED, optional={B}).read(payload) == [1, None]
    assert Reader(WANTED, optional={A, B}).read(bytes(4)) == [None, None]
    with pytest.raises(TableError, match=r"^the kernel's answer lacks attribute 2\.3$"):
        Reader(WANTED).read(payload)


def test_a_value_of_another_size_is_an_error() -> None:
    with pytest.raises(TableError, match=r"^the kernel's answer has 2 bytes in attribute 1$"):
        Reader({A: "I"}).read(bytes(4) + pack(1, b"ab"))


@given(st.binary(max_size=60))
def test_any_bytes_are_values_or_a_table_error(data: bytes) -> None:
    reader = Reader(WANTED, optional={B})
    for payload in (made_of(1, 2), data, made_of(3, 4)):
        with contextlib.suppress(TableError):
            assert len(reader.read(payload)) == 2
