"""LDAP's messages: those of RFC 4511, byte by byte, what is none, and any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import ber, ldap_message
from feedback.checks.codecs.ldap_filter import parse_filter
from feedback.checks.codecs.ldap_message import Entry, Message, Reference, Result
from feedback.errors import CheckFailed


def body(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


@pytest.mark.parametrize(
    ("encoded", "digits"),
    [
        (ldap_message.request(1, ldap_message.bind("", "")), "300c 020101 6007 020103 0400 8000"),
        (
            ldap_message.request(2, ldap_message.bind("cn=a", "pw")),
            "3012 020102 600d 020103 0404636e3d61 80027077",
        ),
        (ldap_message.request(3, ldap_message.unbind()), "3005 020103 4200"),
        (
            ldap_message.request(1, ldap_message.start_tls()),
            "301d 020101 7718 8016 312e332e362e312e342e312e313436362e3230303337",
        ),
        (
            ldap_message.request(2, ldap_message.search("", 0, 1, parse_filter("(objectClass=*)"), ["1.1"])),
            "302a 020102 6325 0400 0a0100 0a0100 020101 020100 010100 870b6f626a656374436c617373 3005 0403312e31",
        ),
    ],
)
def test_requests_are_written_as_the_rfc_has_them(encoded: bytes, digits: str) -> None:
    assert encoded.hex() == digits.replace(" ", "")


@pytest.mark.parametrize(
    ("digits", "message", "words"),
    [
        ("020101 6107 0a0100 0400 0400", Message(1, Result(0x61, 0)), "0 success"),
        ("020102 6584000000070a010004000400", Message(2, Result(0x65, 0)), "0 success"),  # Active Directory's lengths
        (
            "020101 6109 0a0131 0400 0402 6e6f",
            Message(1, Result(0x61, 49, "", "no")),
            "49 invalidCredentials: no",
        ),
        (
            "020103 650e 0a0120 0404 64633d61 0403 6e6f00",
            Message(3, Result(0x65, 32, "dc=a", "no")),
            "32 noSuchObject below dc=a: no",
        ),
        (
            "020103 6517 0a010a 0400 0400 a30e 04056c6461703a 04056c6461702f",
            Message(3, Result(0x65, 10, referral=("ldap:", "ldap/"))),
            "10 referral to ldap:, ldap/",
        ),
        ("020101 610a 0a010e 0400 0400 8701 00", Message(1, Result(0x61, 14)), "14 saslBindInProgress"),
        ("020101 6108 0a02 1000 0400 0400", Message(1, Result(0x61, 4096)), "4096 (unknown)"),
        (
            "020100 781f 0a0134 0400 0400 8a16 312e332e362e312e342e312e313436362e3230303336",
            Message(0, Result(0x78, 52, name="1.3.6.1.4.1.1466.20036")),
            "52 unavailable",
        ),
    ],
)
def test_results_are_read_and_said_in_words(digits: str, message: Message, words: str) -> None:
    assert ldap_message.read_body(body(digits)) == message
    assert str(message.content) == words


def test_an_entry_is_read_by_its_attributes_names_in_lower_case() -> None:
    encoded = ber.element(
        0x64,
        ber.string("cn=a"),
        ber.element(
            ber.SEQUENCE,
            ber.element(
                ber.SEQUENCE, ber.string("objectClass"), ber.element(ber.SET, ber.string("x"), ber.string("y"))
            ),
            ber.element(ber.SEQUENCE, ber.string("CN;lang-de"), ber.element(ber.SET, ber.element(4, b"K\xf6ln"))),
            ber.element(ber.SEQUENCE, ber.string("empty"), ber.element(ber.SET)),
        ),
    )
    attributes = {"objectclass": ("x", "y"), "cn;lang-de": ("K\\xf6ln",), "empty": ()}
    assert ldap_message.read_body(ber.integer(2) + encoded) == Message(2, Entry("cn=a", attributes))


def test_a_reference_is_read_and_controls_are_passed_over() -> None:
    assert ldap_message.read_body(body("020102 7307 04056c6461703a a003 300104")) == Message(2, Reference(("ldap:",)))


@pytest.mark.parametrize(
    ("digits", "detail"),
    [
        ("020101 7900", "not an answer of LDAP's to bind or search: an element 0x79"),
        ("020101 6000", "not an answer of LDAP's to bind or search: an element 0x60"),
        ("020101 6103 0a0100", "an element in BER ends too early: 3 bytes, must be 4 at least"),
        ("020101 6107 020100 0400 0400", "an element 0x02 in BER, must be 0x0a"),
        ("020101 6407 0400 3003 020100", "an element 0x02 in BER, must be 0x30"),
        ("040161", "an element 0x04 in BER, must be 0x02"),
    ],
)
def test_what_is_no_answer_fails(digits: str, detail: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        ldap_message.read_body(body(digits))
    assert (failure.value.reason, failure.value.detail) == ("protocol", detail)


@pytest.mark.parametrize(("length", "further"), [(0, 0), (127, 0), (128, 1), (255, 1), (256, 2), (70_000, 3)])
def test_a_head_says_how_long_a_message_is(length: int, further: int) -> None:
    message = ber.element(ber.SEQUENCE, bytes(length))
    head = message[: len(message) - length]
    assert ldap_message.further_head_bytes(head[: ldap_message.HEAD_BYTES]) == further
    assert len(head) == ldap_message.HEAD_BYTES + further
    assert ldap_message.body_length(head) == length


@pytest.mark.parametrize(
    ("head", "detail"),
    [
        (b"HT", "not an LDAP message: it begins with 0x48, must be 0x30"),
        (b"\x30\x80", "a length of 0 octets in BER, must be from 1 to 4, and definite"),
        (b"\x30\xff", "a length of 127 octets in BER, must be from 1 to 4, and definite"),
    ],
)
def test_what_is_no_head_fails(head: bytes, detail: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        ldap_message.further_head_bytes(head)
    assert (failure.value.reason, failure.value.detail) == ("protocol", detail)


def read(data: bytes) -> Message | None:
    try:
        return ldap_message.read_body(data)
    except CheckFailed:
        return None


@given(st.binary(max_size=60), st.sampled_from([0x61, 0x64, 0x65, 0x73, 0x78]))
def test_any_bytes_are_a_message_or_a_failure(data: bytes, kind: int) -> None:
    read(data)
    message = read(ber.integer(7) + ber.element(kind, data))
    assert message is None or message.id == 7


TEXTS = st.text(max_size=10)


@given(
    TEXTS, st.dictionaries(TEXTS.map(str.lower).filter(lambda text: text == text.lower()), st.lists(TEXTS, max_size=3))
)
def test_any_entry_is_read_as_it_was_written(dn: str, attributes: dict[str, list[str]]) -> None:
    listed = [
        ber.element(ber.SEQUENCE, ber.string(name), ber.element(ber.SET, *map(ber.string, values)))
        for name, values in attributes.items()
    ]
    encoded = ber.element(0x64, ber.string(dn), ber.element(ber.SEQUENCE, *listed))
    entry = Entry(dn, {name: tuple(values) for name, values in attributes.items()})
    assert read(ber.integer(1) + encoded) == Message(1, entry)
