"""The dashboard's files, and how they are served. What they look like, the picture in the README shows."""

import re
from collections.abc import AsyncIterator
from typing import get_args

import pytest

from feedback.director.dashboard import FILES, STATIC
from feedback.director.snapshot import CheckView, DestinationView, ServiceView, Snapshot
from feedback.director.weights import Bound, Terms
from tests.director.served import Served, served

HTML = (STATIC / "index.html").read_text()
SCRIPT = (STATIC / "dashboard.js").read_text()
STYLE = (STATIC / "dashboard.css").read_text()


@pytest.fixture
async def director() -> AsyncIterator[Served]:
    async with served() as director:
        yield director


@pytest.mark.loopback
@pytest.mark.parametrize("path", FILES)
async def test_each_file_is_served_as_what_it_is_and_may_load_nothing_from_elsewhere(
    director: Served, path: str
) -> None:
    name, content_type = FILES[path]
    async with director.session.get(director.url + path) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == f"{content_type}; charset=utf-8"
        assert await response.read() == (STATIC / name).read_bytes()
        policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"


def test_every_file_is_served() -> None:
    assert {path.name for path in STATIC.iterdir()} == {name for name, _ in FILES.values()}


def test_nothing_refers_to_another_host() -> None:
    addresses = re.findall(r"(?:https?:)?//[\w-]+\.[^\s\"']+", HTML + SCRIPT + STYLE)
    assert addresses == ["http://www.w3.org/2000/svg"]  # a namespace, which nothing loads


def test_nothing_in_the_page_needs_a_looser_policy() -> None:
    assert re.findall(r"<script>|<style|\son\w+=|\sstyle=", HTML) == []


def test_what_servers_say_never_becomes_markup() -> None:
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", SCRIPT) == []


def test_the_script_finds_every_element_that_it_asks_for() -> None:
    asked = set(re.findall(r'byId\("(\w+)"\)', SCRIPT))
    assert asked
    assert asked <= set(re.findall(r'id="(\w+)"', HTML))


def test_the_script_reads_only_what_the_api_says() -> None:
    kinds = (Snapshot, ServiceView, DestinationView, CheckView, Terms)
    known = {field for kind in kinds for field in kind.__struct_fields__}
    read = set(re.findall(r"\b(?:seen|service|snapshot|check|weighing)\.(\w+)", SCRIPT))
    assert {"utilization", "base_weight", "why", "outcome", "weight_ratio", "weighing", "wanted_weight"} <= read
    assert read <= known


def test_the_script_has_words_for_every_bound() -> None:
    (words,) = re.findall(r"const BOUNDS = \{(.*?)\};", SCRIPT, re.DOTALL)
    assert set(re.findall(r"(\w+): \"", words)) == set(get_args(Bound)) - {""}
