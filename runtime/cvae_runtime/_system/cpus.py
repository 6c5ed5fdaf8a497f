"""Number of cores that this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from .cgroups import control_groups


def allowed_cores(root: Path = Path("/")) -> int:
    """Number of cores that this process may keep busy: its affinity, or the quota of its control groups if lower.

    A quota of 1.5 cores counts as 2, as in Java and Go: two threads that pause for a quarter of the time do more work
    than one thread that never pauses.

    Examples:
        >>> system.allowed_cores() >= 1
        True
    """
    quota = cpu_quota(root)
    return affinity() if quota is None else min(affinity(), math.ceil(quota))


def affinity() -> int:
    """Number of cores that the scheduler may use for this process; all cores if the system has no affinity."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Cores that the control groups of this process allow, as CPU seconds per second; None without a limit."""
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
        except (OSError, ValueError):  # missing file; "max": no limit, in version 2
            continue
