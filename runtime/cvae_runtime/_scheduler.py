"""Runs micro-batches side by side on threads.

ONNX Runtime's CPU provider walks the images of a transposed convolution one after another, with a threaded product for
each. Single-threaded sessions called from as many threads as there are cores do about twice as much (calls release the
GIL). Micro-batches are cut at multiples of a fixed size from the call's start, never by the number of threads, so that
a result has the same bits on any number of them.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from ._cores import allowed_cores
from ._errors import InputError
from ._whole import is_whole

MAX_THREADS = 1024

Work = Callable[[int, int], None]


class Scheduler:
    """A pool of threads that serves one model.

    Args:
        threads: how many run at a time, the caller's included; as many as the process may use cores if not given.
    """

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and not (is_whole(threads) and 1 <= threads <= MAX_THREADS):
            raise InputError(f"threads must be 1 to {MAX_THREADS}; found {threads!r}")
        self.threads = threads or allowed_cores()
        self._closed = False
        self._pool = ThreadPoolExecutor(self.threads - 1, "cvae-runtime") if self.threads > 1 else None

    def run(self, count: int, size: int, work: Work) -> None:
        """Call ``work(start, stop)`` for the spans of ``size`` that make up ``range(count)``, in any order.

        Raises:
            InputError: the scheduler is closed.
            Exception: the first that a call raised; calls not yet begun are dropped.
        """
        if self._closed:
            raise InputError("the model is closed; load it again")
        starts = iter(range(0, count, size))
        lock = threading.Lock()
        stop = threading.Event()

        def drain() -> None:
            try:
                while not stop.is_set():
                    with lock:
                        start = next(starts, None)
                    if start is None:
                        return
                    work(start, min(start + size, count))
            except BaseException:  # Ctrl-C too: what runs is awaited, nothing more is begun
                stop.set()
                raise

        helpers = min(self.threads, -(-count // size)) - 1
        futures = [self._pool.submit(drain) for _ in range(helpers)] if self._pool is not None else []
        try:
            drain()
            for future in futures:
                future.result()
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            wait(futures)
            raise

    def close(self) -> None:
        """End the threads; nothing can be run afterwards."""
        self._closed = True
        if self._pool is not None:
            self._pool.shutdown()
