import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.source import SourceError
from feedback.agent.sources.load import LoadSource, parse_loadavg


def test_the_average_of_the_last_minute_is_read() -> None:
    assert parse_loadavg(b"1.25 0.50 0.10 2/345 6789\n") == 1.25


@pytest.mark.parametrize("data", [b"", b"\n", b"high\n", b"nan 1 1\n", b"-1 0 0\n", b"inf 0 0\n"])
def test_what_is_not_a_load_average_is_an_error(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^/proc/loadavg: b'.*' where a load average should be$"):
        parse_loadavg(data)


@given(st.binary())
def test_any_bytes_are_a_value_or_one_named_error(data: bytes) -> None:
    with contextlib.suppress(SourceError):
        assert parse_loadavg(data) >= 0


@pytest.mark.loopback
async def test_this_hosts_load_is_measured() -> None:
    assert (await LoadSource().sample()).ratio >= 0
