"""How tests wait: for what must come, and longer than a loaded machine takes."""

import time

PATIENCE = 300.0  # seconds; ends a wait that has failed, and holds nothing about time


def wait_until(condition, *, process=None):
    """Return when ``condition()`` holds; fail when ``process`` ends before it does, or nothing comes."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None or condition(), "the process ended before"
        assert time.monotonic() < deadline, f"waited for {PATIENCE:g} s in vain"
        time.sleep(0.005)
