"""Delay forks while a thread opens or runs a session.

A forked process has only the thread that forked. A lock that another thread held at that moment, such as that of ONNX
Runtime's memory arena, stays locked in the child, and the next call that takes it hangs. So a fork waits until no
thread opens or runs a session on the CPU, at most about as long as eight micro-batches take.
"""

import os
import threading
from types import TracebackType

_LONGEST_WAIT = 60.0  # seconds


class ForkGuard:
    """Context manager around code that opens or runs a session. Such blocks and forks exclude each other."""

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
        """Wait until no other thread is in a block, and block all others from entering."""
        self._lock.acquire()
        self._forks += 1
        # This thread may be in a block, since a signal handler can fork. Ctrl-C can skip __exit__, hence the limit.
        self._changed.wait_for(lambda: not self._inside - {threading.get_ident()}, _LONGEST_WAIT)

    def after_in_parent(self) -> None:
        """Let threads enter again."""
        self._forks -= 1
        self._changed.notify_all()
        self._lock.release()

    def after_in_child(self) -> None:
        """Reset the state in the child, which has only the thread that forked."""
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._inside &= {threading.get_ident()}
        self._forks = 0


fork_guard = ForkGuard()
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(
        before=fork_guard.before,
        after_in_parent=fork_guard.after_in_parent,
        after_in_child=fork_guard.after_in_child,
    )
