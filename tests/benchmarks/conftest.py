import io

import pytest

from benchmarks._progress import Progress
from benchmarks._result import Comparison, Entry, Latency, Point


@pytest.fixture
def printed():
    """The stream to which the fixture ``progress`` prints."""
    return io.StringIO()


@pytest.fixture
def progress(printed):
    return Progress(out=printed)


@pytest.fixture
def sample():
    """A comparison with entries of all kinds: ours, also in fewer bits, peers, a ceiling, unmeasured ones."""

    def entry(name, kind, *points, **more):
        return Entry(name, kind, tuple(Point(at, rounds) for at, rounds in zip((1, 64), points, strict=False)), **more)

    latencies = Latency(0.001, 0.002, 0.003)
    ours = entry("ours", "ours", (90.0, 80.0, 100.0), (400.0, 400.0, 400.0))
    ours = Entry("ours", "ours", (Point(1, ours.points[0].rounds, latencies), ours.points[1]))
    return Comparison(
        *("decoding, offline", "offline", "images/s", "higher", "batch"),
        (
            entry("JAX, jit", "peer", (60.0, 40.0, 40.0), (500.0, 500.0, 500.0)),
            entry("OpenVINO, f32", "peer", (45.0, 50.0, 100.0), (200.0, 200.0, 200.0)),
            entry("OpenVINO, bf16", "peer", (70.0, 70.0, 70.0), (800.0, 800.0, 800.0), precision="bf16"),
            ours,
            entry("ours, int8", "ours", (300.0, 300.0, 300.0), (1000.0, 1000.0, 1000.0), precision="int8"),
            entry("the ceiling: products", "ceiling", (100.0, 100.0, 200.0), (1000.0, 1000.0, 1000.0)),
            entry("the ceiling: copies", "ceiling", (9000.0, 9000.0, 9000.0), (9000.0, 9000.0, 9000.0)),
            Entry("PyTorch & co", "peer", status="skipped", reason="not installed: No module named 'torch'"),
            Entry("LiteRT", "peer", status="refused", reason="wrong output at batch 1: off by 0.5, more than 1e-04"),
        ),
        "ours",
        negligible=0.05,
    )
