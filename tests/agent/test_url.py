import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.url import DirectorUrl, parse_director_url


@pytest.mark.parametrize(
    ("text", "url", "host_header"),
    [
        ("ws://10.2.0.1:8600/agent", DirectorUrl("10.2.0.1", 8600, "/agent"), "10.2.0.1:8600"),
        ("ws://[2001:db8::1]:8600/agent", DirectorUrl("2001:db8::1", 8600, "/agent"), "[2001:db8::1]:8600"),
        ("ws://lvs1.example:80", DirectorUrl("lvs1.example", 80, "/"), "lvs1.example:80"),
        ("wss://lvs1:8600/agent", DirectorUrl("lvs1", 8600, "/agent", secure=True), "lvs1:8600"),
        ("WS://LVS1.Example:80", DirectorUrl("lvs1.example", 80, "/"), "lvs1.example:80"),
        ("ws://lvs1:80?b=c", DirectorUrl("lvs1", 80, "/?b=c"), "lvs1:80"),
        ("ws://[fe80::1%eth0]:80/agent", DirectorUrl("fe80::1%eth0", 80, "/agent"), "[fe80::1%eth0]:80"),
        ("ws://lvs1.example:80/a?b=c", DirectorUrl("lvs1.example", 80, "/a?b=c"), "lvs1.example:80"),
    ],
)
def test_a_url_says_where_to_connect_and_what_to_ask_for(text: str, url: DirectorUrl, host_header: str) -> None:
    assert parse_director_url(text) == url
    assert url.host_header == host_header


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.2.0.1:8600",
        "http://10.2.0.1:8600/agent",
        "ws://:8600/agent",
        "ws://10.2.0.1:port/agent",
        "ws://10.2.0.1:65536/agent",
        "ws://[10.2.0.1:8600/agent",
        "ws://user@10.2.0.1:8600/agent",
        "ws://10.2.0.1:8600/agent#here",
        "ws://10.2.0.1:8600/a b",
        "ws://10.2.0.1:8600/a\r\nX: y",
    ],
)
def test_what_is_not_a_directors_url_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be the URL of a director, like ws://192\.0\.2\.1:8600/agent"):
        parse_director_url(text)


@pytest.mark.parametrize("text", ["ws://10.2.0.1/agent", "ws://10.2.0.1:0/agent"])
def test_a_url_without_a_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"has no port: write it like ws://192\.0\.2\.1:8600/agent"):
        parse_director_url(text)


@given(st.one_of(st.text(), st.text().map(lambda rest: f"ws://{rest}")))
def test_any_text_is_a_url_or_a_sentence(text: str) -> None:
    with contextlib.suppress(ValueError):
        url = parse_director_url(text)
        assert url.host
        assert 1 <= url.port <= 65535
        assert url.target.isprintable()
