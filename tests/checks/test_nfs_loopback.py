"""The `nfs` check against NFS-Ganesha: minor versions 0 and 1, every step of the dialogue spoilt, and a stopped server.

Version 3 needs rpcbind at port 111: it is tested in the lab, on the kernel's own server.
"""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from feedback.checks.nfs import NfsCheck
from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.peers import check_once
from tests.checks.servers.ganesha import EXPORT, ganesha
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step

pytestmark = pytest.mark.loopback

HANGING_SECONDS = 1.0

Server = tuple[Endpoint, subprocess.Popen[bytes]]


@pytest.fixture(scope="module", params=["0, 1, 2", "1, 2"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """Return a server, its process, and the minor version that it is to be asked in."""
    minor_versions: str = request.param
    with ganesha(tmp_path_factory.mktemp("ganesha"), minor_versions) as started:
        yield started, int(minor_versions[0])


def export(path: str = EXPORT, **options: Any) -> NfsCheck:
    return NfsCheck(export=path, privileged_port=False, **options)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_and_its_export_answer(server: tuple[Server, int], address: str) -> None:
    (endpoint, _), minor_version = server
    at = Endpoint(address, endpoint.port)
    assert await check_once(NfsCheck(), at) == (Outcome.PASS, "", f"NFS 4.{minor_version}")
    assert await check_once(export(), at) == (Outcome.PASS, "", f"NFS 4.{minor_version}, {EXPORT} answers")


async def test_an_export_that_is_not_there_fails(server: tuple[Server, int]) -> None:
    (endpoint, _), _ = server
    assert await check_once(export("/srv/nothing"), endpoint) == (
        Outcome.FAIL,
        "status",
        "nfs COMPOUND /srv/nothing: LOOKUP nothing: NFS4ERR_NOENT: there is no such file or directory",
    )


async def test_a_version_that_the_server_does_not_have_fails(server: tuple[Server, int]) -> None:
    (endpoint, _), _ = server
    outcome, reason, detail = await check_once(NfsCheck(version=3), endpoint)
    assert (outcome, reason) == (Outcome.FAIL, "status")
    assert detail.startswith("nfs NULL: PROG_MISMATCH: the server has versions 4 to 4")


async def test_a_space_that_the_server_does_not_tell_fails_where_it_is_wanted(server: tuple[Server, int]) -> None:
    (endpoint, _), _ = server
    assert await check_once(export(min_free=0.1), endpoint) == (
        Outcome.FAIL,
        "content",
        f"nfs COMPOUND {EXPORT}: the server does not say how much space the export has",
    )


async def test_a_server_fails_at_every_step(server: tuple[Server, int]) -> None:
    (endpoint, _), minor_version = server
    steps = (
        8 if minor_version else 3
    )  # NULL and a COMPOUND; or one in vain, two for a session, one in it, two to end it
    await fails_at_every_step(export(), endpoint, steps)


async def test_a_server_that_is_stopped_gives_no_answer(server: tuple[Server, int]) -> None:
    (endpoint, process), minor_version = server
    with stopped(process):
        assert await check_once(NfsCheck(), endpoint, HANGING_SECONDS) == (
            Outcome.FAIL,
            "timeout",
            f"nfs NULL: no answer from {endpoint} within 1 s",
        )
    assert await check_once(NfsCheck(), endpoint) == (Outcome.PASS, "", f"NFS 4.{minor_version}")


async def test_a_port_on_which_nobody_listens_refuses() -> None:
    with peers.unheard() as bound:
        endpoint = peers.endpoint_of(bound)
        refused = (Outcome.FAIL, "refused", f"nfs: connection refused by {endpoint}")
        assert await check_once(NfsCheck(), endpoint) == refused
