"""Run one graph in micro-batches on threads."""

import time
from collections.abc import Callable, Mapping, Sequence
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
    """Runs a session on any number of items.

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
        outputs: Sequence[str],
        *,
        dtype: str = "float32",
        aligned: bool = False,
    ) -> dict[str, Array]:
        """Compute the outputs of ``count`` items.

        Args:
            count: number of items.
            inputs: function ``inputs(start, stop)`` that returns these items. Worker threads may call it.
            outputs: names of the graph's outputs to compute.
            dtype: "float32", or "uint8" for grey levels.
            aligned: cut the items into micro-batches of `micro_batch` items for any number of threads.

        Returns:
            New arrays (count, ...) by name, of ``dtype``.

        Raises:
            InputError: the model is closed, or latents are too large for the decoder.
            BundleError, ProviderError: see `CheckedSession.run`; or the provider does not work in a forked process.
        """
        if count <= smallest_part(self.micro_batch):  # fast path: run on the calling thread
            self._scheduler.check_open()
            with fork_guard:
                return self._compute(inputs(0, count), outputs, dtype)
        plan = cut(count, self.micro_batch, self._threads, aligned=aligned)
        results = self._empty(count, outputs, dtype)
        given = inputs(0, count) if count <= _INPUTS_AT_ONCE else None

        def work(start: int, stop: int) -> None:
            block = inputs(start, stop) if given is None else given[start:stop]
            for low in range(start, stop, plan.micro_batch):
                high = min(low + plan.micro_batch, stop)
                self._store(block[low - start : high - start], {name: out[low:high] for name, out in results.items()})

        self._scheduler.run(count, plan.block, work)
        return results

    def run_here(self, items: Array, output: str, micro_batch: int) -> Array:
        """Compute one output of ``items`` on this thread, as a part of another engine's work.

        Args:
            items: inputs of the graph.
            output: name of the output.
            micro_batch: most items in one call of the session. Results may depend on it in their last bits.

        Raises:
            InputError, BundleError, ProviderError: see `CheckedSession.run`.
        """
        starts = range(0, len(items), micro_batch)
        return np.concatenate([self._call(items[start : start + micro_batch], [output])[0] for start in starts])

    def tune(self, items: Array, seconds: float) -> None:
        """Measure the fastest micro-batch for calls with ``items``, and use it from now on.

        Args:
            items: inputs of the graph, as many as the largest candidate.
            seconds: approximate duration of the measurement.
        """
        outputs = list(self.shapes)

        def rate(size: int) -> float:
            self.micro_batch = size
            start = time.perf_counter()
            self.run(len(items), lambda low, high: items[low:high], outputs)
            return len(items) / (time.perf_counter() - start)

        self.micro_batch = fastest(rate, [1 << power for power in range(len(items).bit_length())], seconds)

    def _empty(self, count: int, outputs: Sequence[str], dtype: str) -> dict[str, Array]:
        return {name: np.empty((count, *self.shapes[name]), dtype) for name in outputs}

    def _compute(self, items: Array, outputs: Sequence[str], dtype: str) -> dict[str, Array]:
        """Return the outputs of one micro-batch: the session's own arrays, without a copy, if they are float32."""
        found = self._call(items, outputs)
        return {name: _as(dtype, part) for name, part in zip(outputs, found, strict=True)}

    def _store(self, items: Array, results: Mapping[str, Array]) -> None:
        """Write the outputs of one micro-batch into arrays."""
        for part, out in zip(self._call(items, list(results)), results.values(), strict=True):
            out[...] = _as(out.dtype, part)

    def _call(self, items: Array, outputs: Sequence[str]) -> list[Array]:
        return self._session.run(items, outputs)


def _as(dtype: Any, part: Array) -> Array:
    """Convert values to ``dtype``: float32 to grey levels if that is uint8."""
    return part if part.dtype == dtype else to_uint8(part)
