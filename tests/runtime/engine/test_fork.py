"""Forks: a child has free locks and its own threads, even if the parent was running a session."""

import os
import threading

import onnxruntime
import pytest

import cvae_runtime as cvae
from cvae_runtime._engine.fork import ForkGuard, fork_guard
from cvae_runtime._engine.scheduler import Scheduler
from tests.waits import PATIENCE

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# An alarm ends a child that hangs, with another exit code.
IN_CHILD = """
import os, signal, sys, threading, warnings
import numpy as np
import cvae_runtime as cvae
warnings.simplefilter("ignore")  # newer Pythons warn of every fork with threads

def child(function):
    pid = os.fork()
    if pid == 0:
        signal.alarm(300)
        try:
            os._exit(function())
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

model = cvae.load(sys.argv[1], provider="cpu", threads=3)
expected = model.generate(50)
same = lambda: 0 if (model.generate(50) == expected).all() else 1
"""


def test_a_model_works_in_child_and_grandchild(fresh_python, tiny_bundle):
    code = "codes = [child(same), child(lambda: child(same)), same()]; print(codes)"
    done = fresh_python(IN_CHILD + code, tiny_bundle)
    assert (done.stdout, done.stderr) == ("[0, 0, 0]\n", "")


def test_a_child_exits_normally(fresh_python, tiny_bundle):
    code = """
import multiprocessing
context = multiprocessing.get_context("fork")
def work(n):
    signal.alarm(300)
    return model.generate(50, first=n)
with context.Pool(2) as pool:
    parts = pool.map(work, [0, 50])
process = context.Process(target=same)
process.start()
process.join()
print((np.concatenate(parts) == np.concatenate([expected, model.generate(50, first=50)])).all(), process.exitcode)
"""
    done = fresh_python(IN_CHILD + code, tiny_bundle)
    assert (done.stdout, done.stderr) == ("True 0\n", "")


def test_forks_during_calls(fresh_python, tiny_bundle):
    code = """
stop = threading.Event()
def use():
    n = 0
    while not stop.is_set():
        n = n % 40 + 1
        model.generate(n)
users = [threading.Thread(target=use) for _ in range(3)]
for user in users: user.start()
codes = [child(same) for _ in range(30)]
stop.set()
for user in users: user.join()
print(set(codes), same())
"""
    done = fresh_python(IN_CHILD + code, tiny_bundle)
    assert (done.stdout, done.stderr) == ("{0} 0\n", "")


def test_a_closed_model_is_closed_in_a_child(fresh_python, tiny_bundle):
    code = """
model.close()
def closed():
    try:
        model.generate(50)
    except cvae.InputError as error:
        return 7 if str(error) == "the model is closed; load it again" else 1
print(child(closed))
"""
    assert fresh_python(IN_CHILD + code, tiny_bundle).stdout == "7\n"


def test_a_gpu_model_raises_in_a_child(refuses):
    scheduler, done = Scheduler(2), []
    scheduler.survives_fork = False
    scheduler.run(1, 1, lambda *span: done.append(span))
    scheduler.after_fork()
    message = (
        "the model was loaded before this process was forked, and its provider does not work in a forked process; "
        "load the model in each worker, or start workers by spawn"
    )
    with refuses(cvae.ProviderError, message):
        scheduler.run(1, 1, lambda *span: done.append(span))
    scheduler.close()
    assert done == [(0, 1)]


def test_a_fork_excludes_other_threads():
    gate, events = ForkGuard(), []
    inside, leave, forking = threading.Event(), threading.Event(), threading.Event()

    def first():
        with gate:
            inside.set()
            leave.wait(PATIENCE)
            events.append("left")

    def second():
        forking.wait(PATIENCE)
        with gate:
            events.append("entered")

    threads = [threading.Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    inside.wait(PATIENCE)
    threading.Timer(0.1, leave.set).start()
    with gate:  # the thread that forks does not wait for itself
        gate.before()
        forking.set()
        threads[1].join(0.1)
        events.append("forked")
        gate.after_in_parent()
    for thread in threads:
        thread.join(PATIENCE)
    assert events == ["left", "forked", "entered"]


def test_work_delays_forks():
    scheduler, inside = Scheduler(2), []
    scheduler.run(6, 1, lambda *_: inside.append(threading.get_ident() in fork_guard._inside))
    scheduler.close()
    assert inside == [True] * 6
    assert fork_guard._inside == set()


def test_opening_a_session_delays_forks(tiny_bundle, monkeypatch):
    session, inside = onnxruntime.InferenceSession, []

    def opened(*arguments, **settings):
        inside.append(threading.get_ident() in fork_guard._inside)
        return session(*arguments, **settings)

    monkeypatch.setattr(onnxruntime, "InferenceSession", opened)
    cvae.load(tiny_bundle, provider="cpu").close()
    assert inside == [True, True]


def test_a_child_forgets_the_parent_s_threads():
    gate = ForkGuard()
    ended = threading.Thread(target=gate.__enter__)
    ended.start()
    ended.join()
    gate.after_in_child()
    gate.before()  # does not wait for it
    gate.after_in_parent()
    assert gate._inside == set()
