import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.place import HttpUrl, Place, parse_http_url, parse_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:6379", Place("127.0.0.1", 6379)),
        ("[::1]:6379", Place("::1", 6379)),
        ("db.example.com:5432", Place("db.example.com", 5432)),
        ("/run/redis.sock", Place(path="/run/redis.sock")),
    ],
)
def test_a_place_is_read_and_written_alike(text: str, place: Place) -> None:
    assert parse_place(text) == place
    assert str(place) == text


@pytest.mark.parametrize("value", ["", "localhost", ":80", "a:0", "a:65536", "a:b", "::1:80", "run/redis", 80, "/a\0b"])
def test_what_is_no_place_is_told_what_would_be_right(value: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a host and a port, like 127\.0\.0\.1:6379, or the path of a Unix"):
        parse_place(value)


def test_a_sockets_path_has_room_for_so_much() -> None:
    assert parse_place("/" + 106 * "a").path
    with pytest.raises(ValueError, match=r"^must be the path of a Unix socket, which has at most 107 bytes$"):
        parse_place("/" + 107 * "a")


@pytest.mark.parametrize(
    ("text", "place", "host", "target", "tls"),
    [
        ("http://127.0.0.1", Place("127.0.0.1", 80), "127.0.0.1", "/", False),
        ("http://[::1]:8080/status?auto", Place("::1", 8080), "[::1]:8080", "/status?auto", False),
        ("https://www.example.com/a", Place("www.example.com", 443), "www.example.com", "/a", True),
    ],
)
def test_a_url_says_where_to_connect_and_what_to_ask(
    text: str, place: Place, host: str, target: str, *, tls: bool
) -> None:
    assert parse_http_url(text) == HttpUrl(text, place, host, target, tls)
    assert str(parse_http_url(text)) == text


@pytest.mark.parametrize(
    "value",
    ["", "127.0.0.1", "ftp://a/", "http://", "http://a:0/", "http://a:b/", "http://a/ b", "http://ä/", "http://[", 7],
)
def test_what_is_no_url_is_told_what_would_be_right(value: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a URL, like http://127\.0\.0\.1/status$"):
        parse_http_url(value)


@pytest.mark.parametrize("text", ["http://user:secret@a/", "http://a/#b"])
def test_a_url_has_neither_password_nor_fragment(text: str) -> None:
    with pytest.raises(ValueError, match="with neither a user nor a fragment in it") as caught:
        parse_http_url(text)
    assert "secret" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_place_or_told_off(text: str) -> None:
    for parse in (parse_place, parse_http_url):
        for prefix in ("", "http://", "/"):
            try:
                parse(prefix + text)
            except ValueError as error:
                assert str(error).startswith("must be")  # noqa: PT017 - most examples raise it
