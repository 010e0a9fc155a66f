"""Headers of the PROXY protocol: the examples of its specification, byte by byte."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.proxy_protocol import LOCAL_V2, UNKNOWN_V1, header
from feedback.model import Endpoint

V4 = (Endpoint("192.168.0.1", 56324), Endpoint("192.168.0.11", 443))
V6 = (Endpoint("2001:db8::1", 56324), Endpoint("2001:db8::80", 443))
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def test_version_1_is_the_line_of_the_specification() -> None:
    assert header("v1", *V4) == b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
    assert header("v1", *V6) == b"PROXY TCP6 2001:db8::1 2001:db8::80 56324 443\r\n"


def test_version_2_says_that_it_is_a_check_and_names_nobody() -> None:
    assert header("v2", *V4) == header("v2", *V6) == LOCAL_V2
    assert SIGNATURE + bytes.fromhex("20000000") == LOCAL_V2


def test_version_1_may_name_nobody() -> None:
    assert header("v1-unknown", *V4) == UNKNOWN_V1 == b"PROXY UNKNOWN\r\n"


def test_version_2_may_name_the_two_ends() -> None:
    assert header("v2-own", *V4) == SIGNATURE + bytes.fromhex("2111000cc0a80001c0a8000bdc0401bb")
    assert header("v2-own", *V6) == (
        SIGNATURE
        + bytes.fromhex("21210024")
        + bytes.fromhex("20010db8000000000000000000000001" + "20010db8000000000000000000000080")
        + bytes.fromhex("dc0401bb")
    )


@pytest.mark.parametrize("form", ["v1", "v2-own"])
def test_the_zone_of_a_link_local_address_is_left_out(form: str) -> None:
    zoned = (Endpoint("fe80::1%eth0", 1), Endpoint("fe80::2%eth0", 2))
    plain = (Endpoint("fe80::1", 1), Endpoint("fe80::2", 2))
    assert header(form, *zoned) == header(form, *plain)  # type: ignore[arg-type] # a literal among others


V4_ENDS = st.builds(Endpoint, st.ip_addresses(v=4).map(str), st.integers(1, 65535))
V6_ENDS = st.builds(Endpoint, st.ip_addresses(v=6).map(str), st.integers(1, 65535))
ENDS = st.tuples(V4_ENDS, V4_ENDS) | st.tuples(V6_ENDS, V6_ENDS)


@given(ENDS)
def test_a_version_2_header_is_as_long_as_it_says_and_holds_both_ends(ends: tuple[Endpoint, Endpoint]) -> None:
    made = header("v2-own", *ends)
    assert len(made) == 16 + int.from_bytes(made[14:16])
    size = (len(made) - 20) // 2
    found = [
        Endpoint(
            str(ipaddress.ip_address(made[16 + size * number : 16 + size * (number + 1)])),
            int.from_bytes(made[-4:][2 * number : 2 * number + 2]),
        )
        for number in range(2)
    ]
    assert found == list(ends)


@given(ENDS)
def test_a_version_1_header_fits_the_line_that_receivers_must_take(ends: tuple[Endpoint, Endpoint]) -> None:
    assert len(header("v1", *ends)) <= 107
