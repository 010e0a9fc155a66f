"""What docs/weights.md says of relief, and its pictures: how they are told and drawn from a run."""

import io

import msgspec
from PIL import Image

from feedback.simulator.cluster import Cluster
from feedback.simulator.measure import Record
from scripts.relief import CALM_SECONDS, LOSS_SECONDS, Relief, relief
from scripts.weights import LATENCIES, as_png, response_figure, step_figure

AFTER_SECONDS = 100


def run(before: float, relieved_after: int) -> Record:
    """Return a server beside one that is at 0.5: this much busier at first, then twice as busy, and then alike."""
    record = Record(["other", "lossy"], LOSS_SECONDS)
    for second in range(1, round(LOSS_SECONDS) + AFTER_SECONDS + 1):
        late = second - LOSS_SECONDS - 1
        busy = 0.5 * before if late < 0 else 1.0 if late < relieved_after else 0.5
        record.second(float(second), [0.5, busy], [100, 100])
    return record


def test_relief_is_when_a_server_is_near_the_mean_and_stays_so() -> None:
    assert relief(run(1.0, 40)) == Relief(0.0, 40)
    again = run(1.0, 20)
    place = round(LOSS_SECONDS) + 22
    again.utilization[1][place] = 1.0
    assert relief(again).seconds == 23


def test_a_server_that_is_never_relieved_took_as_long_as_the_run() -> None:
    assert relief(run(1.0, 1000)).seconds == AFTER_SECONDS - 5


def test_how_far_off_it_was_is_a_mean_over_the_time_before() -> None:
    record = run(1.5, 10)
    assert round(relief(record).off_ratio, 6) == 0.2  # 0.75 beside a mean of 0.625
    record.utilization[1][round(LOSS_SECONDS) - CALM_SECONDS - 1] = 9.0
    assert round(relief(record).off_ratio, 6) == 0.2


def test_the_pictures_are_drawn_and_are_small() -> None:
    short = msgspec.structs.replace(LATENCIES, warm_up_seconds=0.0, duration_seconds=3.0)
    record = Cluster(short).run()
    for figure in (
        step_figure({"one": record, "other": record}),
        response_figure({"wrr": {"one": record}, "wlc": {"one": record}}),
    ):
        picture = Image.open(io.BytesIO(as_png(figure)))
        assert (picture.format, picture.mode, picture.width) == ("PNG", "P", 1000)
