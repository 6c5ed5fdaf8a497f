"""Commands that write files, with their results and checks that these are never half-written."""

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import cvae_runtime as cvae
import cvae_runtime.bundle

from ._processes import DONE, run

Result = dict[str, bytes]

_TIMES = ("seconds", "images_per_second")  # columns of history.csv that differ between runs


@dataclasses.dataclass(frozen=True)
class Job:
    """A command line that can be repeated until its work is done.

    Attributes:
        name: name in the counts.
        command: its arguments after the script's name, without the target.
        target: a file or folder in the attempt's folder.
        check: raises if a file with a final name is incomplete; the target may be missing.
        result: maps a target to values that equal those of an undisturbed run.
        set_up: puts files into the attempt's folder before the command runs.
    """

    name: str
    command: tuple[str, ...]
    target: str
    check: Callable[[Path], None]
    result: Callable[[Path], Result]
    set_up: Callable[[Path], None] = lambda _: None

    @property
    def resumes(self) -> bool:
        """Whether repeating the command continues earlier work."""
        return "--resume" in self.command

    def anew(self, folder: Path) -> list[str]:
        """The command line that replaces an existing target."""
        return ["--overwrite" if word == "--resume" else word for word in self.at(folder)]

    def at(self, folder: Path) -> list[str]:
        """The command line with its target in a folder."""
        return [*self.command, str(folder / self.target)]

    def undisturbed(self, folder: Path) -> Result:
        """Run it in a new folder and return its result."""
        folder.mkdir()
        self.set_up(folder)
        if run(self.at(folder), folder / "log") != DONE:
            raise AssertionError(f"{self.name} fails undisturbed: {(folder / 'log').read_text()}")
        return self.result(folder / self.target)


def make_jobs(folder: Path, seed: int) -> list[Job]:
    """Create the jobs and their input files in a folder."""
    rng = np.random.default_rng(seed)
    images = np.zeros((53, 8, 8, 1), np.uint8)
    for image in images:
        top, left = rng.integers(0, 5, 2)
        image[top : top + 3, left : left + 3] = rng.integers(128, 256)
    data, digits, run_folder = folder / "set.npz", folder / "digits.npy", folder / "trained"
    np.savez(data, x_train=images[:40], x_test=images[40:])
    np.save(digits, rng.integers(0, 256, (20_000, 28, 28), np.uint8))
    recipe = ("--batch-size", "50", "--filters", "4,6", "--latent-dim", "3", "--seed", "5", "--quiet")
    training = Job(
        "training",
        ("cvae-train", str(data), "--epochs", "12", *recipe, "--resume", "--run"),
        "run",
        _check_run,
        _run_result,
    )
    if run([*training.command, str(run_folder)], folder / "log") != DONE:
        raise AssertionError((folder / "log").read_text())
    export = ("cvae-export", str(run_folder), "--target", "portable", "--quiet", "--overwrite", "--onnx")
    earlier = folder / "earlier"
    if run([*export, str(earlier)], folder / "log") != DONE:
        raise AssertionError((folder / "log").read_text())

    def put_earlier(attempt: Path) -> None:
        (attempt / "bundle").mkdir()
        for path in earlier.iterdir():
            (attempt / "bundle" / path.name).write_bytes(path.read_bytes())

    quick = ("--provider", "cpu", "--threads", "1", "--quiet")
    return [
        training,
        Job("export", export, "bundle", _check_bundle, _bundle_result, put_earlier),
        Job(
            "shards",
            ("cvae-generate", "-n", "4000", "--shard-size", "300", "--dtype", "uint8", *quick, "--resume", "-o"),
            "shards",
            _check_shards,
            _contents,
        ),
        Job(
            "encode",
            ("cvae-encode", str(digits), *quick, "--overwrite", "-o"),
            "codes.npz",
            _check_codes,
            lambda target: {"codes.npz": target.read_bytes()},
        ),
    ]


def named(folder: Path) -> list[Path]:
    """The files below a folder that have their final names."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _contents(target: Path) -> Result:
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in named(target)}


def _check_run(target: Path) -> None:
    for path in named(target):
        match path.suffix:
            case ".json":
                json.loads(path.read_bytes())
            case ".csv":
                rows = list(csv.reader(io.StringIO(path.read_text())))
                if len({len(row) for row in rows}) != 1:
                    raise ValueError(f"{path.name}: rows of several lengths")
            case ".npz":
                with np.load(path, allow_pickle=False) as archive:
                    for name in archive.files:
                        archive[name]
            case _:
                with Image.open(path) as picture:
                    picture.load()
    if target.exists() and not (target / "config.json").is_file():
        raise ValueError("a run folder without a config.json")


def _run_result(target: Path) -> Result:
    files = _contents(target)
    rows = list(csv.DictReader(io.StringIO(files.pop("history.csv").decode())))
    untimed = [{name: value for name, value in row.items() if name not in _TIMES} for row in rows]
    # The checkpoint's history and the curve's axis also hold times.
    kept = {name: data for name, data in files.items() if name not in ("checkpoint.npz", "environment.json")}
    return {**kept, "history": json.dumps(untimed).encode()}


def _check_bundle(target: Path) -> None:
    cvae.read_bundle(target)  # at every instant the earlier bundle or the new one


def _bundle_result(target: Path) -> Result:
    # The manifest holds measured differences, and versions.
    return {name: data for name, data in _contents(target).items() if name != cvae.bundle.MANIFEST_NAME}


def _check_shards(target: Path) -> None:
    for path in named(target):
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        else:
            np.load(path, allow_pickle=False)


def _check_codes(target: Path) -> None:
    if target.exists():
        with np.load(target, allow_pickle=False) as archive:
            for name in archive.files:
                archive[name]
