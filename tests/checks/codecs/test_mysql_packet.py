"""MySQL's packets: what real servers say, what is sent, and what is none of it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import mysql_packet
from feedback.checks.codecs.mysql_packet import Columns, Done, Handshake, More, Refusal, Switch
from feedback.errors import CheckFailed

MARIADB = bytes.fromhex(
    "0a352e352e352d31302e31312e31392d4d6172696144422d302b64656231327531005200000078786f4447763e6f00fef7080200ff8115"
    "0000000000001d000000365e556f4f7c452173433477006d7973716c5f6e61746976655f70617373776f726400"
)
"""As MariaDB 10.11 of Debian 12 has said it."""

MYSQL_8 = (
    b"\x0a8.0.36\0\x08\0\0\0"
    b"\x01\x02\x03\x04\x05\x06\x07\x08\0\xff\xff\xff\x02\0\xff\xdf\x15"
    + bytes(10)
    + b"\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\0caching_sha2_password\0"
)
NONCE = bytes(range(1, 21))
SHAKEN = Handshake("8.0.36", 0xDFFFFFFF, NONCE, "caching_sha2_password")


def test_a_handshake_of_mariadb_has_its_own_version() -> None:
    handshake = mysql_packet.read_handshake(MARIADB)
    assert isinstance(handshake, Handshake)
    assert handshake.version == "10.11.19-MariaDB-0+deb12u1"
    assert handshake.nonce == b"xxoDGv>o6^UoO|E!sC4w"
    assert handshake.plugin == "mysql_native_password"
    assert not handshake.offers_tls


def test_a_handshake_of_mysql_8_offers_tls() -> None:
    assert mysql_packet.read_handshake(MYSQL_8) == SHAKEN
    assert SHAKEN.offers_tls


def test_a_plugin_s_name_may_lack_its_end() -> None:
    assert mysql_packet.read_handshake(MYSQL_8[:-1]) == SHAKEN


def test_a_server_without_plugins_names_none() -> None:
    old = MYSQL_8.replace(b"\xff\xdf\x15", b"\x00\x00\x00").replace(b"8.0.36", b"5.1.73")
    handshake = mysql_packet.read_handshake(old)
    assert handshake == Handshake("5.1.73", 0xFFFF, NONCE, "")
    assert mysql_packet.login(handshake, "u", b"", "x", None, tls=False).endswith(b"\0u\0\0")


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        (b"\x093.22.1\0" + bytes(13), 'not a MySQL handshake of version 10: "\\t3.22.1'),
        (b"HTTP/1.1 400 Bad Request\r\n", 'not a MySQL handshake of version 10: "HTTP/1.1'),
        (b"\x0a4.0.30\0" + bytes(13) + b"\xff\x7f", "4.0.30 has no login of version 4.1 or newer"),
        (b"\x0a5.0\0" + bytes(13) + b"\xff\xff", "5.0 has no login of version 4.1 or newer"),
        (MYSQL_8[:20], "a packet of 20 bytes, must be 21 at least"),
        (b"", "a packet of 0 bytes, must be 1 at least"),
    ],
)
def test_another_beginning_is_refused(payload: bytes, detail: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        mysql_packet.read_handshake(payload)
    assert caught.value.reason == "protocol"
    assert caught.value.detail.startswith(detail)


def test_an_error_may_come_instead_of_the_handshake_and_has_no_state_then() -> None:
    refusal = mysql_packet.read_handshake(b"\xff\x10\x04Too many connections")
    assert refusal == Refusal(1040, "", "Too many connections")
    assert str(refusal) == "1040 Too many connections"
    assert not refusal.is_of_login


@pytest.mark.parametrize(
    ("code", "state", "expected"),
    [
        (1045, "28000", True),
        (1698, "28000", True),
        (1044, "42000", True),
        (3118, "HY000", True),
        (1040, "08004", False),
        (1129, "HY000", False),
        (1049, "42000", False),
    ],
)
def test_an_error_is_of_the_login_or_of_the_server(code: int, state: str, *, expected: bool) -> None:
    assert Refusal(code, state, "").is_of_login is expected


def test_a_login_says_who_asks_and_by_what() -> None:
    message = mysql_packet.login(SHAKEN, "jürgen", b"proof", "caching_sha2_password", "shop", tls=False)
    assert message == (
        b"\x09\xa2\x08\0\0\0\0\x01\x2d" + bytes(23) + b"j\xc3\xbcrgen\0\x05proofshop\0caching_sha2_password\0"
    )


def test_what_goes_before_tls_is_how_a_login_begins() -> None:
    request = mysql_packet.tls_request(SHAKEN)
    assert len(request) == 32
    assert mysql_packet.login(SHAKEN, "u", b"", "p", None, tls=True).startswith(request)
    assert request[1] & 0x08  # CLIENT_SSL


def test_nothing_is_asked_for_that_the_server_does_not_know() -> None:
    old = Handshake("4.1.22", 0x8200, NONCE, "")
    assert mysql_packet.login(old, "u", b"", "p", None, tls=False)[:4] == b"\x00\x82\0\0"


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"\0\0\0\x02\0\0\0", Done()),
        (b"\xff\x15\x04#28000Access denied for user 'x'", Refusal(1045, "28000", "Access denied for user 'x'")),
        (b"\xfemysql_native_password\0" + NONCE + b"\0", Switch("mysql_native_password", NONCE)),
        (b"\xfeclient_ed25519\0", Switch("client_ed25519", b"")),
        (b"\x01\x03", More(b"\x03")),
    ],
)
def test_a_login_is_answered(payload: bytes, answer: object) -> None:
    assert mysql_packet.read_login(payload) == answer


@pytest.mark.parametrize(("payload", "reason"), [(b"", "protocol"), (b"\x02", "protocol"), (b"\xfe", "auth")])
def test_a_login_is_not_answered_like_this(payload: bytes, reason: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        mysql_packet.read_login(payload)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"\0\0\0\x02\0\0\0", Done()),
        (b"\xff\x28\x04#42000You have an error", Refusal(1064, "42000", "You have an error")),
        (b"\x02", Columns(2)),
        (b"\xfc\x2c\x01", Columns(300)),
    ],
)
def test_a_query_is_answered(payload: bytes, answer: object) -> None:
    assert mysql_packet.read_answer(payload) == answer


@pytest.mark.parametrize(
    ("payload", "words"), [(b"\xfb/etc/passwd", "asks for a file"), (b"", "at least"), (b"\xfd\1", "at least")]
)
def test_a_query_is_not_answered_like_this(payload: bytes, words: str) -> None:
    with pytest.raises(CheckFailed, match=words):
        mysql_packet.read_answer(payload)


def test_a_column_has_its_name_in_the_fifth_place() -> None:
    assert mysql_packet.column_name(b"\x03def\0\0\0\x01a\x01b\x0c" + bytes(12)) == "a"


def test_a_row_has_values_and_null() -> None:
    row = b"\x01a\xfb\0\xfc\x03\0abc"
    assert mysql_packet.read_row(row, 4) == ("a", None, "", "abc")
    with pytest.raises(CheckFailed, match="a packet of 10 bytes, must be 11 at least"):
        mysql_packet.read_row(row, 5)
    with pytest.raises(CheckFailed, match="can't begin with the byte 255"):
        mysql_packet.read_row(b"\xff", 1)


def test_the_end_and_an_error_are_no_rows() -> None:
    assert mysql_packet.is_end(b"\xfe\0\0\x02\0")
    assert not mysql_packet.is_end(b"\xfe" + bytes(8))  # a value of very many bytes
    assert not mysql_packet.is_end(b"\x01a")
    assert mysql_packet.refusal_in(b"\x01a") is None
    assert mysql_packet.refusal_in(b"\xff\x25\x05#70100Query interrupted") == Refusal(
        1317, "70100", "Query interrupted"
    )


def test_packets_are_numbered() -> None:
    assert mysql_packet.packet(1, b"abc") == b"\x03\0\0\x01abc"
    assert mysql_packet.packet(256, b"") == b"\0\0\0\0"
    assert mysql_packet.payload_bytes(b"\x03\0\0\x01", 1) == 3
    assert mysql_packet.payload_bytes(b"\x03\0\0\x01", 257) == 3
    with pytest.raises(CheckFailed, match="packet number 2, must be 1"):
        mysql_packet.payload_bytes(b"\x03\0\0\x02", 1)
    with pytest.raises(CheckFailed, match="a packet of 65537 bytes, must be 65536 at most"):
        mysql_packet.payload_bytes(b"\x01\0\x01\0", 0)


def test_commands_are_a_byte_and_what_belongs_to_it() -> None:
    assert mysql_packet.query("SELECT 'ü'") == b"\x03SELECT '\xc3\xbc'"
    assert mysql_packet.QUIT == b"\x01"


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x0a", b"\xff", b"\xfe", MARIADB[:40], MYSQL_8[:30]]))
def test_any_bytes_give_a_value_or_one_failure(data: bytes, beginning: bytes) -> None:
    payload = beginning + data
    for read in (
        mysql_packet.read_handshake,
        mysql_packet.read_login,
        mysql_packet.read_answer,
        mysql_packet.column_name,
        mysql_packet.refusal_in,
        lambda payload: mysql_packet.read_row(payload, 3),
    ):
        with contextlib.suppress(CheckFailed):
            read(payload)
