"""How much memory there is, and how much of it this process may still take."""

import os
from collections.abc import Iterator
from pathlib import Path

# Of the two versions of Linux's control groups: where they are mounted, and the files with the limit and the usage.
_GROUPS = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
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
    return min([physical_memory(), *_system(root), *_control_groups(root)])


def _system(root: Path) -> Iterator[int]:
    meminfo = root / "proc/meminfo"
    lines = meminfo.read_text().splitlines() if meminfo.exists() else []
    return (int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))


def _control_groups(root: Path) -> Iterator[int]:
    """What each of the process's control groups has left; files that are not there set no limit."""
    groups = root / "proc/self/cgroup"
    for line in groups.read_text().splitlines() if groups.exists() else []:
        _, controllers, group = line.split(":", 2)
        for controller in {"", "memory"} & set(controllers.split(",")):
            mount, limit, usage, cache = _GROUPS[controller]
            # A container often sees its own group as the root, under a path that only its host has.
            for path in (Path(group), *Path(group).parents):
                folder = root / mount / path.relative_to("/")
                try:
                    used = int((folder / usage).read_text())
                    stat = dict(entry.split() for entry in (folder / "memory.stat").read_text().splitlines())
                    # The system drops what it cached of files when memory is asked for.
                    yield max(0, int((folder / limit).read_text()) - used + int(stat.get(cache, 0)))
                except (OSError, ValueError):  # ValueError: "max"
                    continue
