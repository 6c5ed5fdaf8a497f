import numpy as np
import pytest

from benchmarks._harness import Contender, Result, compare, table


def contender(name):
    return Contender(name, f"tests.benchmarks.contenders:{name}")


def race(*names, batches=(2, 4), rounds=3):
    lines = []
    result = compare(
        [contender(name) for name in names],
        lambda batch: np.full((batch, 2), 7.0),
        batches,
        rounds=rounds,
        seconds=0.05,
        atol=1e-6,
        log=lines.append,
    )
    return result, lines


def test_every_contender_is_visited_once_a_round_at_every_batch_size():
    result, lines = race("slow", "fast")
    assert {name: {batch: len(rates) for batch, rates in by.items()} for name, by in result.rates.items()} == {
        "slow": {2: 3, 4: 3},
        "fast": {2: 3, 4: 3},
    }
    assert lines == ["starting slow", "starting fast", "round 1 of 3", "round 2 of 3", "round 3 of 3"]


def test_known_times_give_rates_below_what_they_allow():
    # Sleeping takes at least as long as it was asked to, however busy the machine is.
    result, _ = race("slow", "fast")
    for batch in (2, 4):
        assert 0 < result.rate("slow", batch) <= batch / 0.02
        assert 0 < result.rate("fast", batch) <= batch / 0.005
        assert min(result.latencies["slow"][batch]) >= 0.02


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("wrong", "wrong output at batch 2: off by 0.5, more than 1e-06"),
        ("misshapen", "wrong output at batch 2: expected shape (2, 2), found (2, 3)"),
        ("nan", "wrong output at batch 2: off by nan, more than 1e-06"),
        ("missing", "not installed: No module named 'a_package_that_is_not_there'"),
        ("dying", "failed with exit code 1: RuntimeError: out of luck"),
    ],
)
def test_contenders_that_fail_are_skipped_with_the_reason(name, reason):
    result, lines = race(name, "fast", rounds=1)
    assert dict(result.skipped) == {name: reason}
    assert list(result.rates) == ["fast"]
    assert f"{name}: {reason}" in lines


def test_a_contender_has_arguments_and_a_tolerance_of_its_own_and_its_arrays_are_compared_side_by_side():
    near = Contender("near", "tests.benchmarks.contenders:between", ("6.9", "7.1"), atol=0.2)
    far = Contender("far", "tests.benchmarks.contenders:between", ("6.9", "7.3"), atol=0.2)
    strict = Contender("strict", "tests.benchmarks.contenders:between", ("6.9", "7.1"))
    result = compare(
        [near, far, strict],
        lambda batch: np.full((batch, 2), 7.0),
        (2,),
        rounds=1,
        seconds=0.0,
        atol=1e-6,
        log=lambda _: None,
    )
    assert list(result.rates) == ["near"]
    assert dict(result.skipped) == {
        "far": "wrong output at batch 2: off by 0.3, more than 2e-01",
        "strict": "wrong output at batch 2: off by 0.1, more than 1e-06",
    }


def test_what_is_measured_beside_has_its_place_in_every_round():
    visits = []

    def beside(batch, seconds):
        visits.append((batch, seconds))
        return [0.5]

    result = compare(
        [contender("fast")],
        lambda batch: np.full((batch, 2), 7.0),
        (2, 4),
        rounds=2,
        seconds=0.01,
        atol=1e-6,
        log=lambda _: None,
        beside={"beside": beside},
    )
    assert visits == [(2, 0.01), (4, 0.01)] * 2
    assert result.rates["beside"] == {2: [4.0, 4.0], 4: [8.0, 8.0]}


def test_what_a_contender_prints_does_not_disturb_its_answers():
    result, _ = race("chatty", rounds=1)
    assert not result.skipped


def test_figures_are_medians_and_ratios_are_taken_round_by_round():
    rates = {"ours": {1: [10.0, 200.0, 30.0]}, "theirs": {1: [5.0, 50.0, 30.0]}}
    result = Result(rates, rates, {"absent": "not installed: x"})
    assert result.rate("ours", 1) == 30.0
    assert result.ratio("ours", "theirs", 1) == 2.0  # of 2, 4 and 1
    lines = table(result, [1], "ours").splitlines()
    assert lines[0].split() == ["batch", "1"]
    assert lines[1].split() == ["ours", "30", "+-317%"]
    assert lines[2].split() == ["theirs", "30", "+-75%", "(2.00x)"]
    assert lines[3].split() == ["absent", "skipped:", "not", "installed:", "x"]
    assert result.to_json()["skipped"] == {"absent": "not installed: x"}
