import pytest

from benchmarks._result import Comparison, Entry, Latency, Point, latency, percentile


def test_statistics_of_a_point():
    point = Point(1, (10.0, 40.0, 20.0, 30.0, 50.0))
    assert (point.median, point.lowest, point.highest) == (30.0, 10.0, 50.0)
    assert point.quartiles == (20.0, 40.0)
    assert point.spread == pytest.approx(40 / 2 / 30)
    alone = Point(1, (5.0,))
    assert (alone.median, alone.quartiles, alone.spread) == (5.0, (5.0, 5.0), 0.0)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (90, 90), (99, 99), (100, 100), (0, 1)])
def test_percentiles(percent, expected):
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_latencies():
    rounds = [[0.001] * 90 + [0.5] * 10, [0.002] * 100, [0.003] * 100]
    assert latency(rounds) == Latency(0.002, 0.002, 0.003)


def test_gain_is_the_median_ratio(sample):
    ours, jax = sample.entry("ours"), sample.entry("JAX, jit")
    assert sample.gain(ours.point(1), jax.point(1)) == 2.0  # of 1.5, 2 and 2.5


def test_best_peer_by_precision(sample):
    ours, fewer = sample.entry("ours"), sample.entry("ours, int8")
    assert [sample.best_peer(ours, at).name for at in (1, 64)] == ["OpenVINO, f32", "JAX, jit"]
    assert [sample.best_peer(fewer, at).name for at in (1, 64)] == ["OpenVINO, bf16", "OpenVINO, bf16"]
    # At batch 1 the rounds' ratios are 2, 1.6 and 1.
    assert [sample.ratio_to_best_peer(ours, at) for at in (1, 64)] == [1.6, 0.8]
    assert sample.ratio_to_best_peer(fewer, 64) == 1.25
    assert sample.ratio_to_best_peer(sample.entry("the ceiling: products"), 64) is None


def test_best_peer_is_on_the_same_device():
    entries = tuple(
        Entry(name, kind, (Point(1, (rate,)),), device=device)
        for name, kind, rate, device in [
            ("ours", "ours", 10.0, "cpu"),
            ("peer", "peer", 5.0, "cpu"),
            ("ours on a GPU", "ours", 100.0, "cuda"),
            ("peer on a GPU", "peer", 50.0, "cuda"),
        ]
    )
    both = Comparison("c", "offline", "images/s", "higher", "batch", entries, "ours")
    assert {e.name: both.best_peer(e, 1).name for e in entries if e.kind == "ours"} == {
        "ours": "peer",
        "ours on a GPU": "peer on a GPU",
    }


def test_share_of_the_ceiling(sample):
    ours = sample.entry("ours")
    assert sample.ceiling(1).name == "the ceiling: products"
    assert [sample.share_of_ceiling(ours, at) for at in (1, 64)] == [0.8, 0.4]  # of 0.9, 0.8 and 0.5
    assert sample.share_of_ceiling(sample.entry("ours, int8"), 1) is None
    assert sample.share_of_ceiling(sample.entry("OpenVINO, bf16"), 1) is None


def times(unit="ms", better="lower", **figures):
    entries = tuple(Entry(name, kind, (Point("p50", (value,)),)) for name, (kind, value) in figures.items())
    return Comparison("c", "single-stream", unit, better, "percentile", entries, "mine")


def test_lower_times_are_better():
    comparison = times(mine=("ours", 2.0), near=("peer", 3.0), far=("peer", 8.0), floor=("ceiling", 1.0))
    mine = comparison.entry("mine")
    assert comparison.best_peer(mine, "p50").name == "near"
    assert comparison.ratio_to_best_peer(mine, "p50") == 1.5
    assert comparison.share_of_ceiling(mine, "p50") == 0.5


def test_higher_nats_are_better():
    comparison = times("nats", "higher", mine=("ours", -72.0), near=("peer", -80.0))
    assert comparison.ratio_to_best_peer(comparison.entry("mine"), "p50") == 80 / 72


def test_unpaired_rounds_use_medians():
    entries = (Entry("mine", "ours", (Point(1, (4.0, 6.0, 8.0)),)), Entry("peer", "peer", (Point(1, (3.0,)),)))
    comparison = Comparison("c", "offline", "images/s", "higher", "batch", entries, "mine")
    assert comparison.ratio_to_best_peer(entries[0], 1) == 2.0
