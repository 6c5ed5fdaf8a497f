"""What a fork must not cut through.

A forked process has the thread that forked and no other. A lock that another thread held at that moment, such as those
of ONNX Runtime's memory arena, stays locked in the child for ever, and the first call that wants it hangs. So a fork
waits until no thread opens or runs a session on the CPU, about as long as a micro-batch takes.
"""

import os
import threading
from types import TracebackType

_PATIENCE = 60.0  # seconds


class Uninterrupted:
    """``with uninterrupted:`` around what opens or runs a session; forks and such blocks wait for each other."""

    def __init__(self) -> None:
        self._inside: set[int] = set()
        self.after_in_child()

    def __enter__(self) -> None:
        with self._lock:
            while self._forks:
                self._changed.wait()
            self._inside.add(threading.get_ident())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside.discard(threading.get_ident())
            if self._forks:
                self._changed.notify_all()

    def before(self) -> None:
        """Wait until no other thread is inside, and keep all out."""
        self._lock.acquire()
        self._forks += 1
        # Not for itself: a signal's handler may fork. And not for ever: Ctrl-C may have kept a thread from signing off.
        self._changed.wait_for(lambda: not self._inside - {threading.get_ident()}, _PATIENCE)

    def after_in_parent(self) -> None:
        """Let them in again."""
        self._forks -= 1
        self._changed.notify_all()
        self._lock.release()

    def after_in_child(self) -> None:
        """Begin anew: of those that waited or were inside, only the thread that forked is there."""
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._inside &= {threading.get_ident()}
        self._forks = 0


uninterrupted = Uninterrupted()
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(
        before=uninterrupted.before,
        after_in_parent=uninterrupted.after_in_parent,
        after_in_child=uninterrupted.after_in_child,
    )
