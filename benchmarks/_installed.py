"""Disk space of an installed distribution and its requirements."""

import importlib.metadata
from collections.abc import Iterable
from pathlib import Path


def requirements(name: str, extras: Iterable[str] = ()) -> set[str]:
    """Names of a distribution and of all its direct and indirect requirements on this machine.

    Raises:
        importlib.metadata.PackageNotFoundError: one of them is not installed.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: set[str] = set()
    waiting = [(name, frozenset(extras))]
    seen = set()
    while waiting:
        wanted = waiting.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        here, with_extras = wanted
        found.add(canonicalize_name(here))
        for text in importlib.metadata.requires(here) or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *with_extras)):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def installed_bytes(names: Iterable[str]) -> int:
    """Total size of the files of some distributions."""
    files = (Path(file.locate()) for name in names for file in importlib.metadata.files(name) or ())
    return sum(file.stat().st_size for file in files if file.is_file())
