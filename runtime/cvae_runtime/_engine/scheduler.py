"""Run micro-batches in parallel on threads.

For a transposed convolution, ONNX Runtime's CPU provider processes one image after another, with a threaded matrix
product for each. Calling single-threaded sessions from one thread per core is about 2x faster; calls release the GIL.
The module `micro_batch` decides the size of the parts.
"""

import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from operator import length_hint

from .._check import is_int
from .._errors import InputError, ProviderError
from .._system import allowed_cores
from .fork import fork_guard

MAX_THREADS = 1024

Work = Callable[[int, int], None]

_NAME = "cvae-runtime"  # prefix of the threads' names


class Scheduler:
    """A pool of threads for one model. Any number of threads may call it.

    The calling thread works too, and adds free threads of the pool. It never waits for a thread that another call
    uses, and work never calls a scheduler, so calls cannot deadlock. A forked child gets its own pool.

    Args:
        threads: number of threads, including the caller's. Default: the number of cores that the process may use.

    Attributes:
        threads: number of threads, including the caller's.
        survives_fork: whether the work runs in a forked child. Set it to False for GPU providers.

    Raises:
        InputError: ``threads`` is out of range.
    """

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and not (is_int(threads) and 1 <= threads <= MAX_THREADS):
            raise InputError(f"threads must be 1 to {MAX_THREADS}; found {threads!r}")
        self.threads = threads or allowed_cores()
        self.survives_fork = True
        self._closed = self._forked = False
        self._make_pool()
        _schedulers.add(self)

    def _make_pool(self) -> None:
        self._pool = ThreadPoolExecutor(self.threads - 1, _NAME) if self.threads > 1 else None
        self._lock = threading.Lock()
        self._busy: list[Future[None]] = []

    def after_fork(self) -> None:
        """Make a new pool in a forked child, which does not inherit threads."""
        self._forked = True
        self._make_pool()

    def run(self, count: int, size: int, work: Work) -> None:
        """Call ``work(start, stop)`` on spans of ``size`` that cover ``range(count)``, in any order.

        Raises:
            InputError: the scheduler is closed.
            ProviderError: this is a forked child, and the provider does not work in one.
            Exception: the first exception of ``work``. Spans that have not started are dropped.
        """
        self.check_open()
        starts = iter(range(0, count, size))
        lock = threading.Lock()
        stop = threading.Event()
        helpers: list[Future[None]] = []

        def drain(recruit: Callable[[], None] | None = None) -> None:
            try:
                while not stop.is_set():
                    with lock:
                        start = next(starts, None)
                    if start is None:
                        return
                    if recruit is not None:
                        recruit()
                    with fork_guard:
                        work(start, min(start + size, count))
            except BaseException:  # Ctrl-C too: start no more spans
                stop.set()
                raise

        def recruit() -> None:
            if left := length_hint(starts):
                helpers.extend(self._recruit(left, drain))

        try:
            drain(recruit)
            for helper in helpers:
                if not helper.cancel():
                    helper.result()
        except BaseException:
            stop.set()
            wait([helper for helper in helpers if not helper.cancel()])
            raise

    def _recruit(self, most: int, task: Callable[[], None]) -> list[Future[None]]:
        """Start ``task`` on the free threads of the pool, at most ``most``."""
        started: list[Future[None]] = []
        if self._pool is None:
            return started
        with self._lock:
            self._busy = [future for future in self._busy if not future.done()]
            for _ in range(min(most, self.threads - 1 - len(self._busy))):
                try:
                    future = self._pool.submit(task)
                except RuntimeError:  # closed, interpreter exit, or no more threads
                    break
                started.append(future)
                self._busy.append(future)
        return started

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def check_open(self) -> None:
        """Raise `InputError` or `ProviderError` if `run` could not work."""
        if self._closed:
            raise InputError("the model is closed; load it again")
        if self._forked and not self.survives_fork:
            raise ProviderError(
                "the model was loaded before this process was forked, and its provider does not work in a forked "
                "process; load the model in each worker, or start workers by spawn"
            )

    def close(self) -> None:
        """End the threads after their current calls. Later calls of `run` raise."""
        self._closed = True
        if self._pool is not None:
            # Garbage collection may call this on a thread of the pool, which cannot wait for itself.
            self._pool.shutdown(wait=not threading.current_thread().name.startswith(_NAME))


_schedulers: weakref.WeakSet[Scheduler] = weakref.WeakSet()


def _after_fork() -> None:
    for scheduler in _schedulers:
        scheduler.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
