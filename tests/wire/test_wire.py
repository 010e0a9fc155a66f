"""What agents and directors of every release have said to each other, as bytes: it must be understood for ever.

A release that adds a field or a frame adds a file of its own, which from then on never changes.
"""

import json
from pathlib import Path

import msgspec
import pytest

from feedback.report import (
    Accepted,
    AgentFrame,
    DirectorFrame,
    Goodbye,
    Hello,
    HostState,
    Renewed,
    Report,
    SetWish,
    Wish,
    decode_agent_frame,
    decode_director_frame,
)

HERE = Path(__file__).parent
RECORDED = {path.stem: json.loads(path.read_text()) for path in sorted(HERE.glob("*.json"))}
FRAMES = [(release, name, bytes.fromhex(data)) for release, named in RECORDED.items() for name, data in named.items()]

FROM_AGENTS: dict[str, AgentFrame] = {
    "hello": Hello("rs1", 1, Wish.READY, 1.0),
    "hello that drains": Hello("rs1.example", 1, Wish.DRAIN, 0.5),
    "report": Report({"cpu": 0.5, "queue.mail": 1.25}, {"disk": "no such file"}, 7, 1795237440.25),
    "empty report": Report({}),
    "report of a state": Report(
        {"cpu": 0.5}, {}, 8, 1795237441.25, state=HostState.DOWN, why="nobody listens on port 80"
    ),
    "wish": SetWish(Wish.DRAIN),
    "goodbye": Goodbye("the agent was told to end"),
}
FROM_DIRECTORS: dict[str, DirectorFrame] = {
    "accepted": Accepted(Wish.READY),
    "renewed": Renewed("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"),
    "renewed with authorities": Renewed(
        "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMQ==\n-----END CERTIFICATE-----\n",
    ),
}


def decode(name: str, data: bytes) -> AgentFrame | DirectorFrame:
    return decode_director_frame(data) if name in FROM_DIRECTORS else decode_agent_frame(data)


@pytest.mark.parametrize(("release", "name", "data"), FRAMES, ids=[f"{release} {name}" for release, name, _ in FRAMES])
def test_what_every_release_has_said_is_understood(release: str, name: str, data: bytes) -> None:
    assert release
    assert decode(name, data) == {**FROM_AGENTS, **FROM_DIRECTORS}[name]


@pytest.mark.parametrize(("release", "name", "data"), FRAMES, ids=[f"{release} {name}" for release, name, _ in FRAMES])
def test_what_a_later_release_may_add_is_ignored(release: str, name: str, data: bytes) -> None:
    assert release
    later = {**msgspec.msgpack.decode(data), "added": {"later": [1, 2.5, None]}}
    assert decode(name, msgspec.msgpack.encode(later)) == decode(name, data)


@pytest.mark.parametrize(("release", "name", "data"), FRAMES, ids=[f"{release} {name}" for release, name, _ in FRAMES])
def test_a_word_that_a_later_release_may_add_counts_as_ready(release: str, name: str, data: bytes) -> None:
    assert release
    fields = msgspec.msgpack.decode(data)
    later = {**fields, **{field: "later" for field in ("state", "wish") if field in fields}}
    ready = {**fields, **{field: "ready" for field in ("state", "wish") if field in fields}}
    if name not in FROM_DIRECTORS:  # what a director accepts, an agent has asked for
        assert decode(name, msgspec.msgpack.encode(later)) == decode(name, msgspec.msgpack.encode(ready))


def test_every_frame_there_is_has_been_recorded() -> None:
    newest = RECORDED[max(RECORDED)]
    assert newest.keys() == FROM_AGENTS.keys() | FROM_DIRECTORS.keys()
