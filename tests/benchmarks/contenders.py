"""Contenders with known manners, for the harness to be tried on."""

import sys
import time

import numpy as np


def steady(batch, seconds):
    def work():
        time.sleep(seconds)
        return np.full((batch, 2), 7.0)

    return work


def slow():
    return lambda batch: steady(batch, 0.02)


def fast():
    return lambda batch: steady(batch, 0.005)


def wrong():
    return lambda batch: lambda: np.full((batch, 2), 7.5)


def misshapen():
    return lambda batch: lambda: np.full((batch, 3), 7.0)


def nan():
    return lambda batch: lambda: np.full((batch, 2), np.nan)


def missing():
    import a_package_that_is_not_there  # noqa: F401


def chatty():
    print("a library prints on stdout")
    return lambda batch: steady(batch, 0.005)


def dying():
    def at(batch):
        def work():
            if batch == 4:
                print("first line", file=sys.stderr)
                raise RuntimeError("out of luck")
            return np.full((batch, 2), 7.0)

        return work

    return at


def between(low, high):
    return lambda batch: lambda: [np.full((batch, 1), float(low)), np.full((batch, 1), float(high))]
