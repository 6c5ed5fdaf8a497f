"""Run one graph in micro-batches on threads."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._images import to_uint8
from .fork import fork_guard
from .micro_batch import cut, smallest_part
from .scheduler import Scheduler
from .session import CheckedSession
from .tune import fastest

Array = NDArray[Any]

# Calls of at most this many items compute all inputs on the calling thread: NumPy takes as long for a few latents as
# for hundreds, and threads do not speed it up.
_INPUTS_AT_ONCE = 256


class Engine:
    """Runs a session on any number of items, and writes the results into the caller's arrays.

    On a CPU, ONNX Runtime's IOBinding would save no time, because binding costs as much as the copy that it avoids.

    Args:
        session: the session of one graph.
        micro_batch: most items in one call of the session.
        scheduler: runs the calls on its threads.

    Attributes:
        micro_batch: most items in one call of the session.
        shapes: shapes of one item's outputs, by name.
    """

    def __init__(self, session: CheckedSession, micro_batch: int, scheduler: Scheduler) -> None:
        self._session = session
        self.shapes = session.shapes
        self._scheduler = scheduler
        self._threads = scheduler.threads
        self.micro_batch = micro_batch

    def run(
        self,
        count: int,
        inputs: Callable[[int, int], Array],
        outputs: Mapping[str, Array],
        *,
        aligned: bool = False,
    ) -> None:
        """Compute the outputs of ``count`` items.

        Args:
            count: number of items.
            inputs: function ``inputs(start, stop)`` that returns these items. Worker threads may call it.
            outputs: arrays (count, ...) to write, by the graph's names. A uint8 array receives grey levels.
            aligned: cut the items into micro-batches of `micro_batch` items for any number of threads.

        Raises:
            InputError: the model is closed, or latents are too large for the decoder.
            BundleError, ProviderError: see `CheckedSession.run`; or the provider does not work in a forked process.
        """
        if count <= smallest_part(self.micro_batch):  # fast path: run on the calling thread
            self._scheduler.check_open()
            with fork_guard:
                self._call(inputs(0, count), outputs)
            return
        plan = cut(count, self.micro_batch, self._threads, aligned=aligned)
        given = inputs(0, count) if count <= _INPUTS_AT_ONCE else None

        def work(start: int, stop: int) -> None:
            block = inputs(start, stop) if given is None else given[start:stop]
            for low in range(start, stop, plan.micro_batch):
                high = min(low + plan.micro_batch, stop)
                self._call(block[low - start : high - start], {name: out[low:high] for name, out in outputs.items()})

        self._scheduler.run(count, plan.block, work)

    def tune(self, items: Array, seconds: float) -> None:
        """Measure the fastest micro-batch for calls with ``items``, and use it from now on.

        Args:
            items: inputs of the graph, as many as the largest candidate.
            seconds: approximate duration of the measurement.
        """
        outputs = {name: np.empty((len(items), *shape), np.float32) for name, shape in self.shapes.items()}

        def rate(size: int) -> float:
            self.micro_batch = size
            start = time.perf_counter()
            self.run(len(items), lambda low, high: items[low:high], outputs)
            return len(items) / (time.perf_counter() - start)

        self.micro_batch = fastest(rate, [1 << power for power in range(len(items).bit_length())], seconds)

    def _call(self, items: Array, outputs: Mapping[str, Array]) -> None:
        for part, out in zip(self._session.run(items, list(outputs)), outputs.values(), strict=True):
            store(part, out)


def store(part: Array, out: Array) -> None:
    """Copy ``part`` to ``out``; convert it to grey levels if ``out`` is uint8."""
    out[...] = part if part.dtype == out.dtype else to_uint8(part)
