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
FORGET_SECONDS = 130
"""For two minutes the kernel counts a connection that has ended."""

RETURN_SECONDS = 60


@pytest.fixture(scope="module")
def phases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Measured]]]:
    """Yield what came of each service under static equal weights, and then under `equalize`, in one run.

    In the end the slowest server behind wlc has been away for so long that the kernel remembers nothing of it.
    """
    with Uneven(tmp_path_factory.mktemp("uneven"), load_ratio=LOAD_RATIO, policy="static") as uneven:
        uneven.live(WARM_UP_SECONDS)
        static = uneven.measure(STATIC_SECONDS)
        uneven.weigh_by("equalize")
        uneven.live(SETTLE_SECONDS)
        equalized = uneven.measure(EQUALIZE_SECONDS)
        uneven.take_out("wlc", "rs1")
        uneven.live(FORGET_SECONDS)
        uneven.put_back("wlc", "rs1")
        yield [static, equalized, uneven.measure(RETURN_SECONDS)]


@pytest.mark.parametrize("scheduler", PORTS)
def test_servers_of_unequal_speed_are_equally_busy_with_equalize_only(
    phases: list[dict[str, Measured]], scheduler: str
) -> None:
    static, equalized, _ = (phase[scheduler] for phase in phases)
    assert set(static.weights.values()) == {100}
    assert static.max_over_avg >= 1.3
    assert equalized.max_over_avg <= 1.05
    assert (static.failed, equalized.failed) == ([], [])


def test_clients_of_an_overloaded_server_no_longer_wait(phases: list[dict[str, Measured]]) -> None:
    static, equalized, _ = (phase["wrr"] for phase in phases)
    assert static.busy["rs1"] > 0.95
    assert 2 * equalized.mean_seconds < static.mean_seconds
    assert 2 * equalized.p99_seconds < static.p99_seconds


def test_who_comes_back_with_no_connections_is_not_flooded_by_wlc(phases: list[dict[str, Measured]]) -> None:
    back = phases[2]["wlc"]
    assert 0.3 < back.busy["rs1"] < 0.85
    assert back.failed == []
