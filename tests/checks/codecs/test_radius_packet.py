"""RADIUS packets: the examples of RFC 2865 and RFC 5997, byte by byte, and whatever else may come."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import radius_packet
from feedback.checks.codecs.radius_packet import Answer, Request, hidden, read_answer
from feedback.errors import CheckFailed
from tests.checks import radius_server

SECRET = b"xyzzy5461"


def packet(digits: str) -> bytes:
    return bytes.fromhex(digits)


# RFC 2865, 7.1: nemo logs in
NEMO = Request(
    packet(
        "01000038 0f403f9473978057bd83d5cb98f4227a 01066e656d6f 02120dbe708d93d413ce3196e43f782a0aee"
        "0406c0a80110 050600000003"
    ),
    SECRET,
)
LET_IN = packet("02000026 86fe220e7624ba2a1005f6bf9b55e0b2 060600000001 0f0600000000 0e06c0a80103")

# RFC 5997, 6: a server's two ports
STATUS = packet("0cda0026 8a54f4686fb394c52866e302185d0623 5012 5a665e2e1e8411f3e243822097c84fa3")
STATUS_ANSWER = packet("02da0014 ef0d552a4bf2d693ec2b6fe8b5411d66")
ACCOUNTING = packet("0cb30026 925f6b66dd5fed571fcb1db7ad388260 5012 e8d6eabda910875cd91fdade26367858")


def test_a_password_is_hidden_as_in_the_rfc() -> None:
    assert hidden(b"arctangent", NEMO.authenticator, SECRET) == NEMO.packet[28:44]


@pytest.mark.parametrize(("length", "hidden_length"), [(0, 16), (1, 16), (16, 16), (17, 32), (128, 128)])
def test_a_password_is_hidden_in_whole_blocks(length: int, hidden_length: int) -> None:
    password = bytes(range(1, length + 1))
    found = hidden(password, b"a" * 16, SECRET)
    assert len(found) == hidden_length
    assert radius_server.revealed(found, b"a" * 16, SECRET) == password


def test_the_rfc_s_answer_to_a_login_is_read() -> None:
    assert read_answer(LET_IN, NEMO) == Answer(2)


def test_the_rfc_s_answer_to_status_server_is_read() -> None:
    assert read_answer(STATUS_ANSWER, Request(STATUS, SECRET)) == Answer(2)


@pytest.mark.parametrize("request_packet", [STATUS, ACCOUNTING])
def test_status_server_is_signed_as_in_the_rfc(request_packet: bytes) -> None:
    """The RFC's has no NAS-Identifier, and so another length and another signature: both verify."""
    radius_server.verify(request_packet, SECRET)
    made = radius_packet.status_server(request_packet[1], request_packet[4:20], SECRET, b"feedback")
    radius_server.verify(made.packet, SECRET)
    assert made.packet[:2] == request_packet[:2]
    assert made.packet[4:22] == request_packet[4:22]
    assert made.packet[38:] == b"\x20\x0afeedback"
    assert made.words == "Status-Server"


def test_a_login_is_signed_first_and_has_all_it_needs() -> None:
    made = radius_packet.access_request(7, b"a" * 16, SECRET, b"lvs1", user=b"nemo", password=b"arctangent")
    radius_server.verify(made.packet, SECRET)
    assert made.packet[:4] == b"\x01\x07" + len(made.packet).to_bytes(2)
    assert (made.identifier, made.authenticator, made.words) == (7, b"a" * 16, "Access-Request")
    assert made.packet[20:22] == b"\x50\x12"
    assert made.packet[38:] == b"\x01\x06nemo\x02\x12" + hidden(b"arctangent", b"a" * 16, SECRET) + b"\x20\x06lvs1"


ASKED = radius_packet.status_server(9, b"b" * 16, SECRET, b"feedback")


def answer(*attributes: tuple[int, bytes], code: int = 2, secret: bytes = SECRET, signed: bool = False) -> bytes:
    return radius_server.answer(ASKED.packet, code, secret, attributes, signed=signed)


@pytest.mark.parametrize("signed", [False, True])
def test_an_answer_may_bear_a_message(signed: bool) -> None:
    data = answer((18, "Grüß ".encode()), (6, b"1234"), (18, b"Gott"), code=3, signed=signed)
    found = read_answer(data, ASKED, need_signature=signed)
    assert (found, str(found)) == (Answer(3, "Grüß Gott"), "Access-Reject: Grüß Gott")
    assert str(Answer(200)) == "code 200"


def test_what_follows_a_packet_is_padding() -> None:
    assert read_answer(answer() + b"padding", ASKED) == Answer(2)


def changed(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes((value,)) + data[at + 1 :]


WRONG_MESSAGE_AUTHENTICATOR = (80, bytes(16))


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "a packet of 0 bytes that says that it has 0"),
        (answer()[:19], "a packet of 19 bytes that says that it has 20"),
        (changed(answer(), 3, 19), "a packet of 20 bytes that says that it has 19"),
        (b"\x02\x09\x10\x01" + bytes(5000), "a packet of 5004 bytes that says that it has 4097"),
        (changed(answer(), 1, 8), "an answer to another request"),
        (answer(secret=b"another"), "an answer that is signed with another secret"),
        (changed(answer(), 0, 3), "an answer that is signed with another secret"),
        (answer((18, b"Hello"))[:-5] + b"Howdy", "an answer that is signed with another secret"),
        (answer(WRONG_MESSAGE_AUTHENTICATOR), "an answer with a wrong Message-Authenticator"),
        (answer((80, b"")), "an answer with a wrong Message-Authenticator"),
        (answer(WRONG_MESSAGE_AUTHENTICATOR, signed=True), "an answer with a wrong Message-Authenticator"),
        (answer((80, b"short")), "an answer with a wrong Message-Authenticator"),
        (
            radius_server.finished(ASKED.packet, 2, SECRET, b"\x12"),
            "an attribute that is longer than its packet, or has no length",
        ),
        (
            radius_server.finished(ASKED.packet, 2, SECRET, b"\x12\x01"),
            "an attribute that is longer than its packet, or has no length",
        ),
        (
            radius_server.finished(ASKED.packet, 2, SECRET, b"\x12\x05ab"),
            "an attribute that is longer than its packet, or has no length",
        ),
    ],
)
def test_what_is_no_answer_is_known_by_its_flaw(data: bytes, detail: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        read_answer(data, ASKED)
    assert (failure.value.reason, failure.value.detail) == ("protocol", detail)


def test_a_message_authenticator_may_be_needed() -> None:
    with pytest.raises(CheckFailed, match="an answer without Message-Authenticator"):
        read_answer(answer(), ASKED, need_signature=True)


@given(st.binary(max_size=60))
def test_any_bytes_are_no_answer_and_any_attributes_are_one_or_not(data: bytes) -> None:
    with pytest.raises(CheckFailed):
        read_answer(data, ASKED)
    with contextlib.suppress(CheckFailed):
        found = read_answer(radius_server.finished(ASKED.packet, 2, SECRET, data), ASKED)
        assert found.code == 2


@given(
    st.binary(min_size=1, max_size=128).filter(lambda password: password[-1] != 0), st.binary(min_size=1, max_size=40)
)
def test_who_knows_the_secret_reads_the_password(password: bytes, secret: bytes) -> None:
    assert radius_server.revealed(hidden(password, b"c" * 16, secret), b"c" * 16, secret) == password
