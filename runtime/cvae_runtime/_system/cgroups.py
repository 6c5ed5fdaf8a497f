"""The control groups that this process is in: by them Linux limits what a container may use."""

from collections.abc import Iterator
from pathlib import Path


def control_groups(controller: str, root: Path = Path("/")) -> Iterator[tuple[int, Path]]:
    """Yield the version, 1 or 2, and the folder of every group whose limits of ``controller`` hold for this process.

    Folders are named whether or not they are there: a container often sees its own group as the root, under a path that
    only its host has.
    """
    table = root / "proc/self/cgroup"
    for line in table.read_text().splitlines() if table.exists() else []:
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # Version 2 has one tree and no names; version 1 a tree for each set of controllers, also found by one's own name.
        for mount in {controller, controllers} if controllers else {""}:
            for path in (Path(group), *Path(group).parents):
                yield 1 if controllers else 2, root / "sys/fs/cgroup" / mount / path.relative_to("/")
