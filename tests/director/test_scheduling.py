import math
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.scheduling import SCHEDULERS, Lingering, Scheduler, Templates, overhead

HASHING = {"sh", "mh"}  # these refuse clients who fall on a place of weight 0

weight_tables = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 12), max_size=6)


def make(name: str, weights: Mapping[str, int]) -> Scheduler[str]:
    scheduler: Scheduler[str] = SCHEDULERS[name]()
    scheduler.update(weights)
    return scheduler


def idle(_key: str) -> int:
    return 0


def sequence(scheduler: Scheduler[str], count: int) -> str:
    return "".join(scheduler.choose(idle, 0) or "-" for _ in range(count))


def connect(scheduler: Scheduler[str], keys: str, count: int) -> Counter[str]:
    """Open connections that never end, and return how many each destination has."""
    active = Counter(dict.fromkeys(keys, 0))
    for _ in range(count):
        chosen = scheduler.choose(lambda key: scheduler.cost(active[key], 0), 0)
        assert chosen is not None
        active[chosen] += 1
    return active


def test_an_active_connection_costs_as_much_as_256_inactive_ones() -> None:
    assert overhead(3, 5) == 3 * 256 + 5


@pytest.mark.parametrize(
    ("name", "weights", "expected"),
    [
        ("rr", {"a": 1, "b": 9, "c": 1}, "abcabca"),
        ("rr", {"a": 1, "b": 0, "c": 1}, "acacac"),
        ("rr", {"a": 1}, "aaa"),
        ("wrr", {"a": 1, "b": 1}, "abab"),
        ("wrr", {"a": 4, "b": 3, "c": 2}, "aababcabcaababcabc"),
        ("wrr", {"a": 1, "b": 2, "c": 3}, "cbcabccbcabc"),
        ("wrr", {"a": 2, "b": 4, "c": 6}, "cbcabccbcabc"),
        ("wrr", {"a": 30, "b": 20}, "aababaabab"),
        ("wrr", {"a": 3, "b": 0, "c": 1}, "aaacaaac"),
        ("lc", {"a": 1, "b": 9}, "aaa"),
        ("lc", {"a": 0, "b": 9}, "bbb"),
        ("wlc", {"a": 1, "b": 9}, "aaa"),
        ("wlc", {"a": 0, "b": 9}, "bbb"),
    ],
)
def test_the_sequence_over_idle_destinations_is_the_kernels(
    name: str, weights: Mapping[str, int], expected: str
) -> None:
    assert sequence(make(name, weights), len(expected)) == expected


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("weights", [{}, {"a": 0}, {"a": 0, "b": 0}])
def test_without_a_weight_above_zero_nothing_is_chosen(name: str, weights: Mapping[str, int]) -> None:
    assert make(name, weights).choose(idle, 0) is None


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_destination_that_comes_back_is_chosen_again(name: str) -> None:
    scheduler = make(name, {"a": 0})
    assert scheduler.choose(idle, 0) is None
    scheduler.update({"a": 5})
    assert scheduler.choose(idle, 0) == "a"


@pytest.mark.parametrize("name", SCHEDULERS)
@given(weights=weight_tables, more=weight_tables, count=st.integers(0, 30))
def test_what_is_chosen_is_in_the_table_with_a_weight_above_zero(
    name: str, weights: dict[str, int], more: dict[str, int], count: int
) -> None:
    scheduler = make(name, weights)
    for table in (weights, more):
        scheduler.update(table)
        for client in range(count):
            key = scheduler.choose(idle, client)
            if key is None:
                assert not any(table.values()) or (name in HASHING and not all(table.values()))
            else:
                assert table[key] > 0


@given(weights=weight_tables.filter(lambda weights: any(weights.values())), cycles=st.integers(1, 3))
def test_wrr_shares_are_the_weights_over_a_full_cycle(weights: dict[str, int], cycles: int) -> None:
    divisor = math.gcd(*weights.values())
    chosen = Counter(sequence(make("wrr", weights), cycles * sum(weights.values()) // divisor))
    assert chosen == {key: cycles * weight // divisor for key, weight in weights.items() if weight}


@given(weights=weight_tables.filter(lambda weights: any(weights.values())), factor=st.integers(1, 50))
def test_wrr_gives_the_same_sequence_for_weights_in_the_same_proportion(weights: dict[str, int], factor: int) -> None:
    multiplied = {key: weight * factor for key, weight in weights.items()}
    assert sequence(make("wrr", weights), 40) == sequence(make("wrr", multiplied), 40)


@given(weights=weight_tables.filter(lambda weights: any(weights.values())))
def test_rr_shares_are_equal(weights: dict[str, int]) -> None:
    alive = [key for key, weight in weights.items() if weight]
    assert sequence(make("rr", weights), 3 * len(alive)) == "".join(alive) * 3


def test_rr_goes_on_behind_the_last_chosen_when_others_come() -> None:
    scheduler = make("rr", {"a": 1, "b": 1})
    assert scheduler.choose(idle, 0) == "a"
    scheduler.update({"x": 1, "a": 1, "b": 1})
    assert sequence(scheduler, 3) == "bxa"


def test_rr_goes_on_with_the_follower_when_the_last_chosen_is_removed() -> None:
    scheduler = make("rr", {"a": 1, "b": 1, "c": 1})
    assert sequence(scheduler, 2) == "ab"
    scheduler.update({"a": 1, "c": 1})
    assert scheduler.choose(idle, 0) == "c"


def test_rr_starts_at_the_front_when_all_up_to_the_last_chosen_are_removed() -> None:
    scheduler = make("rr", {"a": 1, "b": 1, "c": 1})
    assert sequence(scheduler, 2) == "ab"
    scheduler.update({"c": 1, "d": 1})
    assert sequence(scheduler, 2) == "cd"


def test_wrr_keeps_its_bar_but_starts_at_the_front_when_a_weight_changes() -> None:
    scheduler = make("wrr", {"a": 1, "b": 2, "c": 3})
    assert sequence(scheduler, 2) == "cb"  # the bar stands at 2
    scheduler.update({"a": 1, "b": 3, "c": 3})
    assert sequence(scheduler, 6) == "bcabcb"


def test_wrr_fits_its_bar_to_a_new_divisor() -> None:
    scheduler = make("wrr", {"a": 1, "b": 9})
    assert sequence(scheduler, 3) == "bbb"  # the bar stands at 7
    scheduler.update({"a": 4, "b": 12})  # 7 // 4 * 4 + 1: the bar stands at 5
    assert sequence(scheduler, 6) == "babbba"


def test_wrr_lowers_its_bar_to_a_smaller_maximum() -> None:
    scheduler = make("wrr", {"a": 1, "b": 9})
    assert sequence(scheduler, 1) == "b"
    scheduler.update({"a": 2, "b": 1})
    assert sequence(scheduler, 3) == "aab"


def test_lc_chooses_the_least_overhead_and_the_first_of_equals() -> None:
    scheduler = make("lc", {"a": 1, "b": 1, "c": 100})
    assert scheduler.choose({"a": overhead(1, 0), "b": overhead(0, 255), "c": overhead(1, 1)}.__getitem__, 0) == "b"
    assert scheduler.choose({"a": 7, "b": 5, "c": 5}.__getitem__, 0) == "b"


def test_wlc_chooses_the_least_overhead_for_its_weight_and_the_first_of_equals() -> None:
    scheduler = make("wlc", {"a": 1, "b": 2, "c": 4})
    assert scheduler.choose({"a": 256, "b": 511, "c": 1024}.__getitem__, 0) == "b"
    assert scheduler.choose({"a": 256, "b": 512, "c": 1024}.__getitem__, 0) == "a"


def test_sed_counts_the_next_connection_and_no_inactive_ones() -> None:
    scheduler = make("sed", {"a": 1, "b": 3})
    assert (scheduler.cost(0, 99), scheduler.cost(4, 0)) == (1, 5)
    assert connect(make("sed", {"a": 1, "b": 3}), "ab", 4) == {"a": 1, "b": 3}
    assert scheduler.choose({"a": 1, "b": 3}.__getitem__, 0) == "a"  # 1/1 and 3/3: the first of equals
    assert scheduler.choose({"a": 2, "b": 5}.__getitem__, 0) == "b"


def test_nq_takes_an_idle_destination_at_once_and_else_does_as_sed() -> None:
    scheduler = make("nq", {"a": 100, "b": 1, "c": 0})
    assert scheduler.choose({"a": 2, "b": 1}.__getitem__, 0) == "b"
    assert make("sed", {"a": 100, "b": 1}).choose({"a": 2, "b": 1}.__getitem__, 0) == "a"
    assert scheduler.choose({"a": 2, "b": 2}.__getitem__, 0) == "a"


def clients_of(scheduler: Scheduler[str], first: int, count: int) -> list[str | None]:
    return [scheduler.choose(idle, client) for client in range(first, first + count)]


@pytest.mark.parametrize("name", sorted(HASHING))
@pytest.mark.parametrize("first", [0x0A000001, 0x20010DB8 << 96])
def test_a_hash_sends_a_client_to_one_place_and_clients_by_weight(name: str, first: int) -> None:
    weights = {"a": 16, "b": 32, "c": 80}
    chosen = clients_of(make(name, weights), first, 3000)
    assert chosen == clients_of(make(name, weights), first, 3000)
    shares = Counter(chosen)
    for key, weight in weights.items():
        assert shares[key] / 3000 == pytest.approx(weight / 128, rel=0.15)


def test_sh_fills_its_table_in_the_order_of_the_list_and_starves_the_last() -> None:
    chosen = Counter(clients_of(make("sh", {"a": 200, "b": 200, "c": 200}), 0, 4000))
    assert chosen["a"] > 3 * chosen["b"]
    assert chosen["c"] == 0


def test_a_change_of_one_weight_moves_few_clients_of_the_others_under_mh_and_many_under_sh() -> None:
    def moved(name: str) -> float:
        before = clients_of(make(name, {"a": 30, "b": 40, "c": 40}), 0, 3000)
        after = clients_of(make(name, {"a": 40, "b": 40, "c": 40}), 0, 3000)
        return sum(one != two for one, two in zip(before, after, strict=True) if two != "a") / 2000

    assert moved("mh") < 0.1
    assert moved("sh") > 0.2


@pytest.mark.parametrize("name", sorted(HASHING))
def test_weight_0_moves_nobody_and_refuses_those_who_fall_on_it(name: str) -> None:
    scheduler = make(name, {"a": 1, "b": 1, "c": 1})
    before = clients_of(scheduler, 0, 900)
    scheduler.update({"a": 1, "b": 0, "c": 1})
    after = clients_of(scheduler, 0, 900)
    assert after == [None if key == "b" else key for key in before]


def test_mh_takes_the_weights_high_bits_and_gives_the_lightest_a_place_all_the_same() -> None:
    chosen = Counter(clients_of(make("mh", {"a": 1, "b": 65535}), 0, 3000))
    assert 0 < chosen["a"] / 3000 < 0.05


def test_lasting_connections_spread_equally_under_lc() -> None:
    assert connect(make("lc", {"a": 1, "b": 5, "c": 0}), "abc", 10) == {"a": 5, "b": 5, "c": 0}


@given(weights=weight_tables.filter(lambda weights: any(weights.values())))
def test_lasting_connections_spread_by_weight_under_wlc(weights: dict[str, int]) -> None:
    assert connect(make("wlc", weights), "".join(weights), 3 * sum(weights.values())) == {
        key: 3 * weight for key, weight in weights.items()
    }


def test_an_ended_connection_lingers_for_two_minutes_by_the_second() -> None:
    lingering = Lingering()
    assert lingering.count(5.0) == 0
    for now in (10.0, 10.9, 11.0):
        lingering.add(now)
    assert [lingering.count(now) for now in (11.0, 129.9, 130.0, 130.9, 131.0)] == [3, 3, 1, 1, 0]


@given(ends=st.lists(st.floats(0, 500), max_size=50).map(sorted), later=st.floats(0, 500))
def test_lingering_connections_are_those_that_ended_lately(ends: list[float], later: float) -> None:
    lingering = Lingering()
    for now in ends:
        lingering.add(now)
    now = (ends[-1] if ends else 0.0) + later
    assert lingering.count(now) == sum(int(end) > now - Lingering.SECONDS for end in ends)


def test_a_client_belongs_to_its_destination_until_the_time_is_over_since_its_last_connection() -> None:
    templates: Templates[str] = Templates(60.0, None)
    assert templates.find(0.0, "192.0.2.1") is None
    templates.remember(0.0, "192.0.2.1", "a")
    templates.remember(50.0, "192.0.2.1", "a")
    assert templates.find(109.9, "192.0.2.1") == "a"
    assert templates.find(110.0, "192.0.2.1") is None
    assert templates.find(1.0, "192.0.2.2") is None


def test_a_network_of_clients_belongs_together() -> None:
    templates: Templates[str] = Templates(60.0, 24)
    templates.remember(0.0, "192.0.2.1", "a")
    assert templates.find(1.0, "192.0.2.254") == "a"
    assert templates.find(1.0, "192.0.3.1") is None
    templates = Templates(60.0, 64)
    templates.remember(0.0, "2001:db8::1", "a")
    assert templates.find(1.0, "2001:db8::ffff") == "a"


def test_no_more_clients_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Templates, "MAX_CLIENTS", 2)
    templates: Templates[str] = Templates(60.0, None)
    for client in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        templates.remember(0.0, client, "a")
    assert [templates.find(1.0, f"192.0.2.{last}") for last in (1, 2, 3)] == [None, "a", "a"]


def test_clients_whose_time_is_over_are_forgotten() -> None:
    templates: Templates[str] = Templates(60.0, None)
    templates.remember(0.0, "192.0.2.1", "a")
    templates.remember(100.0, "192.0.2.2", "a")
    assert len(templates._templates) == 1
