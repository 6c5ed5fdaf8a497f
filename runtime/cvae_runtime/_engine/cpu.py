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
        labels: Array | None = None,
        before: "Engine | None" = None,
    ) -> dict[str, Array]:
        """Compute the outputs of ``count`` items.

        Args:
            count: number of items.
            inputs: function ``inputs(start, stop)`` that returns these items. Worker threads may call it.
            outputs: names of the graph's outputs to compute.
            dtype: "float32", or "uint8" for grey levels. Outputs of type bool stay bool.
            aligned: cut the items into micro-batches of `micro_batch` items for any number of threads.
            labels: class of each item, int64 (count,), if the model has labels.
            before: an engine whose first output is this engine's input, such as the prior before the decoder. It runs
                on the same threads; if ``aligned``, on the same micro-batches.

        Returns:
            New arrays (count, ...) by name, of ``dtype``.

        Raises:
            InputError: the model is closed, or latents are too large for the decoder.
            BundleError, ProviderError: see `CheckedSession.run`; or the provider does not work in a forked process.
        """
        if count <= smallest_part(self.micro_batch):  # fast path: run on the calling thread
            self._scheduler.check_open()
            with fork_guard:
                return self._compute(_through(before, inputs(0, count), labels), outputs, dtype, labels)
        plan = cut(count, self.micro_batch, self._threads, aligned=aligned)
        results = self._empty(count, outputs, dtype)
        given = inputs(0, count) if count <= _INPUTS_AT_ONCE else None

        def work(start: int, stop: int) -> None:
            block = inputs(start, stop) if given is None else given[start:stop]
            if not aligned:  # otherwise bits would depend on the size of the block
                block = _through(before, block, None if labels is None else labels[start:stop])
            for low in range(start, stop, plan.micro_batch):
                high = min(low + plan.micro_batch, stop)
                of_items = None if labels is None else labels[low:high]
                items = block[low - start : high - start]
                items = _through(before, items, of_items) if aligned else items
                self._store(items, {name: out[low:high] for name, out in results.items()}, of_items)

        self._scheduler.run(count, plan.block, work)
        return results

    def tune(self, items: Array, seconds: float, labels: Array | None = None) -> None:
        """Measure the fastest micro-batch for calls with ``items``, and use it from now on.

        Args:
            items: inputs of the graph, as many as the largest candidate.
            seconds: approximate duration of the measurement.
            labels: see `run`.
        """
        outputs = list(self.shapes)

        def rate(size: int) -> float:
            self.micro_batch = size
            start = time.perf_counter()
            self.run(len(items), lambda low, high: items[low:high], outputs, labels=labels)
            return len(items) / (time.perf_counter() - start)

        self.micro_batch = fastest(rate, [1 << power for power in range(len(items).bit_length())], seconds)

    def _empty(self, count: int, outputs: Sequence[str], dtype: str) -> dict[str, Array]:
        booleans = {name for name in outputs if self._session.dtypes[name] == "bool"}
        return {name: np.empty((count, *self.shapes[name]), "bool" if name in booleans else dtype) for name in outputs}

    def _compute(self, items: Array, outputs: Sequence[str], dtype: str, labels: Array | None) -> dict[str, Array]:
        """Return the outputs of one micro-batch: the session's own arrays, not copied, unless ``dtype`` is uint8."""
        found = self.call(items, outputs, labels)
        return {name: _as(dtype, part) for name, part in zip(outputs, found, strict=True)}

    def _store(self, items: Array, results: Mapping[str, Array], labels: Array | None) -> None:
        """Write the outputs of one micro-batch into arrays."""
        for part, out in zip(self.call(items, list(results), labels), results.values(), strict=True):
            out[...] = _as(out.dtype, part)

    def call(self, items: Array, outputs: Sequence[str], labels: Array | None) -> list[Array]:
        """Run the session on one micro-batch, on this thread; see `CheckedSession.run`."""
        return self._session.run(items, outputs, labels)


def _through(engine: Engine | None, items: Array, labels: Array | None) -> Array:
    """Return the first output of an engine for a micro-batch, on this thread; the items themselves without one."""
    return items if engine is None else engine.call(items, list(engine.shapes)[:1], labels)[0]


def _as(dtype: Any, part: Array) -> Array:
    """Convert values to ``dtype``: float32 to grey levels if that is uint8. Booleans stay booleans."""
    return part if part.dtype in (dtype, np.bool_) else to_uint8(part)
