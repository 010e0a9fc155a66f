import contextlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.source import SourceError
from feedback.agent.sources.network import (
    NetworkSource,
    Traffic,
    busiest,
    parse_capacity,
    parse_default_route,
    parse_dev,
    parse_speed,
    rate,
    show_capacity,
)
from feedback.agent.window import Span

DEV = b"""\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0: 182224101    5972    0    0    0     0          0         0   386596    3434    0    0    0     0       0          0
eth0:1: 7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0
"""  # noqa: E501 - as the kernel writes it
ROUTE = (
    b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    b"wlan0\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
    b"eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    b"eth1\t00000000\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
)


def span(before: Mapping[str, Traffic], after: Mapping[str, Traffic]) -> Span[Mapping[str, Traffic]]:
    return Span(before, after, 2.0)


def test_bytes_received_and_sent_are_read_for_every_interface() -> None:
    assert parse_dev(DEV) == {
        "lo": Traffic(3193, 3193),
        "eth0": Traffic(182224101, 386596),
        "eth0:1": Traffic(7, 8),
    }


def test_of_one_interface_nothing_but_its_line_is_read() -> None:
    assert parse_dev(DEV, "eth0") == {"eth0": Traffic(182224101, 386596)}
    assert parse_dev(DEV, "eth1") == {}


@pytest.mark.parametrize("line", [b"eth0", b"eth0: 1 2 3", b"eth0: a 1 1 1 1 1 1 1 1"])
def test_what_is_not_proc_net_dev_is_an_error(line: bytes) -> None:
    with pytest.raises(SourceError, match=r"^/proc/net/dev: "):
        parse_dev(b"\n\n" + line + b"\n")


def test_the_default_route_with_the_lowest_metric_decides() -> None:
    assert parse_default_route(ROUTE) == "eth0"
    assert parse_default_route(b"Iface\n") is None


def test_the_busier_direction_decides() -> None:
    before = {"eth0": Traffic(1000, 1000)}
    assert rate(span(before, {"eth0": Traffic(2000, 1500)}), "eth0") == 4000
    assert rate(span(before, {"eth0": Traffic(1000, 3000)}), "eth0") == 8000


def test_a_link_that_was_made_anew_is_idle_and_not_negative() -> None:
    assert rate(span({"eth0": Traffic(1000, 1000)}, {"eth0": Traffic(0, 0)}), "eth0") == 0


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match=r"^there is no interface eth7$"):
        rate(span({}, {"eth0": Traffic(0, 0)}), "eth7")


def test_the_busiest_interface_is_not_the_loopback() -> None:
    before = {"lo": Traffic(0, 0), "a": Traffic(0, 0), "b": Traffic(0, 0)}
    after = {"lo": Traffic(99, 99), "a": Traffic(1, 1), "b": Traffic(5, 5), "new": Traffic(50, 50)}
    assert busiest(span(before, after)) == "b"


def test_a_host_with_nothing_but_the_loopback_is_told_in_words() -> None:
    with pytest.raises(SourceError, match=r"^there is no interface but the loopback$"):
        busiest(span({"lo": Traffic(0, 0)}, {"lo": Traffic(1, 1)}))


def test_a_speed_is_in_megabits() -> None:
    assert parse_speed(b"10000\n") == 1e10


@pytest.mark.parametrize("data", [b"-1\n", b"", b"0\n"])
def test_a_virtual_links_speed_is_not_known(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^speed: "):
        parse_speed(data)


@pytest.mark.parametrize(
    ("text", "bits_per_second"),
    [("64kbit", 64e3), ("0.5kbit", 500), ("100Mbit", 1e8), ("2.5Gbit", 2.5e9), ("1Tbit", 1e12)],
)
def test_a_capacity_has_a_unit(text: str, bits_per_second: float) -> None:
    assert parse_capacity(text) == bits_per_second
    assert parse_capacity(show_capacity(bits_per_second)) == bits_per_second


@pytest.mark.parametrize("value", ["", "1000", 1000, "0Mbit", "1 Gbit", "1GB", "-1Gbit", None])
def test_what_is_no_capacity_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match=r"must be a capacity, like 100Mbit or 2\.5Gbit"):
        parse_capacity(value)


@given(st.binary())
def test_any_bytes_are_values_or_one_named_error(data: bytes) -> None:
    for parse in (parse_dev, parse_default_route, parse_speed):
        with contextlib.suppress(SourceError):
            parse(data)


@pytest.mark.loopback
async def test_this_hosts_loopback_is_measured() -> None:
    source = NetworkSource(interface="lo", capacity=1e9)
    assert (await source.sample()).ratio >= 0
    assert (await source.sample()).ratio >= 0


@pytest.mark.loopback
async def test_an_interface_without_a_known_speed_needs_a_capacity() -> None:
    with pytest.raises(SourceError, match=r"^the speed of lo is not known: give its capacity, like `capacity: 1Gbit`$"):
        await NetworkSource(interface="lo").sample()
