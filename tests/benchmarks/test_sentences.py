import dataclasses

from benchmarks._result import Comparison, Entry, Point
from benchmarks._sentences import sentences


def test_sentences_say_where_ours_is_ahead_and_where_behind_and_what_share_of_the_ceiling_it_reaches(sample):
    assert sentences(sample) == [
        "ours is ahead of OpenVINO, f32 at batch 1 (1.60x); behind JAX, jit at batch 64 (0.80x).",
        "At its best (batch 1) it reaches 80% of the ceiling: products.",
        "ours, int8 is ahead of OpenVINO, bf16 at batch 1 (4.29x) and batch 64 (1.25x).",
    ]


def test_several_peers_are_told_apart():
    def entry(name, kind, *rates):
        return Entry(name, kind, tuple(Point(at, (rate,)) for at, rate in zip((1, 8, 64), rates, strict=True)))

    entries = (entry("ours", "ours", 2, 4, 6), entry("A, B", "peer", 1, 1, 2), entry("C", "peer", 0.5, 2, 1))
    comparison = Comparison("c", "offline", "images/s", "higher", "batch", entries, "ours")
    assert sentences(comparison) == [
        "ours is ahead of A, B at batch 1 (2.00x) and batch 64 (3.00x) and of C at batch 8 (2.00x)."
    ]


def test_what_is_negligible_is_level(sample):
    assert sentences(dataclasses.replace(sample, negligible=0.3))[0] == (
        "ours is ahead of OpenVINO, f32 at batch 1 (1.60x); level with JAX, jit at batch 64 (0.80x)."
    )


def test_without_a_peer_the_figure_is_told():
    def entry(name, value):
        return Entry(name, "ours", (Point("on the disk", (value,)),))

    alone = Comparison(
        "size", "quality", "kB", "lower", "place", (entry("float32", 200.0), entry("int8", 100.0)), "float32"
    )
    assert sentences(alone) == ["float32: 200 kB; int8 100 (2.00x)."]


def test_a_floor_of_times_is_told_as_how_many_times_as_much():
    entries = (
        Entry("ours", "ours", (Point("x", (30.0,)),)),
        Entry("python -c pass", "ceiling", (Point("x", (10.0,)),)),
    )
    comparison = Comparison("c", "start", "ms", "lower", "moment", entries, "ours")
    assert sentences(comparison) == ["It takes 3.0 times as much as python -c pass."]


def test_ours_may_be_missing(sample):
    assert sentences(dataclasses.replace(sample, ours="nobody")) == ["nobody was not measured."]
    assert sentences(dataclasses.replace(sample, ours="LiteRT")) == [
        "LiteRT was not measured: wrong output at batch 1: off by 0.5, more than 1e-04."
    ]
