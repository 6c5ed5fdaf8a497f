"""Requests that arrive while the model runs become one call."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Run = Callable[[Array], Sequence[Array]]


class BusyError(Exception):
    """More waits for the model than the service wants to keep."""


class Batcher:
    """Runs arrays of items, from any number of tasks of one event loop, in as few calls as there can be.

    A call begins as soon as the model is free, so that a lone request waits for nobody; what arrives meanwhile is
    the next call. Items must not influence each other, and must have been checked: an error is that of the whole call.

    Args:
        run: items (N, ...) to outputs (N, ...); it is called on a thread of its own, once at a time.
        most_waiting: items that may wait.
        most_at_once: items of a call of several requests; a larger request is a call alone.

    Attributes:
        requests: how many there were.
        calls: how many calls of ``run`` they took.
    """

    def __init__(self, run: Run, most_waiting: int, most_at_once: int = 1024) -> None:
        self._run, self._most_waiting, self._most_at_once = run, most_waiting, most_at_once
        self._thread = ThreadPoolExecutor(1, "batcher")
        self._waiting: deque[tuple[Array, asyncio.Future[Sequence[Array]]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self.requests = self.calls = 0

    async def __call__(self, items: Array) -> Sequence[Array]:
        """Wait for the outputs of these items.

        Raises:
            BusyError: too many wait already.
        """
        waiting = sum(len(others) for others, _ in self._waiting)
        if self._waiting and waiting + len(items) > self._most_waiting:
            raise BusyError(f"{waiting} items wait for the model; try again later")
        self.requests += 1
        outputs: asyncio.Future[Sequence[Array]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, outputs))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await outputs

    async def close(self) -> None:
        """Answer what waits, and end the thread."""
        if self._worker is not None:
            await self._worker
        self._thread.shutdown()

    async def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft()]
            size = len(batch[0][0])
            while self._waiting and size + len(self._waiting[0][0]) <= self._most_at_once:
                batch.append(self._waiting.popleft())
                size += len(batch[-1][0])
            await self._answer(batch)

    async def _answer(self, batch: Sequence[tuple[Array, asyncio.Future[Sequence[Array]]]]) -> None:
        self.calls += 1
        items = np.concatenate([items for items, _ in batch])
        try:
            outputs = await asyncio.get_running_loop().run_in_executor(self._thread, self._run, items)
        except Exception as error:  # whatever it is, it is the answer to those that asked
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        start = 0
        for own, future in batch:
            stop = start + len(own)
            if not future.done():  # a request that was cancelled
                future.set_result([output[start:stop] for output in outputs])
            start = stop
