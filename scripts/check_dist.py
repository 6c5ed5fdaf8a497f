"""Check the packages that `make dist` wrote: python scripts/check_dist.py FOLDER [--tag v1.2.3].

Compares the version in every file that has one, and the contents of the wheel, the sdist and the npm package. With
``--tag``, the version must also be the tag's, and CHANGELOG.md must have a heading for it. Prints each difference.
Exits with 1 if there is one.
"""

import argparse
import json
import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
JS = ROOT / "runtime" / "js"

_PAGE = ("index.html", "single.html", "sw.js", "licenses.md")
_WHEEL = {
    *(f"cvae_runtime/page/{name}" for name in _PAGE),
    *(f"cvae_{package}/py.typed" for package in ("runtime", "train", "export")),
    "cvae_runtime/bundles/mnist/manifest.json",
    "cvae_train/mnist.xz",
}
_SDIST = {
    *(f"runtime/cvae_runtime/page/{name}" for name in _PAGE),
    *("CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml"),
    *("assets/mnist/weights.npz", "runtime/js/package.json", "runtime/js/src/load.ts"),
}


def versions() -> dict[str, str]:
    """Return the project's version as each file states it."""
    citation = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    return {
        "pyproject.toml": tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"],
        "runtime/js/package.json": json.loads((JS / "package.json").read_text(encoding="utf-8"))["version"],
        "CITATION.cff": citation[1] if citation else "none",
    }


def _npm_files() -> set[str]:
    """Return the files of the npm package: the modules, and what the compiler makes of each."""
    modules = [path.stem for path in (JS / "src").glob("*.ts")]
    built = {f"dist/{module}{suffix}" for module in modules for suffix in (".js", ".js.map", ".d.ts")}
    return {"package.json", "README.md", "LICENSE"} | {f"src/{module}.ts" for module in modules} | built


def _names(archive: Path) -> set[str]:
    """Return the files of an archive, without the top folder of tar files."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as tar:
        return {member.name.split("/", 1)[1] for member in tar.getmembers() if member.isfile()}


def _difference(what: str, expected: set[str], found: set[str]) -> list[str]:
    missing = [f"{what}: expected {name}, found none; run make dist" for name in sorted(expected - found)]
    return missing + [f"{what}: expected no {name}; run make dist" for name in sorted(found - expected)]


def differences(folder: Path, tag: str | None = None) -> list[str]:
    """Return what is wrong with the packages in a folder.

    Args:
        folder: the folder with the wheel, the sdist and the npm package.
        tag: the tag of the release.
    """
    version = versions()["pyproject.toml"]
    found = [
        f"{name}: expected version {version}, as in pyproject.toml, found {other}; change one of them"
        for name, other in versions().items()
        if other != version
    ]
    if tag is not None and tag != f"v{version}":
        found.append(f"tag: expected v{version}, found {tag}; change the version or the tag")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if tag is not None and f"\n## [{version}]" not in changes:
        found.append(f"CHANGELOG.md: expected the heading [{version}], found none; move [Unreleased] below it")

    wheel = folder / f"cvae_toolkit-{version}-py3-none-any.whl"
    sdist = folder / f"cvae_toolkit-{version}.tar.gz"
    npm = folder / f"cvae-runtime-{version}.tgz"
    found += _difference(
        str(folder), {path.name for path in (wheel, sdist, npm)}, {path.name for path in folder.iterdir()}
    )
    if wheel.is_file():
        found += _difference(wheel.name, _WHEEL, _names(wheel) & _WHEEL)
    if sdist.is_file():
        found += _difference(sdist.name, _SDIST, _names(sdist) & _SDIST)
    if npm.is_file():
        found += _difference(npm.name, _npm_files(), _names(npm))
    return found


def main() -> None:
    """Print the differences."""
    parser = argparse.ArgumentParser(description="Check the packages that make dist wrote.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tag", help="the tag of the release")
    arguments = parser.parse_args()
    found = differences(arguments.folder, arguments.tag)
    print("\n".join(found) or f"{arguments.folder}: complete, version {versions()['pyproject.toml']}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
