from feedback.director.weights import Member, make_policy


def member(weight: int, base_weight: int = 100, usable_seconds: float = 300.0) -> Member:
    return Member(base_weight=base_weight, weight=weight, utilization=0.9, usable_seconds=usable_seconds)


def test_load_changes_nothing() -> None:
    assert make_policy("static").step(0.0, {"rs1": member(100), "rs2": member(7, 50)}) == {"rs1": 100, "rs2": 50}


def test_a_base_weight_that_changed_a_little_is_written() -> None:
    policy = make_policy("static")
    policy.step(0.0, {"rs1": member(100)})
    assert policy.step(1.0, {"rs1": member(100, 101)}) == {"rs1": 101}


def test_weights_that_someone_else_changed_are_put_right() -> None:
    policy = make_policy("static")
    policy.step(0.0, {"rs1": member(100)})
    assert policy.step(1.0, {"rs1": member(3)}) == {"rs1": 100}


def test_under_wrr_base_weights_are_written_as_they_are() -> None:
    weights = make_policy("static", scheduler="wrr").step(0.0, {"rs1": member(0, 101), "rs2": member(0, 100)})
    assert weights == {"rs1": 101, "rs2": 100}


def test_a_hash_scheduler_hears_of_a_slow_start_every_half_minute() -> None:
    policy = make_policy("static", scheduler="mh", slow_start=90.0)
    weight, told = 0, {}
    for second in range(200):
        before, weight = (
            weight,
            policy.step(float(second), {"rs1": member(weight, usable_seconds=float(second))})["rs1"],
        )
        if weight != before:
            told[second] = weight
    assert told == {0: 10, 30: 33, 60: 67, 90: 100}
