import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.model import Endpoint, Family, ServiceKey, Transport

FORM = "must be an IP address and a port, like 192.0.2.10:80 or [2001:db8::10]:80"


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("192.0.2.10:80", Endpoint("192.0.2.10", 80)),
        ("[2001:db8::10]:443", Endpoint("2001:db8::10", 443)),
        ("[2001:0DB8:0::10]:443", Endpoint("2001:db8::10", 443)),
        ("192.0.2.10", Endpoint("192.0.2.10", 7)),
        ("[2001:db8::10]", Endpoint("2001:db8::10", 7)),
        ("2001:db8::10", Endpoint("2001:db8::10", 7)),
    ],
)
def test_an_endpoint_is_read_in_its_usual_forms(text: str, endpoint: Endpoint) -> None:
    assert Endpoint.parse(text, default_port=7) == endpoint


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("www.example.com:80", f'"www.example.com:80" {FORM}'),
        ("", f'"" {FORM}'),
        ("[2001:db8::10", f'"[2001:db8::10" {FORM}'),
        ("[2001:db8::10]80", f'"[2001:db8::10]80" {FORM}'),
        ("192.0.2.300:80", f'"192.0.2.300:80" {FORM}'),
        ("192.0.2.10", '"192.0.2.10" has no port: write it like 192.0.2.10:80 or [2001:db8::10]:80'),
        ("192.0.2.10:0", '"192.0.2.10:0": the port must be a number from 1 to 65535'),
        ("192.0.2.10:65536", '"192.0.2.10:65536": the port must be a number from 1 to 65535'),
        ("192.0.2.10:", '"192.0.2.10:": the port must be a number from 1 to 65535'),
        ("192.0.2.10:8²", '"192.0.2.10:8²": the port must be a number from 1 to 65535'),
    ],
)
def test_what_is_no_endpoint_is_refused_with_what_would_be(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        Endpoint.parse(text)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_an_endpoint_reads_back_what_it_shows(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    endpoint = Endpoint(str(address), port)
    assert Endpoint.parse(str(endpoint)) == endpoint
    assert endpoint.family is (Family.IPV4 if address.version == 4 else Family.IPV6)


@given(st.text(alphabet="0123456789abf.:[]/", max_size=24))
def test_any_text_is_an_endpoint_or_a_sentence(text: str) -> None:
    try:
        endpoint = Endpoint.parse(text)
    except ValueError:
        return
    assert Endpoint.parse(str(endpoint)) == endpoint


def test_a_service_is_named_by_its_address_or_its_mark() -> None:
    assert str(ServiceKey.at(Transport.TCP, Endpoint("2001:db8::10", 80))) == "tcp [2001:db8::10]:80"
    assert str(ServiceKey.marked(80, Family.IPV6)) == "fwmark 80 ipv6"
