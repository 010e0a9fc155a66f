"""What weights are for: servers of speeds 1, 2 and 4 are equally busy under `equalize`, and were not before."""

from collections.abc import Iterator

import pytest

from tests.lab.uneven import PORTS, Measured, Uneven

pytestmark = pytest.mark.timeout(900)  # of the lab's seconds: most of them are slept through, and cost nothing

LOAD_RATIO = 0.55
"""At equal weights the slowest server is overloaded under wrr, and all together are far from it."""

WARM_UP_SECONDS = 20
STATIC_SECONDS = 40
SETTLE_SECONDS = 180
EQUALIZE_SECONDS = 240
"""For two minutes the kernel counts a connection that has ended, so under wlc bursts come back after as long."""


@pytest.fixture(scope="module")
def phases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Measured]]]:
    """Yield what came of each service under static equal weights, and then under `equalize`, in one run."""
    with Uneven(tmp_path_factory.mktemp("uneven"), load_ratio=LOAD_RATIO, policy="static") as uneven:
        uneven.live(WARM_UP_SECONDS)
        static = uneven.measure(STATIC_SECONDS)
        uneven.weigh_by("equalize")
        uneven.live(SETTLE_SECONDS)
        yield [static, uneven.measure(EQUALIZE_SECONDS)]


@pytest.mark.parametrize("scheduler", PORTS)
def test_servers_of_unequal_speed_are_equally_busy_with_equalize_only(
    phases: list[dict[str, Measured]], scheduler: str
) -> None:
    static, equalized = (phase[scheduler] for phase in phases)
    assert set(static.weights.values()) == {100}
    assert static.max_over_avg >= 1.3
    assert equalized.max_over_avg <= 1.05
    assert (static.failed, equalized.failed) == ([], [])


def test_clients_of_an_overloaded_server_no_longer_wait(phases: list[dict[str, Measured]]) -> None:
    static, equalized = (phase["wrr"] for phase in phases)
    assert static.busy["rs1"] > 0.95
    assert 2 * equalized.mean_seconds < static.mean_seconds
    assert 2 * equalized.p99_seconds < static.p99_seconds
