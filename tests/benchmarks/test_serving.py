import numpy as np
import pytest

from benchmarks._serving import largest_rate, serve


class Time:
    """A clock that only work and sleep advance."""

    def __init__(self):
        self.now = 100.0
        self.sizes = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds + 1e-5

    def work(self, size, seconds):
        def call():
            self.sizes.append(size)
            self.now += seconds

        return call

    def serve(self, works, rate, bound, seed=0):
        calls = {size: self.work(size, seconds) for size, seconds in works.items()}
        return serve(calls, rate, 1.0, seed, bound, self.clock, self.sleep)


def test_fast_server_takes_single_images():
    time = Time()
    assert time.serve({1: 0.0001, 8: 0.0005}, rate=200.0, bound=0.01)
    assert set(time.sizes) == {1}
    assert len(time.sizes) == 200


def test_slow_server_stops_early():
    time = Time()
    assert not time.serve({1: 0.01}, rate=1000.0, bound=0.02)
    # 1% of 1,000 may be late, and one arrives per millisecond: the third waits 20 ms, and eleven late ones are enough.
    assert len(time.sizes) < 20


def test_batches_grow_with_the_queue():
    time = Time()
    assert time.serve({1: 0.002, 4: 0.003, 16: 0.005}, rate=2000.0, bound=0.05)
    assert sum(time.sizes) == 2000
    assert {1, 4, 16} == set(time.sizes)


def test_lateness_counts_from_arrival():
    # Work of 10 ms per image at one image in a hundred seconds: no image waits.
    assert Time().serve({1: 0.010}, rate=0.01, bound=0.0105)
    assert not Time().serve({1: 0.010}, rate=0.01, bound=0.0095)


def test_arrivals_are_a_poisson_process():
    spans = []
    for seed in (0, 0, 1):
        time = Time()
        time.serve({1: 0.0}, rate=100.0, bound=1.0, seed=seed)
        spans.append(time.now - 100.0)
    assert spans[0] == spans[1] != spans[2]
    # 100 gaps of 10 ms on average; the mean of 100 exponential ones is off by 10% in one of three cases.
    expected = np.random.default_rng(0).exponential(0.01, 100).sum()
    assert spans[0] == pytest.approx(expected, abs=1e-3)
    assert spans[0] == pytest.approx(1.0, rel=0.35)


@pytest.mark.parametrize(("limit", "steps"), [(300.0, 12), (11.0, 12), (990.0, 12)])
def test_largest_rate(limit, steps):
    found = largest_rate(lambda rate: rate <= limit, 10.0, 1000.0, steps)
    assert found <= limit
    assert found == pytest.approx(limit, rel=0.002)


def test_low_guess_is_lowered_once():
    tried = []

    def holds(rate):
        tried.append(rate)
        return rate <= 20.0

    assert largest_rate(holds, 100.0, 1000.0, 20) == pytest.approx(20.0, rel=1e-3)
    assert tried[:2] == pytest.approx([100.0, 10.0])
    tried.clear()
    assert largest_rate(lambda rate: bool(tried.append(rate)), 100.0, 1000.0, 20) is None
    assert tried == pytest.approx([100.0, 10.0])
