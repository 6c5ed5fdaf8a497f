"""Damage a bundle in many ways and check the outcome: python scripts/hostile_bundles.py COUNT [--seed 0] [BUNDLE].

Every damaged bundle must raise `BundleError` or `IntegrityError` with the path of the file, or load and compute. Any
other outcome is printed with its number, which reproduces it together with the seed: another exception, a crash of
the process, a hang. The script then exits with 3. Separate processes try the bundles, a few hundred each.
"""

import argparse
import collections
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import cvae_runtime as cvae
import cvae_runtime.bundle
import cvae_runtime.random

PART = 250  # bundles per process
PATIENCE = 300  # seconds per process; a bundle takes a few milliseconds

LIKELIHOODS = ("bernoulli", "discretized-logistic", "discretized-logistic-mixture")
GOLDEN = "golden.json"
Files = dict[str, bytes]

# Values that are valid in few places of a manifest or of golden vectors.
_VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    10**400,
    "",
    "../decoder.onnx",
    "/etc/passwd",
    "a\0b",
    "\ud800",
    [],
    {},
    [[]] * 9,
]
_TEXTS = [
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b"[" * 100_000,
    b'{"a":' * 20_000,
    b'"\\ud800"',
    b"\xff\xfe",
    b"\0",
]
_HUGE = 4 << 30

# Changes to a graph's file that protobuf parsers accept; each must be rejected.
GRAPHS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: b"\x08\x08\x0a\x04ORTM" + data,  # the mark of ONNX Runtime's own format
    lambda data: data + data,  # parsers merge the two
    lambda data: data + b"\x3a\x07\x0a\x05\x22\x03Abs",  # a second graph with one node
    lambda data: data + b"\x9a\x06\x04more",  # a field that is not in onnx.proto
    lambda data: data + b"\x0a\x01a",  # a field with another type
    lambda data: data + b"\x42\x0f\x0a\x0dcom.microsoft",  # another domain
    lambda data: data + b"\xca\x01\x00",  # a function
    lambda data: data + b"\xa2\x01\x00",  # training information
    lambda data: data.replace(b"\x22\x04Relu", b"\x3a\x04mine", 1),  # an operator of another domain
)


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, change, cut, double, insert or remove some bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at, length = rng.randrange(len(changed) + 1), rng.choice((1, 1, 4, 30))
        match rng.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 2:
                changed[at : at + length] = b""
            case 3:
                changed[at:at] = rng.randbytes(length)
            case 4:
                changed[at:at] = changed[at : at + length]
            case _:
                changed[at : at + length] = rng.choice((b"\xff", b"\0", b"\x80")) * length
    return bytes(changed[: rng.randrange(len(changed) + 1)]) if rng.random() < 0.1 else bytes(changed)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in [(value, key), *_places(value[key])]]


def damaged_json(text: bytes, rng: random.Random) -> bytes:
    """Change, remove, swap or repeat values of a JSON text, or insert invalid JSON."""
    value = json.loads(text)
    for _ in range(rng.choice((1, 1, 3))):
        if not value:  # everything was removed
            break
        container, key = rng.choice(_places(value))
        other, name = rng.choice(_places(value))
        match rng.randrange(6):
            case 0:
                container[key] = rng.choice(_VALUES)
            case 1:
                del container[key]
            case 2:
                container[key] = json.loads(json.dumps(other[name]))
            case 3 if isinstance(container[key], int):
                container[key] = rng.choice(
                    (_HUGE, container[key] + 1, -container[key], float(container[key] % 2**63), 2**63)
                )
            case 4:
                value[next(iter(value))] = rng.choice((0, 2, 1.0, "1", 10**30))
            case _:
                container[key] = [container[key]]
    result = json.dumps(value).encode()
    match rng.randrange(6):
        case 0:  # replace a value by invalid or excessive JSON
            at = result.rfind(b": ", 0, rng.randrange(len(result)) + 9) + 2
            return result[:at] + rng.choice(_TEXTS) + result[at + 1 :]
        case 1:  # repeat the keys
            return result[:-1] + b", " + json.dumps(value).encode()[1:]
    return result


def rehashed(files: Files) -> Files:
    """Update the sizes and hashes in the manifest, as far as it still has these fields."""
    try:
        manifest = json.loads(files[cvae.bundle.MANIFEST_NAME])
        for info in [*manifest["graphs"], manifest["golden"]]:
            data = files[info["file"]]
            info.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return files
    return {**files, cvae.bundle.MANIFEST_NAME: json.dumps(manifest).encode()}


def write_damaged(files: Files, folder: Path, rng: random.Random) -> None:
    """Write a bundle with one kind of damage to an empty folder."""
    name = rng.choice(sorted(files))
    graph = rng.choice([name for name in sorted(files) if name.endswith(".onnx")])
    replace: Callable[[Path], None] | None = None
    match rng.randrange(10):
        case 0:
            files = {**files, name: damaged_bytes(files[name], rng)}
        case 1 | 2:
            files = {**files, cvae.bundle.MANIFEST_NAME: damaged_json(files[cvae.bundle.MANIFEST_NAME], rng)}
        case 3:
            files = rehashed({**files, cvae.bundle.MANIFEST_NAME: damaged_json(files[cvae.bundle.MANIFEST_NAME], rng)})
        case 4 if rng.random() < 0.7:
            files = rehashed({**files, GOLDEN: damaged_json(files[GOLDEN], rng)})
        case 4:
            files = rehashed({**files, graph: files[rng.choice(sorted(files))]})
        case 5:
            replace = rng.choice(
                (
                    Path.unlink,
                    lambda path: (
                        path.unlink(),
                        path.symlink_to(rng.choice(("/dev/zero", "/etc/passwd", path.name, "none"))),
                    )[1],
                    lambda path: (path.unlink(), os.mkfifo(path))[1],
                    lambda path: (path.unlink(), path.mkdir())[1],
                    lambda path: os.truncate(path, rng.choice((0, 1, _HUGE))),  # a sparse file needs no space
                )
            )
        case 6:
            files = rehashed({**files, graph: rng.choice(GRAPHS)(files[graph])})
        case _:
            files = rehashed({**files, graph: damaged_bytes(files[graph], rng)})
    for file, data in files.items():
        (folder / file).write_bytes(data)
    if replace is not None:
        replace(folder / name)


def clear(folder: Path) -> None:
    """Create a folder, or empty it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def attempt(folder: Path, *, run: bool = True) -> str:
    """Load a bundle and compute, or only read it; return "runs" or "refused", and raise for any other outcome.

    Raises:
        AssertionError: the error does not name a path of the bundle.
    """
    try:
        if not run:
            bundle = cvae.read_bundle(folder)
            cvae.bundle.parse_golden(bundle.files[bundle.manifest.golden.file], str(folder))
            return "runs"
        with warnings.catch_warnings(), cvae.load(folder, provider="cpu", threads=1) as model:
            warnings.simplefilter("ignore")  # about infinite numbers: damaged weights have any value
            images = np.zeros((2, *model.image_shape), np.uint8)
            model.reconstruct(images)
            # Bundles of later versions may have other random numbers and likelihoods, which raise `InputError`.
            if (known := model.manifest.model).rng == cvae.random.RNG_NAME:
                model.generate(2)
                model.reconstruct(images, sample=True)
                if known.likelihood in LIKELIHOODS:
                    model.score(images)
            cvae.check_golden(cvae.read_bundle(folder))
    except cvae.BundleError as error:
        if str(folder) not in str(error):
            raise AssertionError(f"names no file: {error}") from error
        return "refused"
    return "runs"


def _try_part(bundle: Path, seed: int, numbers: range) -> None:
    files = {path.name: path.read_bytes() for path in bundle.iterdir()}
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            write_damaged(files, Path(folder), random.Random(f"{seed}/{number}"))  # noqa: S311  # no secrets
            try:
                outcome = attempt(Path(folder))
            except Exception as error:
                outcome = f"{type(error).__name__}: {' '.join(str(error).replace(folder, '').split())[:300]}"
        print(f"{number}\t{outcome}", flush=True)


def main() -> None:
    """Try bundles and print the outcomes."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("count", type=int)
    parser.add_argument("bundle", nargs="?", type=Path, default=cvae.packaged_bundle())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first bundle")
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.count)
    if arguments.part:
        _try_part(arguments.bundle, arguments.seed, numbers)
        return
    outcomes: collections.Counter[str] = collections.Counter()
    begin = numbers.start
    while begin < numbers.stop:
        count = min(PART, numbers.stop - begin)
        command = [sys.executable, __file__, str(count), str(arguments.bundle), "--part", "--seed", str(arguments.seed)]
        with tempfile.TemporaryFile("w+") as out:
            try:
                code = subprocess.run(
                    [*command, "--first", str(begin)],
                    stdout=out,
                    stderr=subprocess.DEVNULL,
                    timeout=PATIENCE,
                    check=False,
                ).returncode
                ended = f"the process ended with {code}"
            except subprocess.TimeoutExpired:
                ended = f"no result within {PATIENCE} seconds"
            out.seek(0)
            lines = [line.rstrip("\n").split("\t", 1) for line in out]
        if len(lines) < count:
            lines.append([str(begin + len(lines)), ended])
        begin += len(lines)
        for number, outcome in lines:
            outcomes[outcome if outcome in ("runs", "refused") else "wrong"] += 1
            if outcome not in ("runs", "refused"):
                print(f"bundle {number}: {outcome}", flush=True)
    print(
        f"{numbers.stop - numbers.start:,} bundles: "
        + ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(outcomes.items()))
    )
    sys.exit(3 if outcomes["wrong"] else 0)


if __name__ == "__main__":
    main()
