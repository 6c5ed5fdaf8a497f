"""The control groups of this process, by which Linux limits the resources of containers."""

from collections.abc import Iterator
from pathlib import Path


def control_groups(controller: str, root: Path = Path("/")) -> Iterator[tuple[int, Path]]:
    """Yield version, 1 or 2, and folder of each group whose limits of ``controller`` apply to this process.

    The folders may not exist: a container often sees its own group as the root, but its path is the host's.
    """
    table = root / "proc/self/cgroup"
    for line in table.read_text().splitlines() if table.exists() else []:
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # Version 2 has one tree. Version 1 has a tree for each set of controllers, and links to it for each controller.
        for mount in {controller, controllers} if controllers else {""}:
            for path in (Path(group), *Path(group).parents):
                yield 1 if controllers else 2, root / "sys/fs/cgroup" / mount / path.relative_to("/")
