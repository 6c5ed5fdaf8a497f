"""Contenders with known behaviour, to test the harness. Most ignore the task."""

import sys
import time

import numpy as np

from benchmarks._worker import UnavailableError


def steady(batch, seconds):
    def work():
        time.sleep(seconds)
        return np.full((batch, 2), 7.0)

    return work


def slow():
    return lambda _task, batch: steady(batch, 0.02)


def fast():
    return lambda _task, batch: steady(batch, 0.005)


def instant():
    return lambda _task, batch: steady(batch, 0.0005)


def wrong():
    return lambda _task, batch: lambda: np.full((batch, 2), 7.5)


def wrong_at_b():
    return lambda task, batch: lambda: np.full((batch, 2), 7.5 if task == "b" else 7.0)


def misshapen():
    return lambda _task, batch: lambda: np.full((batch, 3), 7.0)


def nan():
    return lambda _task, batch: lambda: np.full((batch, 2), np.nan)


def missing():
    import a_package_that_is_not_there  # noqa: F401


def elsewhere():
    raise UnavailableError("wants another machine")


def chatty():
    print("a library prints on stdout")
    return lambda _task, batch: steady(batch, 0.005)


def dying():
    def at(_task, batch):
        def work():
            if batch == 4:
                print("first line", file=sys.stderr)
                raise RuntimeError("out of luck")
            return np.full((batch, 2), 7.0)

        return work

    return at


def hanging():
    return lambda _task, _batch: lambda: time.sleep(1000)


def tiring():
    """Correct for some calls, then dies."""
    calls = []

    def at(_task, batch):
        def work():
            calls.append(batch)
            if len(calls) > 4:
                raise RuntimeError("tired")
            return np.full((batch, 2), 7.0)

        return work

    return at


def between(low, high):
    return lambda _task, batch: lambda: [np.full((batch, 1), float(low)), np.full((batch, 1), float(high))]


def cores():
    """Return the number of cores that it may use."""
    import cvae_runtime
    import cvae_runtime.system

    return lambda _task, batch: lambda: np.full((batch, 2), float(cvae_runtime.system.allowed_cores()))
