"""The scheduler: every index once, in spans that no number of threads changes, and errors that come through."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cvae_runtime as cvae
from cvae_runtime._scheduler import Scheduler


@pytest.fixture
def scheduler():
    made = Scheduler(3)
    yield made
    made.close()


@given(st.integers(0, 200), st.integers(1, 60), st.integers(1, 5))
def test_every_index_is_covered_once_by_spans_that_threads_do_not_change(count, size, threads):
    spans = []
    scheduler = Scheduler(threads)
    scheduler.run(count, size, lambda start, stop: spans.append((start, stop)))
    scheduler.close()
    assert sorted(spans) == [(start, min(start + size, count)) for start in range(0, count, size)]


def test_as_many_run_at_a_time_as_there_are_threads(scheduler):
    together = threading.Barrier(3, timeout=30.0)  # fewer than three would never meet
    names = []

    def work(_start, _stop):
        together.wait()
        names.append(threading.current_thread().name)
        together.wait()

    scheduler.run(12, 2, work)
    assert len(names) == 6
    assert len(set(names)) == 3
    assert threading.current_thread().name in names  # the caller works too


def test_one_thread_is_the_caller_s_own():
    used = set()
    scheduler = Scheduler(1)
    scheduler.run(5, 1, lambda *_: used.add(threading.current_thread()))
    scheduler.close()
    assert used == {threading.current_thread()}


def test_by_default_there_are_as_many_as_cores_that_may_be_used(monkeypatch):
    monkeypatch.setattr("cvae_runtime._scheduler.allowed_cores", lambda: 3)
    scheduler = Scheduler()
    scheduler.close()
    assert scheduler.threads == 3


@pytest.mark.parametrize("threads", [0, -1, 1025, 2.5, "4"])
def test_a_number_of_threads_that_is_none_is_refused(threads, refuses):
    with refuses(cvae.InputError, f"threads must be 1 to 1024; found {threads!r}"):
        Scheduler(threads)


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_error_of_the_caller_s_own_comes_through_and_ends_the_work(error, scheduler):
    caller, begun = threading.current_thread(), []
    failed = threading.Event()

    def work(start, _stop):
        begun.append(start)
        if threading.current_thread() is caller:
            failed.set()
            raise error
        failed.wait(30.0)
        # Time for the caller to tell the others; they are at their second call at most when it has.
        threading.Event().wait(0.1)

    with pytest.raises(type(error)) as caught:
        scheduler.run(10_000, 1, work)
    assert caught.value is error
    assert len(begun) <= 5


def test_an_error_of_a_helper_comes_through_and_ends_the_work(scheduler):
    caller, begun = threading.current_thread(), []
    failed = threading.Event()

    def work(start, _stop):
        begun.append(start)
        if threading.current_thread() is not caller:
            failed.set()
            raise ValueError("broken")
        failed.wait(30.0)
        if len(begun) < 10:
            threading.Event().wait(0.05)  # time for the helper to tell the others

    with pytest.raises(ValueError, match="broken"):
        scheduler.run(10_000, 1, work)
    assert len(begun) <= 10


def test_work_goes_on_after_an_error(scheduler):
    def fail(_start, _stop):
        raise ValueError("broken")

    for _ in range(3):
        with pytest.raises(ValueError, match="broken"):
            scheduler.run(100, 7, fail)
    spans = []
    scheduler.run(100, 7, lambda start, stop: spans.append((start, stop)))
    assert sorted(spans) == [(start, min(start + 7, 100)) for start in range(0, 100, 7)]


def test_calls_from_several_threads_at_once_all_end(scheduler):
    found = {}

    def call(number):
        spans = []
        scheduler.run(50, 3, lambda start, stop: spans.append((start, stop)))
        found[number] = sorted(spans)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60.0)
    assert found == {number: [(start, min(start + 3, 50)) for start in range(0, 50, 3)] for number in range(6)}
