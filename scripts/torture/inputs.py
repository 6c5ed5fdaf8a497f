"""Hostile inputs: mutated files for every reader, damaged bundles, bombs, and random command lines.

Every outcome must be success, or a documented error within limits of time and memory. Each attempt is in another
process, so crashes and hangs are outcomes too.
"""

import functools
import os
import random
import tempfile
import time
import warnings
from pathlib import Path

import cvae_runtime as cvae
from scripts import hostile_bundles

from ._bombs import bombs
from ._bundles import hostile_bundle_commands
from ._counts import Counts, rng_of, until
from ._processes import Limits, end, says_why, start_call
from ._readers import Reader, readers

_PART = 500  # files per process
_BUNDLES = 40
_MEMORY = 4 << 30  # bytes beyond those at the start; bombs need more
_PATIENCE = 60.0
_LINES = 12  # command lines between two parts


def run_attack(seconds: float, seed: int) -> Counts:
    """Try the bombs and hostile bundles once, then readers, bundles and command lines in turn."""
    counts, begin = Counts(), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _meet_bombs(folder, counts)
        turns = [*readers(), "bundles"]
        for number in until(seconds - (time.monotonic() - begin)):
            turn = turns[number % len(turns)]
            _try_part(turn, seed, number, folder, counts)
            _try_command_lines(rng_of(f"{seed}/{number}"), folder, counts)
    return counts


def _meet_bombs(folder: Path, counts: Counts) -> None:
    (folder / "bombs").mkdir()
    (folder / "work").mkdir()
    (folder / "bundles").mkdir()
    commands = [*bombs(folder / "bombs"), *hostile_bundle_commands(folder / "bundles")]
    for what, command, refused in commands:
        log = folder / "log"
        process = start_call(_in_folder, (folder / "work", command), log, Limits(memory_bytes=_MEMORY))
        code, text = end(process, _PATIENCE), log.read_text(errors="replace")
        ran = (folder / "work" / "pickled-code-ran").exists()
        if says_why(code, text) and bool(code) == refused and not ran and "\x1b" not in text:
            counts.add(f"bombs: {'refused' if refused else 'read'}")
        else:
            counts.defect("bombs", f"{what}: {' '.join(command)!r}: exit {code}: {text[-300:]}")


def _in_folder(folder: Path, command: tuple[str, ...]) -> None:
    import importlib
    import sys

    from ._processes import MODULES

    os.chdir(folder)
    sys.argv = list(command)
    importlib.import_module(MODULES[command[0]]).main()


def _try_part(turn: str, seed: int, number: int, folder: Path, counts: Counts) -> None:
    """Try a part in another process, and count the outcomes that it writes."""
    log, size = folder / "part", _BUNDLES if turn == "bundles" else _PART
    work = _try_bundles if turn == "bundles" else functools.partial(_try_reader, turn)
    begin = f"{seed}/{turn}/{number}"
    process = start_call(work, (begin, folder / "tried"), log, Limits(memory_bytes=_MEMORY))
    code = end(process, _PATIENCE * 2)
    lines = [line.split("\t", 1) for line in log.read_text(errors="replace").splitlines() if line[:6] == "tried "]
    for which, outcome in lines:
        if outcome in ("refused", "read"):
            counts.add(f"{turn}: {outcome}")
        else:
            counts.defect(turn, f"seed {begin}/{which[6:]}: {outcome}")
    if code != 0 or len(lines) != size:
        counts.defect(
            turn, f"seed {begin}/{len(lines)}: the process ended with {code}: {log.read_text(errors='replace')[-300:]}"
        )


def mutated(reader: Reader, rng: random.Random) -> bytes:
    """Damage a valid file."""
    whole = rng.choice(reader.whole)
    if reader.file.endswith(".json") and rng.random() < 0.7:
        return hostile_bundles.damaged_json(whole, rng)
    return hostile_bundles.damaged_bytes(whole, rng)


def attempt(reader: Reader, path: Path) -> str:
    """Read a file; return "read", "refused", or another outcome."""
    try:
        with warnings.catch_warnings(action="ignore"):
            reader.read(path)
    except cvae.CvaeError as error:
        return "refused" if str(error) else "an error without a message"
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return "read"


def _try_reader(name: str, begin: str, folder: Path) -> None:
    reader = readers()[name]
    folder.mkdir(exist_ok=True)
    path = folder / reader.file
    for number in range(_PART):
        path.write_bytes(mutated(reader, rng_of(f"{begin}/{number}")))
        print(f"tried {number}\t{attempt(reader, path)}", flush=True)


def _try_bundles(begin: str, folder: Path) -> None:
    files = {path.name: path.read_bytes() for path in cvae.packaged_bundle().iterdir()}
    for number in range(_BUNDLES):
        hostile_bundles.clear(folder)
        hostile_bundles.write_damaged(files, folder, rng_of(f"{begin}/{number}"))
        try:
            outcome = {"runs": "read"}.get(found := hostile_bundles.attempt(folder), found)
        except Exception as error:
            outcome = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        print(f"tried {number}\t{outcome}", flush=True)
    hostile_bundles.clear(folder)


# Without -v, which prints tracebacks.
_SCRIPTS = {
    "cvae-generate": (
        *(
            "-n",
            "--count",
            "--seed",
            "--first",
            "--temperature",
            "--latents",
            "--reconstruct",
            "--traverse",
            "--manifold",
        ),
        *("--interpolate", "--resize", "--grey", "--invert", "--provider", "--precision", "--threads", "--format"),
        *(
            "--dtype",
            "--separate",
            "--shard-size",
            "--resume",
            "--gif",
            "--scale",
            "--captions",
            "--receipt",
            "--overwrite",
        ),
        *("-o", "--output", "--json", "-q"),
    ),
    "cvae-encode": (
        *("--resize", "--grey", "--invert", "--samples", "--seed", "--top-anomalies", "--anomalies", "--provider"),
        *("--precision", "--threads", "--format", "--receipt", "--overwrite", "--json", "-o", "-q"),
    ),
    "cvae-train": (
        *("--image-size", "--channels", "--test-fraction", "--skip-bad", "--memory-limit", "--preset", "--config"),
        *("--batch-size", "--learning-rate", "--decay", "--ema", "--latent-dim", "--filters", "--likelihood"),
        *("--objective", "--samples", "--beta", "--validation-fraction", "--patience", "--resume", "--overwrite"),
    ),
    "cvae-evaluate": ("--data", "--overwrite", "-q"),
    "cvae-inspect": ("-q", "--version", "--help"),
}
_VALUES = (
    *(
        "",
        "-",
        "--",
        "0",
        "1",
        "-1",
        "3",
        "16",
        "1e309",
        "nan",
        "-inf",
        "99999999999999999999",
        "0x10",
        "1,2",
        ",",
        "a,b",
    ),
    *("x" * 300, "x" * 5000, "new\nline", "\udcff", "\x1b[31m", "/", ".", "..", "/dev/null", "/proc/self/mem", "out"),
    *("out.png", "out.npy", "out.gif", "a.npy", "digits.npy", "none/out.png", "png", "npy", "cpu", "cuda", "float32"),
    *("int8", "notebook", "bernoulli", "slerp", "~", "$HOME", "%s", "{}", "é", "bundle"),
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
        words = [rng.choice((rng.choice(_SCRIPTS[script]), rng.choice(_VALUES))) for _ in range(rng.randint(0, 6))]
        # Keep the work small and inside this folder.
        small = {"cvae-train": ["--epochs", "0", "--run", "run"], "cvae-generate": ["-n", "2"]}.get(script, [])
        command = (script, *words, *small)
        process = start_call(_in_folder, (work, command), folder / "log", Limits(memory_bytes=_MEMORY))
        code, text = end(process, _PATIENCE), (folder / "log").read_text(errors="replace")
        if says_why(code, text):
            counts.add(f"command lines: exit {code}")
        else:
            counts.defect("command lines", f"{command!r}: exit {code}: {text[-300:]}")
