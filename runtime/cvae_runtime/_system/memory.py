"""How much memory there is, and how much of it this process may still take."""

import os
from collections.abc import Iterator
from pathlib import Path

from .._errors import InputError
from .cgroups import control_groups

# Of the two versions of Linux's control groups: the files with the limit and the usage, and what is cached of files.
_NAMES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


def physical_memory() -> int:
    """Bytes that the machine has."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 << 40  # unknown: NumPy will say when it does not get what it asks for


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that can be taken before the system swaps or, in a container, ends the process.

    Where a system does not tell (others than Linux), it is the physical memory.
    """
    return min([physical_memory(), *_system(root), *_left(root)])


def refuse_size(name: str, size: int) -> None:
    """Raise `InputError` where ``size`` bytes, of what errors call ``name``, are more than memory has left.

    A system that gives memory before it has it ends the process instead of refusing: a few megabytes can unpack to
    terabytes.
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
    """What each of the process's control groups has left; files that are not there set no limit."""
    for version, folder in control_groups("memory", root):
        limit, usage, cache = _NAMES[version]
        try:
            used = int((folder / usage).read_text())
            stat = dict(entry.split() for entry in (folder / "memory.stat").read_text().splitlines())
            # The system drops what it cached of files when memory is asked for.
            yield max(0, int((folder / limit).read_text()) - used + int(stat.get(cache, 0)))
        except (OSError, ValueError):  # ValueError: "max"
            continue
