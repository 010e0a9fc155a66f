import pytest

from feedback.checks.codecs import rstat, xdr
from feedback.errors import CheckFailed

RESULTS = xdr.uint(100, 20, 30, 850, *range(14), 384, 256, 128)


def test_cpu_time_and_the_load_of_the_last_minute_are_read() -> None:
    found = rstat.read_stats(xdr.Reader(RESULTS))
    assert found == rstat.Statistics((100, 20, 30, 850), 1.5)
    assert found.cpu_time[rstat.IDLE] == 850


@pytest.mark.parametrize("count", [0, 15, 4 * 18])
def test_an_answer_that_ends_too_early_is_refused(count: int) -> None:
    with pytest.raises(CheckFailed, match="protocol: the answer ends too early"):
        rstat.read_stats(xdr.Reader(RESULTS[:count]))
