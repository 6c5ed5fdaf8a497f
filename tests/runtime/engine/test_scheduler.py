"""The scheduler: every index once, spans that do not depend on threads, and errors that reach the caller."""

import threading
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cvae_runtime as cvae
from cvae_runtime._engine import scheduler as _scheduler
from cvae_runtime._engine.scheduler import Scheduler
from tests.waits import PATIENCE


@pytest.fixture
def scheduler():
    made = Scheduler(3)
    yield made
    made.close()


@pytest.fixture
def stop_event(monkeypatch):
    """Return the event that signals the threads of a call to stop."""
    event = threading.Event()
    monkeypatch.setattr(_scheduler, "threading", types.SimpleNamespace(**(vars(threading) | {"Event": lambda: event})))
    return event


@given(st.integers(1, 200), st.integers(1, 60), st.integers(1, 5))
def test_spans_cover_every_index_once(count, size, threads):
    spans = []
    scheduler = Scheduler(threads)
    scheduler.run(count, size, lambda start, stop: spans.append((start, stop)))
    scheduler.close()
    assert sorted(spans) == [(start, min(start + size, count)) for start in range(0, count, size)]


def test_all_threads_run_at_the_same_time(scheduler):
    together = threading.Barrier(3, timeout=PATIENCE)  # fewer than three threads never meet
    names = []

    def work(_start, _stop):
        together.wait()
        names.append(threading.current_thread().name)
        together.wait()

    scheduler.run(12, 2, work)
    assert len(names) == 6
    assert len(set(names)) == 3
    assert threading.current_thread().name in names  # the caller's thread counts


def test_one_thread_is_the_caller_s_own():
    used = set()
    scheduler = Scheduler(1)
    scheduler.run(5, 1, lambda *_: used.add(threading.current_thread()))
    scheduler.close()
    assert used == {threading.current_thread()}


def test_the_default_is_the_allowed_cores(monkeypatch):
    monkeypatch.setattr("cvae_runtime._engine.scheduler.allowed_cores", lambda: 3)
    scheduler = Scheduler()
    scheduler.close()
    assert scheduler.threads == 3


@pytest.mark.parametrize("threads", [0, -1, 1025, 2.5, "4"])
def test_invalid_numbers_of_threads(threads, refuses):
    with refuses(cvae.InputError, f"threads must be 1 to 1024; found {threads!r}"):
        Scheduler(threads)


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_error_on_the_calling_thread(error, scheduler, stop_event):
    caller, begun = threading.current_thread(), []

    def work(start, _stop):
        begun.append(start)
        if threading.current_thread() is caller:
            raise error
        assert stop_event.wait(PATIENCE)

    with pytest.raises(type(error)) as caught:
        scheduler.run(10_000, 1, work)
    assert caught.value is error
    assert len(begun) <= 3


def test_an_error_on_a_helper_thread(scheduler, stop_event):
    caller, begun = threading.current_thread(), []

    def work(start, _stop):
        begun.append(start)
        if threading.current_thread() is not caller:
            raise ValueError("broken")
        assert stop_event.wait(PATIENCE)

    with pytest.raises(ValueError, match="broken"):
        scheduler.run(10_000, 1, work)
    assert len(begun) <= 3


def test_work_goes_on_after_an_error(scheduler):
    def fail(_start, _stop):
        raise ValueError("broken")

    for _ in range(3):
        with pytest.raises(ValueError, match="broken"):
            scheduler.run(100, 7, fail)
    spans = []
    scheduler.run(100, 7, lambda start, stop: spans.append((start, stop)))
    assert sorted(spans) == [(start, min(start + 7, 100)) for start in range(0, 100, 7)]


def started(function):
    """Run ``function`` on a new thread; return the thread, and its result or exception."""
    outcome = []

    def call():
        try:
            outcome.append(function())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    return thread, outcome


def test_a_call_waits_for_no_other_call_s_helpers():
    scheduler = Scheduler(2)
    both, go_on = threading.Barrier(3, timeout=PATIENCE), threading.Event()

    def long_work(_start, _stop):
        both.wait()
        go_on.wait(PATIENCE)

    long_call, _ = started(lambda: scheduler.run(2, 1, long_work))  # uses the only helper
    both.wait()
    spans = []
    short_call, _ = started(lambda: scheduler.run(9, 2, lambda *span: spans.append(span)))
    short_call.join(PATIENCE)
    ended = not short_call.is_alive()
    go_on.set()
    long_call.join(PATIENCE)
    scheduler.close()
    assert ended
    assert spans == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 9)]


def test_a_free_helper_joins_a_running_call():
    scheduler = Scheduler(2)
    both, go_on, together = (
        threading.Barrier(3, timeout=PATIENCE),
        threading.Event(),
        threading.Barrier(2, timeout=PATIENCE),
    )

    def first_work(_start, _stop):
        both.wait()
        go_on.wait(PATIENCE)

    first_call, _ = started(lambda: scheduler.run(2, 1, first_work))
    both.wait()
    names = set()

    def second_work(start, _stop):
        if start == 0:
            go_on.set()
            first_call.join(PATIENCE)
        elif start < 3:
            names.add(threading.current_thread().name)
            together.wait()  # a single thread would wait forever

    scheduler.run(3, 1, second_work)
    scheduler.close()
    assert len(names) == 2


def test_closing_finishes_running_calls(scheduler):
    spans = []

    def work(start, stop):
        if not spans:
            closing, _ = started(scheduler.close)
            while not scheduler._closed:
                threading.Event().wait(0.001)
            del closing
        spans.append((start, stop))

    scheduler.run(50, 3, work)
    assert sorted(spans) == [(start, min(start + 3, 50)) for start in range(0, 50, 3)]


def test_a_call_during_closing_finishes(scheduler, monkeypatch):
    submit, threads = scheduler._pool.submit, set()

    def late(task):
        scheduler.close()
        return submit(task)

    monkeypatch.setattr(scheduler._pool, "submit", late)
    scheduler.run(8, 2, lambda *_: threads.add(threading.current_thread()))
    assert threads == {threading.current_thread()}


def test_closing_under_load(refuses):
    for _ in range(50):
        scheduler = Scheduler(3)
        counts = []

        def use(scheduler=scheduler, counts=counts):
            while True:
                spans = []
                scheduler.run(7, 1, lambda *span: spans.append(span))  # noqa: B023
                counts.append(len(spans))

        users = [started(use) for _ in range(3)]
        while len(counts) < 5:
            threading.Event().wait(0.0005)
        closers = [started(scheduler.close) for _ in range(2)]
        for thread, _ in users + closers:
            thread.join(PATIENCE)
        assert [outcome for _, outcome in closers] == [[None], [None]]
        assert set(counts) == {7}
        for _, (error,) in users:
            with refuses(cvae.InputError, "the model is closed; load it again"):
                raise error


def test_closing_on_a_thread_of_the_pool(scheduler):
    # Python may collect garbage on any thread, and this may close a model.
    outcome, closed = [], threading.Event()
    caller = threading.current_thread()

    def work(_start, _stop):
        if threading.current_thread() is caller:
            closed.wait(PATIENCE)
        elif not closed.is_set():
            outcome.append(scheduler.close())
            closed.set()

    scheduler.run(6, 1, work)
    assert outcome in ([None], [None, None])


def test_concurrent_calls_end(scheduler):
    found = {}

    def call(number):
        spans = []
        scheduler.run(50, 3, lambda start, stop: spans.append((start, stop)))
        found[number] = sorted(spans)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
    assert found == {number: [(start, min(start + 3, 50)) for start in range(0, 50, 3)] for number in range(6)}
