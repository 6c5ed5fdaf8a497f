"""How many cores this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from .cgroups import control_groups


def allowed_cores(root: Path = Path("/")) -> int:
    """How many cores this process may keep busy: those that its affinity names, or fewer by a quota of its control groups.

    A quota of 1.5 cores counts as 2, as in Java and Go: two threads that are paused for a quarter of the time do more
    than one that never is.
    """
    quota = cpu_quota(root)
    return affinity() if quota is None else min(affinity(), math.ceil(quota))


def affinity() -> int:
    """How many cores the scheduler may put this process on; where a system does not tell, all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Seconds of processor time that this process's control groups allow it in a second; None without a limit."""
    return min(_quotas(root), default=None)


def _quotas(root: Path) -> Iterator[float]:
    for version, folder in control_groups("cpu", root):
        try:
            if version == 2:
                quota, period = (folder / "cpu.max").read_text().split()
            else:
                quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if int(quota) > 0:  # -1: no limit, in version 1
                yield int(quota) / int(period)
        except (OSError, ValueError):  # not there; "max": no limit, in version 2
            continue
