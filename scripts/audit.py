"""Look for known vulnerabilities in what is installed, without a network: python scripts/audit.py ADVISORIES.

ADVISORIES is a copy of the Python Packaging Advisory Database, https://github.com/pypa/advisory-database, whose entries are in the OSV
schema, https://ossf.github.io/osv-schema/. Prints each advisory that an installed version is affected by, and exits 3 where
there is one. `pip-audit` asks the same database over the network.
"""

import argparse
import dataclasses
import importlib.metadata
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


@dataclasses.dataclass(frozen=True)
class Finding:
    """An advisory that a version is affected by."""

    name: str
    version: str
    advisory: str
    fixed: tuple[str, ...]
    summary: str

    def __str__(self) -> str:
        remedy = f"mended in {', '.join(self.fixed)}" if self.fixed else "not mended yet"
        return f"{self.name} {self.version}: {self.advisory}, {remedy}: {self.summary}"


def installed() -> dict[str, str]:
    """The versions of this environment's distributions, by their canonical names."""
    return {canonicalize_name(each.name): each.version for each in importlib.metadata.distributions()}


def audit(versions: Mapping[str, str], advisories: Path) -> Iterator[Finding]:
    """What is known of these versions; distributions by their canonical names.

    Raises:
        FileNotFoundError: the folder has no ``vulns``, as the database has.
    """
    entries = advisories / "vulns"
    if not entries.is_dir():
        raise FileNotFoundError(f"{advisories}: expected a copy of the advisory database, found no folder vulns in it")
    for name, version in sorted(versions.items()):
        for path in sorted((entries / name).glob("*.yaml")):
            advisory = yaml.safe_load(path.read_text())
            if advisory.get("withdrawn"):
                continue
            parts = [part for part in advisory["affected"] if canonicalize_name(part["package"]["name"]) == name]
            if not any(_affects(part, version) for part in parts):
                continue
            text = advisory.get("summary") or advisory.get("details") or "no description"
            names = ", ".join([advisory["id"], *advisory.get("aliases", [])])
            fixed = [event["fixed"] for part in parts for event in _events(part) if "fixed" in event]
            yield Finding(name, version, names, tuple(fixed), " ".join(text.split())[:120])


def _events(part: Mapping[str, Any]) -> list[dict[str, str]]:
    ranges = [each for each in part.get("ranges", []) if each["type"] == "ECOSYSTEM"]
    return [event for each in ranges for event in each["events"]]


def _affects(part: Mapping[str, Any], version: str) -> bool:
    """Whether a version is among the listed ones, or within a range: the schema's "evaluation"."""
    if version in part.get("versions", []):
        return True
    return any(
        _within(each["events"], Version(version)) for each in part.get("ranges", []) if each["type"] == "ECOSYSTEM"
    )


def _within(events: list[dict[str, str]], version: Version) -> bool:
    affected = False
    for kind, at in sorted((next(iter(event.items())) for event in events), key=lambda event: _version(event[1])):
        if kind == "introduced":
            affected |= version >= _version(at)
        elif kind == "fixed":
            affected &= version < _version(at)
        elif kind == "last_affected":
            affected &= version <= _version(at)
    return affected


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:  # some old ones; before all others
        return Version("0.dev0")


def main() -> None:
    """Print what is found."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("advisories", type=Path)
    arguments = parser.parse_args()
    versions = installed()
    try:
        found = list(audit(versions, arguments.advisories))
    except FileNotFoundError as error:
        parser.error(str(error))
    for finding in found:
        print(finding)
    print(f"{len(versions)} distributions, {len(found)} known vulnerabilities")
    sys.exit(3 if found else 0)


if __name__ == "__main__":
    main()
