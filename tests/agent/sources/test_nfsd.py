import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.source import SourceError
from feedback.agent.sources.nfsd import Pools, parse_pools, parse_threads, waiting_ratio
from feedback.agent.window import Span

RPC = b"rc 0 0 5\nfh 0 0 0 0 0\nio 0 0\nth 8 0 0.000 0.000 0.000\nra 0 0\nnet 5 0 5 2\n"
POOLS = b"# pool packets-arrived sockets-enqueued threads-woken threads-timedout\n0 100 100 90 0\n1 10 10 10 0\n"


def test_threads_are_counted_on_their_line() -> None:
    assert parse_threads(RPC) == 8
    with pytest.raises(SourceError, match=r"^/proc/net/rpc/nfsd: has no line th$"):
        parse_threads(b"rc 0 0 5\nth\n")


def test_pools_are_summed_up() -> None:
    assert parse_pools(POOLS) == Pools(110, 100)


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [
        (Pools(100, 100), Pools(200, 175), 0.25),
        (Pools(100, 100), Pools(200, 100), 1),
        (Pools(100, 100), Pools(200, 200), 0),
        (Pools(100, 100), Pools(100, 100), 0),  # nobody asked
        (Pools(100, 100), Pools(5, 5), 0),  # the server was started anew
        (Pools(100, 100), Pools(105, 5), 0),
        (Pools(100, 100), Pools(101, 103), 0),  # read between one counter and the other
    ],
)
def test_the_share_that_waited_is_what_woke_no_thread(before: Pools, after: Pools, ratio: float) -> None:
    assert waiting_ratio(Span(before, after, 1.0)) == ratio


@given(st.binary() | st.binary().map(b"# pool\n0 1 2 ".__add__))
def test_any_file_is_read_or_refused(data: bytes) -> None:
    for parse in (parse_threads, parse_pools):
        try:
            parse(data)
        except SourceError as error:
            assert "/proc/" in str(error)  # noqa: PT017 - most examples raise it
