"""DNS messages, beside dnspython's own: queries, answers of every kind, and bytes that are no answer."""

import struct
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import dns_message
from feedback.checks.codecs.dns_message import Answer, Question, make_question, make_record, read_answer
from feedback.errors import CheckFailed
from tests.checks.dns_answers import IDENTIFIER, SOA, message


def texts(answer: Answer | None) -> list[str]:
    assert answer is not None
    return [record.text for record in answer.records]


WWW = make_question("www.example.com", "A")


@pytest.mark.parametrize(
    ("options", "beside"),
    [
        ({}, {"flags": 0}),
        ({"recursion": True}, {"flags": dns.flags.RD}),
        ({"edns": True}, {"flags": 0, "use_edns": 0, "payload": 1232}),
        ({"dnssec": True}, {"flags": 0, "use_edns": 0, "payload": 1232, "want_dnssec": True}),
        (
            {"nsid": True, "dnssec": True, "recursion": True},
            {"use_edns": 0, "payload": 1232, "want_dnssec": True, "options": [dns.edns.NSIDOption(b"")]},
        ),
    ],
)
@pytest.mark.parametrize("name", [".", "example.com", "www.example.com.", "bücher.example", r"a\.b.example"])
@pytest.mark.parametrize(("kind", "of_class"), [("SOA", "IN"), ("aaaa", "IN"), ("TYPE65280", "CH"), ("ANY", "IN")])
def test_a_query_is_the_one_that_dnspython_makes(
    options: dict[str, bool], beside: dict[str, Any], name: str, kind: str, of_class: str
) -> None:
    question = make_question(name, kind, of_class, **options)
    assert IDENTIFIER + question.query == dns.message.make_query(name, kind, of_class, id=0x1234, **beside).to_wire()


def test_a_name_is_asked_for_in_lower_case_and_shown_as_it_is_written() -> None:
    question = make_question("WWW.Example.COM")
    assert question.name == b"\x03www\x07example\x03com\x00"
    assert question.name in question.query
    assert str(question) == "WWW.Example.COM. SOA"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("A", "192.0.2.1"),
        ("AAAA", "2001:db8::80"),
        ("CNAME", "www.example.net."),
        ("NS", "ns1.example.com."),
        ("MX", "10 mail.example.com."),
        ("SOA", SOA.format(2024010107)),
        ("TXT", '"v=spf1 -all" "and more"'),
        ("SRV", "0 5 5060 sip.example.com."),
        ("CAA", '0 issue "ca.example.net"'),
        ("HTTPS", '1 . alpn="h2,h3"'),
        ("PTR", "www.example.com."),
        ("DS", "12345 13 2 " + "ab" * 32),
        ("TYPE65280", r"\# 3 0a0b0c"),
    ],
)
def test_records_of_every_type_are_read(kind: str, data: str) -> None:
    question = make_question("www.example.com", kind)
    wire = message(f"www.example.com. IN {kind} {data}", question=f"www.example.com. IN {kind}")
    answer = read_answer(question, IDENTIFIER, wire)
    assert answer is not None
    assert answer.records == (make_record(question, data),)
    assert texts(answer) == [data]
    assert answer.serial == (2024010107 if kind == "SOA" else None)


def test_flags_and_rcode_are_read() -> None:
    assert read_answer(WWW, IDENTIFIER, message(rcode=dns.rcode.NXDOMAIN)) == Answer("NXDOMAIN")
    authoritative = message(flags=dns.flags.QR | dns.flags.AA)
    assert read_answer(WWW, IDENTIFIER, authoritative) == Answer("NOERROR", authoritative=True)
    validated = message(flags=dns.flags.QR | dns.flags.AD | dns.flags.RA)
    assert read_answer(WWW, IDENTIFIER, validated) == Answer("NOERROR", authenticated=True)


def test_the_rcode_of_edns_has_more_bits_and_may_have_no_name() -> None:
    assert read_answer(WWW, IDENTIFIER, message(rcode=dns.rcode.BADVERS)) == Answer("BADVERS")
    assert read_answer(WWW, IDENTIFIER, message(rcode=4000)) == Answer("RCODE4000")
    assert read_answer(WWW, IDENTIFIER, message(rcode=15)) == Answer("RCODE15")


@pytest.mark.parametrize(
    ("value", "shown"), [(b"ns-one", "ns-one"), (b"\x00\xff", "00ff"), ("é".encode(), "c3a9"), (b"", "")]
)
def test_the_servers_name_for_itself_is_read(value: bytes, shown: str) -> None:
    options = [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678"), dns.edns.NSIDOption(value)]
    answer = read_answer(WWW, IDENTIFIER, message(options=options))
    assert answer == Answer("NOERROR", nsid=shown)


def test_without_that_option_there_is_no_name() -> None:
    options = [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")]
    assert read_answer(WWW, IDENTIFIER, message(options=options)) == Answer("NOERROR")


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x03\x00", b"\x00\x03\x00\x02a", b"\x00\x0a\x00\x01"])
def test_an_option_that_ends_too_early_is_refused(data: bytes) -> None:
    wire = bytearray(message(options=[])[:-2] + struct.pack("!H", len(data)) + data)
    with pytest.raises(CheckFailed, match="an option of EDNS ends too early"):
        read_answer(WWW, IDENTIFIER, bytes(wire))


def test_records_of_other_names_types_and_classes_are_no_answer() -> None:
    wire = message(
        "other.example.com. IN A 192.0.2.1",
        "www.example.com. IN AAAA 2001:db8::1",
        "www.example.com. CH TXT hello",
        "WWW.EXAMPLE.com. IN A 192.0.2.2",
        additional=["www.example.com. IN A 192.0.2.3"],
    )
    assert texts(read_answer(WWW, IDENTIFIER, wire)) == ["192.0.2.2"]


def test_an_alias_is_followed_whatever_the_order() -> None:
    wire = message(
        "web.example.net. IN A 192.0.2.1",
        "www.example.com. IN CNAME a.example.com.",
        "web.example.net. IN A 192.0.2.2",
        "A.example.com. IN CNAME Web.example.net.",
    )
    assert texts(read_answer(WWW, IDENTIFIER, wire)) == ["192.0.2.1", "192.0.2.2"]


def test_the_alias_itself_may_be_asked_for() -> None:
    lines = ["www.example.com. IN CNAME a.example.com.", "a.example.com. IN CNAME b.example.com."]
    wire = message(*lines, question="www.example.com. IN CNAME")
    assert texts(read_answer(make_question("www.example.com", "CNAME"), IDENTIFIER, wire)) == ["a.example.com."]


def test_aliases_that_lead_round_in_circles_come_to_an_end() -> None:
    wire = message("www.example.com. IN CNAME a.example.com.", "a.example.com. IN CNAME www.example.com.")
    assert texts(read_answer(WWW, IDENTIFIER, wire)) == []


def test_any_takes_all_that_dnspython_knows() -> None:
    wire = message(
        "www.example.com. IN A 192.0.2.1",
        "www.example.com. IN CNAME a.example.com.",
        r"www.example.com. IN TYPE65280 \# 1 00",
        question="www.example.com. IN ANY",
    )
    answer = read_answer(make_question("www.example.com", "ANY"), IDENTIFIER, wire)
    assert texts(answer) == ["192.0.2.1", "a.example.com."]


def test_a_truncated_answer_is_not_looked_into() -> None:
    cut = message("www.example.com. IN A 192.0.2.1", flags=dns.flags.QR | dns.flags.TC)[:-3]
    assert read_answer(WWW, IDENTIFIER, cut) == Answer("NOERROR", truncated=True)


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        message()[:11],
        b"\x12\x35" + message()[2:],  # another identifier
        message(flags=0),  # a question
        message(flags=dns.flags.QR | 0x2000),  # another opcode
        message(question="other.example.com. IN A"),
        message(question="www.example.com. IN AAAA"),
        message(question="www.example.com. CH A"),
        IDENTIFIER + struct.pack("!5H", 0x8000, 0, 0, 0, 0),  # NOERROR without a question
        IDENTIFIER + struct.pack("!5H", 0x8000, 2, 0, 0, 0) + message()[12:] * 2,
        IDENTIFIER + struct.pack("!5H", 0x8002, 2, 0, 0, 0) + message()[12:] * 2,
    ],
)
def test_what_answers_another_question_or_none_is_not_believed(wire: bytes) -> None:
    assert read_answer(WWW, IDENTIFIER, wire) is None


@pytest.mark.parametrize(("number", "rcode"), [(1, "FORMERR"), (2, "SERVFAIL"), (4, "NOTIMP"), (5, "REFUSED")])
def test_some_refusals_need_not_repeat_the_question(number: int, rcode: str) -> None:
    wire = IDENTIFIER + struct.pack("!5H", 0x8000 | number, 0, 0, 0, 0)
    assert read_answer(WWW, IDENTIFIER, wire) == Answer(rcode)


def test_the_case_of_the_question_does_not_matter() -> None:
    assert read_answer(WWW, IDENTIFIER, message(question="WwW.eXaMpLe.CoM. IN A")) == Answer("NOERROR")


def test_an_answer_with_too_many_records_is_not_read() -> None:
    many = [f"www.example.com. IN A 192.0.{number // 250}.{number % 250}" for number in range(301)]
    assert len(texts(read_answer(WWW, IDENTIFIER, message(*many[:300])))) == 300
    with pytest.raises(CheckFailed, match="the answer has 301 records, and 300 are read at most") as caught:
        read_answer(WWW, IDENTIFIER, message(*many))
    assert caught.value.reason == "limit"


def test_data_that_are_none_of_their_type_are_refused() -> None:
    wire = message("www.example.com. IN A 192.0.2.1")
    broken = wire[:-6] + b"\x00\x03" + wire[-4:-1]
    with pytest.raises(CheckFailed, match="the answer is broken: A data that are none, FormError") as caught:
        read_answer(WWW, IDENTIFIER, broken)
    assert caught.value.reason == "protocol"


@pytest.mark.parametrize("length", range(12, 61))
def test_an_answer_that_ends_too_early_is_refused(length: int) -> None:
    wire = message("www.example.com. IN A 192.0.2.1", options=[])
    assert len(wire) == 60
    if length < 60:
        with pytest.raises(CheckFailed, match="the answer is broken"):
            read_answer(WWW, IDENTIFIER, wire[:length])
    else:
        assert texts(read_answer(WWW, IDENTIFIER, wire)) == ["192.0.2.1"]


def test_the_same_data_may_be_spelled_in_several_ways() -> None:
    aaaa, mx = make_question("www.example.com", "AAAA"), make_question("www.example.com", "MX")
    assert make_record(aaaa, "2001:0DB8:0::0080").canonical == make_record(aaaa, "2001:db8::80").canonical
    assert make_record(mx, "10 Mail.Example.com").canonical == make_record(mx, "10 mail.example.com.").canonical


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("a..b",), "query_name: must be a domain name, like www.example.com: A DNS label is empty."),
        (("a" * 64,), "query_name: must be a domain name, like www.example.com: A DNS label is > 63 octets long."),
        ((".", "FOO"), 'query_type: must be a type of records, like AAAA, TYPE65 or ANY, not "FOO"'),
        ((".", "TYPE70000"), 'query_type: must be a type of records, like AAAA, TYPE65 or ANY, not "TYPE70000"'),
        ((".", "AXFR"), 'query_type: must be a type of records, like AAAA, TYPE65 or ANY, not "AXFR"'),
        ((".", "OPT"), 'query_type: must be a type of records, like AAAA, TYPE65 or ANY, not "OPT"'),
        ((".", "NONE"), 'query_type: must be a type of records, like AAAA, TYPE65 or ANY, not "NONE"'),
        ((".", "A", "XX"), 'query_class: must be a class of records, like IN or CH, not "XX"'),
        ((".", "A", "CLASS70000"), 'query_class: must be a class of records, like IN or CH, not "CLASS70000"'),
    ],
)
def test_what_can_t_be_asked_for_is_refused(arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        make_question(*arguments)
    assert str(caught.value) == sentence


def test_a_record_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r'^answer: "hey" is no A record as in a zone file: '):
        make_record(WWW, "hey")
    with pytest.raises(ValueError, match=r"^answer: goes with one query_type, and ANY stands for all$"):
        make_record(make_question(".", "ANY"), "192.0.2.1")


VARIED = {
    kind: make_question("www.example.com", kind)
    for kind in ("A", "ANY", "SOA", "TXT", "MX", "SVCB", "NSEC3", "LOC", "APL", "RRSIG", "TYPE65280")
}


@given(st.sampled_from(sorted(VARIED)), st.binary(max_size=200))
def test_whatever_the_data_of_a_record_they_are_read_or_refused(kind: str, data: bytes) -> None:
    question = VARIED[kind]
    wire = IDENTIFIER + struct.pack("!5H", 0x8400, 1, 1, 0, 0) + question.query[10:]
    number = dns.rdatatype.SOA if kind == "ANY" else question.kind
    wire += b"\xc0\x0c" + struct.pack("!HHIH", number, 1, 0, len(data)) + data
    assert_read_or_refused(question, wire)


@given(st.integers(0, 120), st.binary(min_size=1, max_size=4))
def test_whatever_bytes_are_wrong_an_answer_is_read_or_refused(place: int, change: bytes) -> None:
    wire = bytearray(
        message(
            "www.example.com. IN CNAME a.example.com.",
            "a.example.com. IN A 192.0.2.1",
            options=[dns.edns.NSIDOption(b"ns1")],
        )
    )
    wire[place : place + len(change)] = change
    assert_read_or_refused(WWW, bytes(wire))


@given(st.binary(max_size=300))
def test_whatever_the_bytes_are_there_is_an_answer_or_a_failure_or_nothing(data: bytes) -> None:
    assert_read_or_refused(WWW, data)
    assert_read_or_refused(WWW, IDENTIFIER + b"\x80\x00" + data)
    assert_read_or_refused(WWW, IDENTIFIER + struct.pack("!5H", 0x8000, 1, 1, 1, 1) + WWW.query[10:] + data)


def assert_read_or_refused(question: Question, data: bytes) -> None:
    try:
        result: object = read_answer(question, IDENTIFIER, data)
    except CheckFailed as error:
        result = error.reason
    assert result in {None, "protocol", "limit"} or isinstance(result, Answer)


def test_an_answer_that_is_the_same_but_for_its_identifier_is_read_once() -> None:
    wire = message("www.example.com. IN A 192.0.2.77")
    first = read_answer(WWW, IDENTIFIER, wire)
    before = dns_message._read.cache_info().hits
    assert read_answer(WWW, b"\x00\x07", b"\x00\x07" + wire[2:]) == first
    assert dns_message._read.cache_info().hits == before + 1
