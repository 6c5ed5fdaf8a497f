"""Hostile inputs: mutated files for every reader, and random command lines.

Every outcome must be success, or a documented error within limits of time and memory.
"""

import functools
import random
import tempfile
import warnings
from pathlib import Path

import cvae_runtime as cvae

from ._counts import Counts, rng_of, until
from ._damage import damaged_bytes, damaged_json
from ._parts import MEMORY, outcome_of, try_part
from ._processes import Limits, run, says_why
from ._readers import Reader, readers

_PART = 500  # files per process
_LINES = 12  # command lines between two parts


def run_attack(seconds: float, seed: int) -> Counts:
    """Try readers and command lines in turn."""
    counts, names = Counts(), list(readers())
    with tempfile.TemporaryDirectory() as folder:
        for number in until(seconds):
            name = names[number % len(names)]
            work = functools.partial(_try_reader, name)
            try_part(name, work, f"{seed}/{name}/{number}", _PART, Path(folder), counts)
            _try_command_lines(rng_of(f"{seed}/{number}"), Path(folder), counts)
    return counts


def mutated(reader: Reader, rng: random.Random) -> bytes:
    """Damage a valid file."""
    whole = rng.choice(reader.whole)
    if reader.file.endswith(".json") and rng.random() < 0.7:
        return damaged_json(whole, rng)
    return damaged_bytes(whole, rng)


def attempt(reader: Reader, path: Path) -> str:
    """Read a file; return "read", "refused", or another outcome."""
    try:
        with warnings.catch_warnings(action="ignore"):
            reader.read(path)
    except cvae.CvaeError as error:
        return "refused" if str(error) else "an error without a message"
    return "read"


def _try_reader(name: str, begin: str, folder: Path) -> None:
    reader = readers()[name]
    folder.mkdir(exist_ok=True)
    path = folder / reader.file
    for number in range(_PART):
        path.write_bytes(mutated(reader, rng_of(f"{begin}/{number}")))
        print(f"tried {number}\t{outcome_of(attempt, reader, path)}", flush=True)


# Without -v, which prints tracebacks.
_SCRIPTS = {
    "cvae-generate": (
        "-n --count --seed --first --temperature --latents --reconstruct --traverse --manifold --interpolate --resize "
        "--grey --invert --provider --precision --threads --format --dtype --separate --shard-size --resume --gif "
        "--scale --captions --receipt --overwrite -o --output --json -q"
    ),
    "cvae-encode": (
        "--resize --grey --invert --samples --seed --top-anomalies --anomalies --provider --precision --threads "
        "--format --receipt --overwrite --json -o -q"
    ),
    "cvae-train": (
        "--image-size --channels --test-fraction --skip-bad --memory-limit --preset --config --batch-size "
        "--learning-rate --decay --ema --latent-dim --filters --likelihood --objective --samples --beta "
        "--validation-fraction --patience --resume --overwrite"
    ),
    "cvae-evaluate": "--data --overwrite -q",
    "cvae-inspect": "-q --version --help",
}
_VALUES = (
    *("", "-", "--", "x" * 300, "x" * 5000, "new\nline", "\udcff", "\x1b[31m", "é"),
    *["0", "1", "-1", "3", "16", "1e309", "nan", "-inf", "99999999999999999999", "0x10", "1,2", ",", "a,b"],
    *[
        "/",
        ".",
        "..",
        "/dev/null",
        "/proc/self/mem",
        "out",
        "out.png",
        "out.npy",
        "out.gif",
        "a.npy",
        "digits.npy",
        "none/out.png",
        "bundle",
    ],
    *["png", "npy", "cpu", "cuda", "float32", "int8", "notebook", "bernoulli", "slerp", "~", "$HOME", "%s", "{}"],
)


def _try_command_lines(rng: random.Random, folder: Path, counts: Counts) -> None:
    work = folder / "lines"
    if not work.exists():
        import numpy as np

        work.mkdir()
        np.save(work / "digits.npy", np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8))
        np.save(work / "a.npy", np.zeros((3, 50), np.float32))
        (work / "bundle").symlink_to(cvae.packaged_bundle())
    for _ in range(_LINES):
        script = rng.choice(list(_SCRIPTS))
        options = _SCRIPTS[script].split()
        words = [rng.choice((rng.choice(options), rng.choice(_VALUES))) for _ in range(rng.randint(0, 6))]
        # Keep the work small and inside this folder.
        small = {"cvae-train": ["--epochs", "0", "--run", "run"], "cvae-generate": ["-n", "2"]}.get(script, [])
        command = (script, *words, *small)
        code = run(command, folder / "log", Limits(memory_bytes=MEMORY), work)
        text = (folder / "log").read_text(errors="replace")
        if says_why(code, text):
            counts.add(f"command lines: exit {code}")
        else:
            counts.defect("command lines", f"{command!r}: exit {code}: {text[-300:]}")
