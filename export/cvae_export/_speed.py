"""Speed of one graph relative to another, run as in cvae_runtime: on one thread, in micro-batches."""

import statistics
import time
from typing import Any

import onnxruntime

from cvae_runtime import PROVIDERS

from ._reference import Arrays, Expected
from ._verify import open_session

MICRO_BATCH = 16
_ROUNDS = 9
_SECONDS = 0.02  # for each graph and round


def speed_ratio(graph: bytes, other: bytes, expected: Expected, provider: str = "cpu") -> float:
    """Return how many times faster ``graph`` is than ``other``: the median over interleaved rounds.

    Args:
        graph, other: ONNX files of one role.
        expected: of the role, for its inputs.
        provider: the provider to run on.
    """
    inputs = expected.inputs(0, min(MICRO_BATCH, expected.count))
    mine, others = (open_session(data, PROVIDERS[provider]) for data in (graph, other))
    ratios = []
    for number in range(_ROUNDS + 1):
        pair = (mine, others) if number % 2 else (others, mine)  # alternate the order
        seconds = {session: _seconds(session, inputs) for session in pair}
        ratios.append(seconds[others] / seconds[mine])
    return statistics.median(ratios[1:])  # the first round is a warm-up


def provider_works(provider: str, graph: bytes) -> bool:
    """Whether a graph runs on a provider on this machine; a compiled-in provider may lack a device."""
    name = PROVIDERS[provider]
    return name in onnxruntime.get_available_providers() and open_session(graph, name).get_providers()[0] == name


def _seconds(session: Any, inputs: Arrays) -> float:
    """Return the mean seconds of a call, over calls of at least `_SECONDS`."""
    session.run(None, dict(inputs))
    start = time.perf_counter()
    calls, spent = 0, 0.0
    while spent < _SECONDS:
        session.run(None, dict(inputs))
        calls += 1
        spent = time.perf_counter() - start
    return spent / calls
