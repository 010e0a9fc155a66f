"""Where redirects lead: references as RFC 3986 resolves them, and what is another service."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.http_message import Head
from feedback.checks.codecs.http_redirect import Origin, Way, way
from feedback.errors import CheckFailed

HERE = Origin("http", "www.example.com", "/a/b?c=d", frozenset({8080, 80}))
SECURE = Origin("https", "www.example.com:8443", "/", frozenset({9443}))


def redirect(location: str, status: int = 302) -> Head:
    return Head(status, f"{status} Moved", (("location", location),))


@pytest.mark.parametrize(
    ("location", "host", "path"),
    [
        ("/new", "www.example.com", "/new"),
        ("new", "www.example.com", "/a/new"),
        ("../new?x=y", "www.example.com", "/new?x=y"),
        ("?x=y", "www.example.com", "/a/b?x=y"),
        ("/new#part", "www.example.com", "/new"),
        ("//other.example.com", "other.example.com", "/"),
        ("http://other.example.com/x", "other.example.com", "/x"),
        ("HTTP://other.example.com/x", "other.example.com", "/x"),
        ("http://www.example.com:8080/x", "www.example.com:8080", "/x"),
        ("http://user:word@www.example.com/x", "www.example.com", "/x"),
        ("http://[2001:db8::1]:8080?q", "[2001:db8::1]:8080", "/?q"),
        ("http://www.example.com//x", "www.example.com", "//x"),
        ("", "www.example.com", None),
    ],
)
def test_a_location_is_resolved_against_where_it_came_from(location: str, host: str, path: str | None) -> None:
    if path is None:
        with pytest.raises(CheckFailed, match="its Location is not a URL"):
            way(redirect(location), "GET", HERE)
    else:
        assert way(redirect(location), "GET", HERE) == Way(host, path, "GET")


@pytest.mark.parametrize(
    ("location", "path"),
    [("https://www.example.com:8443/x", "/x"), ("https://www.example.com:9443/x", "/x"), ("/x", "/x")],
)
def test_the_port_may_be_the_one_that_was_asked_for_or_the_server_s_own(location: str, path: str) -> None:
    found = way(redirect(location), "GET", SECURE)
    assert found is not None
    assert found.path == path


@pytest.mark.parametrize(
    ("origin", "location", "shown"),
    [
        (HERE, "https://www.example.com/x", "https://www.example.com/x"),
        (HERE, "http://www.example.com:81/x", "http://www.example.com:81/x"),
        (HERE, "ftp://www.example.com/x", "ftp://www.example.com/x"),
        (HERE, "http://user:word@www.example.com:81/", "http://www.example.com:81/"),
        (SECURE, "http://www.example.com:8443/", "http://www.example.com:8443/"),
        (SECURE, "https://www.example.com/", "https://www.example.com/"),
    ],
)
def test_a_redirect_to_another_service_is_a_failure(origin: Origin, location: str, shown: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        way(redirect(location), "GET", origin)
    assert (caught.value.reason, caught.value.detail) == (
        "content",
        f"302 Moved leads to {shown}, which is another service",
    )


@pytest.mark.parametrize(
    "location",
    ["http://[x", "http://a:b/", "http://a:99999/", "/a b", "/sch\xf6n", "/a\rb", "http://:80/"],
)
def test_what_is_no_url_is_a_failure(location: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        way(redirect(location), "GET", HERE)
    assert caught.value.reason == "protocol"
    assert caught.value.detail.startswith("its Location is not a URL: ")


@pytest.mark.parametrize("head", [Head(200, "200 OK", (("location", "/"),)), Head(304, "304"), Head(302, "302 Found")])
def test_what_is_no_redirect_leads_nowhere(head: Head) -> None:
    assert way(head, "GET", HERE) is None


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "GET", "GET"),
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (302, "PUT", "PUT"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (308, "HEAD", "HEAD"),
    ],
)
def test_the_method_goes_on_as_the_status_says(status: int, method: str, then: str) -> None:
    found = way(redirect("/", status), method, HERE)
    assert found is not None
    assert found.method == then


@given(st.text(max_size=30) | st.lists(st.sampled_from("http:/[]@?#.%\\0:9a\t"), max_size=20).map("".join))
def test_any_location_leads_to_a_path_that_can_be_asked_for_or_is_a_failure(location: str) -> None:
    with contextlib.suppress(CheckFailed):
        found = way(redirect(location), "GET", HERE)
        assert found is not None
        assert found.path.startswith("/")
        assert (found.path + found.host).isascii()
        assert (found.path + found.host).isprintable()
        assert " " not in found.path + found.host
