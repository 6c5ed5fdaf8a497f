"""The path of few items: a session of several threads, for one call at a time.

A layer that is divided between threads is done sooner than by one of them. It costs more in all, since ONNX Runtime's
threads wait for work by spinning: so it is for calls of a micro-batch at most, and where many call at once only one takes
it.
"""

import threading
from collections.abc import Callable

from ._checked_session import CheckedSession
from ._fork import uninterrupted

MAX_THREADS = 4  # layers of this size are not worth more; not measured beyond two cores

_OPENED_AT = 2  # calls; who wants one picture and no more does not wait for a second session


class QuickPath:
    """Opens its session when it is wanted again and again.

    Args:
        open_session: opens it.
    """

    def __init__(self, open_session: Callable[[], CheckedSession]) -> None:
        self._open = open_session
        self._session: CheckedSession | None = None
        self._calls = 0
        self._lock = threading.Lock()
        # The session's threads would be missing in a forked child, where its end would wait for them for ever.
        uninterrupted.at_fork.add(self)

    def run(self, work: Callable[[CheckedSession], None]) -> bool:
        """Call ``work`` with the session; False if another call has it, or it is not wanted often enough."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._calls += 1
            if self._session is None and self._calls >= _OPENED_AT:
                self._session = self._open()
            session = self._session
            if session is None:
                return False
            with uninterrupted:
                work(session)
            return True
        finally:
            self._lock.release()

    def drop(self) -> None:
        """End the session and its threads, as soon as no call has it."""
        self._session, self._calls = None, 0
