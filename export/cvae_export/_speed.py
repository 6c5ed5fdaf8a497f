"""Speed of one graph relative to another, run as `cvae_runtime` runs them: on one thread, in its micro-batches."""

import statistics
import time
from typing import Any

from cvae_runtime import ProviderError
from cvae_runtime.bundle import ModelInfo
from cvae_runtime.sessions import micro_batch_of, open_session

from ._graph import Graph
from ._reference import Arrays, Expected

_ROUNDS = 9
_SECONDS = 0.02  # for each graph and round


def speed_ratio(
    graph: Graph, other: Graph, expected: Expected, model: ModelInfo, provider: str = "cpu"
) -> float | None:
    """Return how many times more items ``graph`` runs in a second: the median over interleaved rounds.

    Each graph runs in the micro-batch that `cvae_runtime` takes for it.

    Args:
        graph, other: graphs of one role.
        expected: of the role, for its inputs.
        model: the model's entry of the manifest.
        provider: the provider to run on.

    Returns:
        None if the provider does not work on this machine.
    """
    try:
        runners = [_runner(each, expected, model, provider) for each in (graph, other)]
    except ProviderError:
        return None
    ratios = []
    for number in range(_ROUNDS + 1):
        pair = runners if number % 2 else runners[::-1]  # alternate the order
        seconds = {id(runner): _seconds(*runner) for runner in pair}
        mine, others = (seconds[id(runner)] for runner in runners)
        ratios.append(others / mine)
    return statistics.median(ratios[1:])  # the first round is a warm-up


_Runner = tuple[Any, Arrays, int]


def _runner(graph: Graph, expected: Expected, model: ModelInfo, provider: str) -> _Runner:
    """Return a session, the inputs of one micro-batch, and their count."""
    size = min(micro_batch_of(graph.role, graph.precision, model, provider), expected.count)
    return open_session(graph.data, provider, source=graph.file), expected.inputs(0, size), size


def _seconds(session: Any, inputs: Arrays, count: int) -> float:
    """Return the mean seconds for an item, over calls of at least `_SECONDS`."""
    session.run(None, dict(inputs))
    start = time.perf_counter()
    calls, spent = 0, 0.0
    while spent < _SECONDS:
        session.run(None, dict(inputs))
        calls += 1
        spent = time.perf_counter() - start
    return spent / calls / count
