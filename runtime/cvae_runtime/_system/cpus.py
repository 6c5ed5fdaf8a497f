"""The processor, and the number of cores that this process may use."""

import dataclasses
import math
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .cgroups import control_groups

_INSTRUCTIONS: Mapping[str, Sequence[str]] = {
    "AVX2": ("avx2",),
    "AVX-512": ("avx512f",),
    "VNNI": ("avx512_vnni", "avx_vnni"),  # products of 8 bits with sums of 32
    "bfloat16": ("avx512_bf16", "amx_bf16"),
}


@dataclasses.dataclass(frozen=True)
class Processor:
    """A processor.

    Attributes:
        name: its model.
        flags: its instruction sets, by Linux's names; empty on other systems.

    Examples:
        >>> cpu = system.Processor("Some CPU", ("fma", "avx2", "avx512f", "avx512_vnni"))
        >>> cpu.instructions
        ['AVX2', 'AVX-512', 'VNNI']
    """

    name: str
    flags: Sequence[str]

    @property
    def instructions(self) -> list[str]:
        """Those of "AVX2", "AVX-512", "VNNI" and "bfloat16" that it has."""
        return [name for name, flags in _INSTRUCTIONS.items() if any(flag in self.flags for flag in flags)]


def processor(root: Path = Path("/")) -> Processor:
    """Describe the first processor of this machine.

    Examples:
        >>> system.processor().name != ""
        True
    """
    table = root / "proc/cpuinfo"
    first = table.read_text().split("\n\n")[0].splitlines() if table.exists() else []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first)}
    name = fields.get("model name") or platform.processor() or platform.machine()
    return Processor(name, tuple(fields.get("flags", fields.get("Features", "")).split()))


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
