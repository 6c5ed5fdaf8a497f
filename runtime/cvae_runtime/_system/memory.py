"""Physical memory, and memory that is available to this process."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

from .._errors import InputError
from .cgroups import control_groups

# For each version of control groups: files with the limit and the usage; key of the file cache in memory.stat.
_NAMES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


@functools.cache
def physical_memory() -> int:
    """Memory of the machine in bytes."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 << 40  # unknown: NumPy raises MemoryError if there is less


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that a process can take before the system swaps or, in a container, kills it.

    On systems other than Linux this is the physical memory.

    Examples:
        >>> system.available_memory() > 0
        True
    """
    return min([physical_memory(), *_system(root), *_left(root)])


def refuse_size(name: str, size: int) -> None:
    """Raise `InputError` if ``size`` bytes exceed the available memory; the error begins with ``name``.

    A few megabytes can unpack to terabytes, and a system that overcommits memory kills the process instead of raising.
    """
    if size > (left := available_memory()):
        raise InputError(
            f"{name}: takes {size / 2**30:,.1f} GiB of memory, and {left / 2**30:,.1f} GiB are available; "
            f"divide it into smaller files"
        )


def _system(root: Path) -> Iterator[int]:
    meminfo = root / "proc/meminfo"
    lines = meminfo.read_text().splitlines() if meminfo.exists() else []
    return (int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))


def _left(root: Path) -> Iterator[int]:
    """Available bytes of each control group of the process; a missing file means no limit."""
    for version, folder in control_groups("memory", root):
        limit, usage, cache = _NAMES[version]
        try:
            used = int((folder / usage).read_text())
            stat = dict(entry.split() for entry in (folder / "memory.stat").read_text().splitlines())
            # The system frees its cache of files on demand.
            yield max(0, int((folder / limit).read_text()) - used + int(stat.get(cache, 0)))
        except (OSError, ValueError):  # ValueError: "max"
            continue
