from pathlib import Path

import pytest

from feedback.errors import FeedbackError
from feedback.simulator.compare import as_table, known_policies, simulate
from feedback.simulator.measure import Figures
from feedback.simulator.plots import write_plots
from feedback.simulator.scenario import Scenario, ServerSpec, Stream
from feedback.simulator.yardsticks import YARDSTICKS

SMALL = Scenario(
    name="small",
    scheduler="wrr",
    servers={"a": ServerSpec(), "b": ServerSpec(speed=2.0)},
    warm_up_seconds=20.0,
    duration_seconds=40.0,
)


@pytest.mark.parametrize("policy", known_policies())
def test_every_policy_runs(policy: str) -> None:
    figures = simulate(SMALL, policy).figures(policy)
    assert figures.policy == policy
    assert figures.requests > 500
    assert figures.failed == 0


def test_the_director_s_policies_come_first_and_the_yardsticks_are_not_among_them() -> None:
    names = known_policies()
    assert {"static", "availability", "equalize"} <= set(names[: -len(YARDSTICKS)])
    assert names[-len(YARDSTICKS) :] == list(YARDSTICKS)


def test_a_policy_that_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(FeedbackError, match='there is no policy "magic"; there are: availability, equalize, '):
        simulate(SMALL, "magic")


def figures(policy: str, mean_ms: float | None) -> Figures:
    return Figures(
        policy=policy,
        utilization={},
        max_over_avg=1.0423,
        mean_ms=mean_ms,
        p50_ms=mean_ms,
        p99_ms=mean_ms,
        requests=9,
        failed=3,
        churn=0.126,
        writes_per_hour=7.04,
        swing=0.0312,
    )


def test_the_table_stands_in_columns() -> None:
    assert as_table([figures("static", 12.34), figures("equalize", None), figures("x", 12345.6)]).splitlines() == [
        "policy    max/avg  mean ms  p50 ms  p99 ms  failed  churn/min  writes/h  swing",
        "static      1.042     12.3    12.3    12.3       3       0.13       7.0   3.1%",
        "equalize    1.042        -       -       -       3       0.13       7.0   3.1%",
        "x           1.042    12346   12346   12346       3       0.13       7.0   3.1%",
    ]


def test_plots_are_pictures_one_for_each_policy_and_one_of_response_times(tmp_path: Path) -> None:
    records = {policy: simulate(SMALL, policy) for policy in ("static", "equalize")}
    files = write_plots(tmp_path / "new", records)
    assert [file.name for file in files] == ["static.png", "equalize.png", "response-times.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_without_requests_there_is_no_picture_of_response_times(tmp_path: Path) -> None:
    held = Scenario(
        name="held",
        servers=SMALL.servers,
        streams={"held": Stream(kind="connection")},
        warm_up_seconds=5.0,
        duration_seconds=5.0,
    )
    assert [file.name for file in write_plots(tmp_path, {"static": simulate(held, "static")})] == ["static.png"]
