"""Questions for routes and the kernel's answers: both as captured from `ip route get`, and any bytes."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.engine.routes import Route, back, out, read

# linux/rtnetlink.h: nlmsghdr (length, type, flags, sequence, port id), rtmsg, attributes of length and type
OUT = "240000001a000100010000000000000002200000000000000000000008000100" + "0a02000b"
BACK = (
    "340000001a0001000100000000000000" + "022020000000000000000000"
    "080001000a020001" + "08000200c000020a" + "0800030003000000"
)
OUT_V6 = (
    "300000001a0001000100000000000000" + "0a8000000000000000000000" + "14000100" + "20010db8000200000000000000000011"
)


def test_questions_are_as_the_kernel_wants_them() -> None:
    assert out("10.2.0.11").hex() == OUT
    assert out("2001:db8:2::11").hex() == OUT_V6
    assert back("192.0.2.10", "10.2.0.1", 3).hex() == BACK


def answer(kind: int, content: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(content), kind, 0, 1, 0) + content


def route(kind: int, *attributes: tuple[int, bytes]) -> bytes:
    packed = (struct.pack("=HH", 4 + len(value), key) + value + bytes(-len(value) % 4) for key, value in attributes)
    return answer(24, struct.pack("=BBBBBBBBI", 2, 32, 0, 0, 254, 0, 0, kind, 0x200) + b"".join(packed))


def test_an_answer_says_device_and_source() -> None:
    attributes = (1, bytes([10, 2, 0, 11])), (15, b"\xfe\0\0\0"), (4, struct.pack("=i", 3)), (7, bytes([10, 2, 0, 1]))
    assert read(route(1, *attributes)) == Route(0, 3, "10.2.0.1", local=False)


def test_an_answer_says_that_an_address_is_this_hosts_own() -> None:
    assert read(route(2, (7, bytes(15) + b"\1"), (9, b"odd"), (4, struct.pack("=i", 1)))) == Route(0, 1, "::1", True)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EXDEV, errno.ENETUNREACH])
def test_an_error_is_its_number(number: int) -> None:
    assert read(answer(2, struct.pack("=i", -number) + bytes(16))) == Route(error=number)


def test_another_message_is_no_answer() -> None:
    with pytest.raises(ValueError, match=r"^the kernel answered a question for a route with a message of type 3$"):
        read(answer(3, bytes(12)))
    with pytest.raises(ValueError, match=r"^the kernel's answer to a question for a route breaks off$"):
        read(b"")


@given(st.binary(max_size=120) | st.binary(max_size=60).map(lambda data: answer(24, data)))
def test_any_bytes_are_a_route_or_a_value_error(data: bytes) -> None:
    try:
        assert isinstance(read(data), Route)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - any other exception fails
