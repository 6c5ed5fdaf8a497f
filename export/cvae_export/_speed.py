"""How many times faster one graph is than another, as cvae_runtime runs them: single-threaded, in micro-batches."""

import statistics
import time
from typing import Any

import onnxruntime

from cvae_runtime import PROVIDERS

from ._reference import Arrays, Expected
from ._verify import open_session

MICRO_BATCH = 16
_ROUNDS = 9
_SECONDS = 0.02  # a graph and round


def speed_ratio(graph: bytes, other: bytes, expected: Expected, provider: str = "cpu") -> float:
    """The time of ``other`` over that of ``graph``: the median over interleaved rounds.

    Args:
        graph, other: ONNX files of one role.
        expected: of the role, for its inputs.
        provider: what they run on.
    """
    inputs = expected.inputs(0, min(MICRO_BATCH, expected.count))
    mine, others = (open_session(data, PROVIDERS[provider]) for data in (graph, other))
    ratios = []
    for number in range(_ROUNDS + 1):
        pair = (mine, others) if number % 2 else (others, mine)  # each is the first in turn
        seconds = {session: _seconds(session, inputs) for session in pair}
        ratios.append(seconds[others] / seconds[mine])
    return statistics.median(ratios[1:])  # the first round is a warm-up


def works(provider: str, graph: bytes) -> bool:
    """Whether a graph runs on a provider here; what is compiled in need not have a device."""
    name = PROVIDERS[provider]
    return name in onnxruntime.get_available_providers() and open_session(graph, name).get_providers()[0] == name


def _seconds(session: Any, inputs: Arrays) -> float:
    """Seconds a call, over as many calls as fit."""
    session.run(None, dict(inputs))
    start = time.perf_counter()
    calls, spent = 0, 0.0
    while spent < _SECONDS:
        session.run(None, dict(inputs))
        calls += 1
        spent = time.perf_counter() - start
    return spent / calls
