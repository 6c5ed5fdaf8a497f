"""Combine requests that arrive while the model runs into one call."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Run = Callable[..., Sequence[Array]]
_Request = tuple[tuple[Array, ...], asyncio.Future[Sequence[Array]]]


class BusyError(Exception):
    """Too many items wait for the model."""


class Batcher:
    """Run arrays of items, from any number of tasks of one event loop, in as few calls as possible.

    A call begins as soon as the model is free, so a single request does not wait. Requests that arrive during a call
    form the next one. Items must not influence each other. If a call fails, its requests are run again in halves, so
    that an error reaches only the request that caused it. Cancelled requests are not run.

    Args:
        run: maps items to outputs (N, ...); called on its own thread, one call at a time. Items are one or more arrays
            (N, ...): the arguments of ``run``.
        most_waiting: limit of the items that wait.
        most_at_once: limit of the items in a call of several requests; a larger request is a call of its own.

    Attributes:
        requests: number of requests.
        calls: number of calls of ``run`` for them.
    """

    def __init__(self, run: Run, most_waiting: int, most_at_once: int = 1024) -> None:
        self._run, self._most_waiting, self._most_at_once = run, most_waiting, most_at_once
        self._thread = ThreadPoolExecutor(1, "batcher")
        self._waiting: deque[_Request] = deque()
        self._worker: asyncio.Task[None] | None = None
        self.requests = self.calls = 0

    async def __call__(self, *items: Array) -> Sequence[Array]:
        """Return the outputs of the items.

        Raises:
            BusyError: too many items wait already.
            Exception: the error that ``run`` raises for these items alone.
        """
        waiting = sum(len(others[0]) for others, asked in self._waiting if not asked.done())
        if waiting and waiting + len(items[0]) > self._most_waiting:
            raise BusyError(f"{waiting} items wait for the model; try again later")
        self.requests += 1
        outputs: asyncio.Future[Sequence[Array]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, outputs))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await outputs

    async def close(self) -> None:
        """Answer the waiting requests, then stop the thread."""
        if self._worker is not None:
            await self._worker
        self._thread.shutdown()

    async def _work(self) -> None:
        while self._waiting:
            batch: list[_Request] = []
            size = 0
            while self._waiting and (not batch or size + len(self._waiting[0][0][0]) <= self._most_at_once):
                items, asked = self._waiting.popleft()
                if not asked.done():  # done means cancelled
                    batch.append((items, asked))
                    size += len(items[0])
            await self._answer(batch)

    async def _answer(self, batch: Sequence[_Request]) -> None:
        batch = [(items, asked) for items, asked in batch if not asked.done()]
        if not batch:
            return
        self.calls += 1
        try:
            items = [np.concatenate(parts) for parts in zip(*(items for items, _ in batch), strict=True)]
            outputs = await asyncio.get_running_loop().run_in_executor(self._thread, self._run, *items)
        except Exception as error:  # any error belongs to the request that caused it
            middle = len(batch) // 2
            if middle > 0:
                await self._answer(batch[:middle])
                await self._answer(batch[middle:])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        start = 0
        for own, asked in batch:
            stop = start + len(own[0])
            if not asked.done():
                asked.set_result([output[start:stop] for output in outputs])
            start = stop
