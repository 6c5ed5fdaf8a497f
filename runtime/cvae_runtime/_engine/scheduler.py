"""Runs micro-batches side by side on threads.

ONNX Runtime's CPU provider walks the images of a transposed convolution one after another, with a threaded product for
each. Single-threaded sessions called from as many threads as there are cores do about twice as much (calls release the
GIL). How a call is cut is decided in `_micro_batch`.
"""

import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from operator import length_hint

from .._check import is_whole
from .._errors import InputError, ProviderError
from .._system import allowed_cores
from .fork import uninterrupted

MAX_THREADS = 1024

Work = Callable[[int, int], None]

_NAME = "cvae-runtime"  # of the pools' threads


class Scheduler:
    """A pool of threads that serves one model, called from any number of threads.

    A call works itself, and takes threads of the pool as they are free. It never waits for one that another call has,
    and work calls no scheduler, so that calls cannot wait for each other in a ring. A forked child gets its own pool.

    Args:
        threads: how many run at a time, the caller's included; as many as the process may use cores if not given.

    Attributes:
        survives_fork: whether the work can be done in a forked child; set it to False for devices, which cannot.
    """

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and not (is_whole(threads) and 1 <= threads <= MAX_THREADS):
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
        """Begin anew in a forked child, where the pool's threads are not."""
        self._forked = True
        self._make_pool()

    def run(self, count: int, size: int, work: Work) -> None:
        """Call ``work(start, stop)`` for the spans of ``size`` that make up ``range(count)``, in any order.

        Raises:
            InputError: the scheduler is closed.
            ProviderError: this is a forked child, where the work cannot be done.
            Exception: the first that a call raised; calls not yet begun are dropped.
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
                    with uninterrupted:
                        work(start, min(start + size, count))
            except BaseException:  # Ctrl-C too: what runs is awaited, nothing more is begun
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

    def _recruit(self, wanted: int, task: Callable[[], None]) -> list[Future[None]]:
        """Start ``task`` on as many threads of the pool as are free, ``wanted`` at most."""
        begun: list[Future[None]] = []
        if self._pool is None:
            return begun
        with self._lock:
            self._busy = [future for future in self._busy if not future.done()]
            for _ in range(min(wanted, self.threads - 1 - len(self._busy))):
                try:
                    future = self._pool.submit(task)
                except RuntimeError:  # closed meanwhile, the interpreter ends, or no more threads: the caller goes on
                    break
                begun.append(future)
                self._busy.append(future)
        return begun

    def check_open(self) -> None:
        """Raise what `run` would raise before any work."""
        if self._closed:
            raise InputError("the model is closed; load it again")
        if self._forked and not self.survives_fork:
            raise ProviderError(
                "the model was loaded before this process was forked, and its provider works in no forked process; "
                "load it in each worker, or start workers by spawn"
            )

    def close(self) -> None:
        """End the threads; nothing can be run afterwards. Calls under way are finished."""
        self._closed = True
        if self._pool is not None:
            # A thread of a pool, where Python may have collected garbage that closes a model, cannot wait for itself.
            self._pool.shutdown(wait=not threading.current_thread().name.startswith(_NAME))


_schedulers: weakref.WeakSet[Scheduler] = weakref.WeakSet()


def _after_fork() -> None:
    for scheduler in _schedulers:
        scheduler.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
