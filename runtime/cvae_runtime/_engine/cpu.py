"""One graph of a bundle in an open session, called in micro-batches on threads."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._images import to_uint8
from .fork import uninterrupted
from .micro_batch import cut, smallest_part
from .scheduler import Scheduler
from .session import CheckedSession
from .tune import fastest

Array = NDArray[Any]

# Latents are made in the calling thread where there are no more: NumPy's calls take as long for a few as for hundreds,
# and one after another in any number of threads.
_AT_ONCE = 256


class Engine:
    """Calls a session whose one input has any number of items.

    Results go straight into the caller's arrays. On a CPU ONNX Runtime's IOBinding would save no time: binding the
    memory costs as much as the copy that it avoids.

    Attributes:
        micro_batch: items that a call of the session takes at most.
        shapes: those of an item's outputs, by name.
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
        whole: bool = False,
    ) -> None:
        """Compute all of ``outputs``, (count, ...) each, by the graph's names; uint8 ones get grey levels.

        Args:
            count: items.
            inputs: gives the items from start to stop; called on the threads that then compute.
            outputs: are written.
            whole: cut the items into micro-batches of `micro_batch` from the first on, whatever runs them.

        Raises:
            InputError: the model is closed.
        """
        if count <= smallest_part(self.micro_batch):  # done here without more ado: what one image waits for
            self._scheduler.check_open()
            with uninterrupted:
                self._call(inputs(0, count), outputs)
            return
        plan = cut(count, self.micro_batch, self._threads, whole=whole)
        given = inputs(0, count) if count <= _AT_ONCE else None

        def work(start: int, stop: int) -> None:
            block = inputs(start, stop) if given is None else given[start:stop]
            for low in range(start, stop, plan.micro_batch):
                high = min(low + plan.micro_batch, stop)
                self._call(block[low - start : high - start], {name: out[low:high] for name, out in outputs.items()})

        self._scheduler.run(count, plan.block, work)

    def tune(self, items: Array, seconds: float) -> None:
        """Measure which micro-batch is the fastest for calls of these items, and take it."""
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
    """Copy, or round to grey levels where ``out`` has these."""
    out[...] = part if part.dtype == out.dtype else to_uint8(part)
