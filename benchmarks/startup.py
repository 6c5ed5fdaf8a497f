"""Compare time, memory and disk space until the first image, in new processes."""

import importlib.metadata
import json
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cvae_runtime

from ._harness import Rounds, entry_of, race
from ._installed import installed_bytes, requirements
from ._notebook import BUNDLE, RUN
from ._process import Contender, ContenderError, chosen
from ._progress import Progress
from ._result import At, Comparison, Kind, Point

OPTIONS = ("peers",)

BARE = "python -c pass"
OURS = "cvae_runtime"
GENERATE = "cvae-generate -n 1 -o x.png"
MOMENTS = ("import", "model loaded", "first image")

# A small process starts the measured one: peak memory includes that of the forking process.
_MEASURE = """
import json, os, sys, time
stdout, stderr, *command = sys.argv[1:]
quiet = [(os.POSIX_SPAWN_OPEN, 1, stdout, os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, stderr, os.O_WRONLY, 0)]
start = time.time()
process = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
_, status, usage = os.wait4(process, 0)
print(json.dumps([start, time.time() - start, usage.ru_maxrss, os.waitstatus_to_exitcode(status)]))
"""

# Programs that print the time of each moment; paths are their arguments.
_OURS = """
import json, sys, time
import cvae_runtime, onnxruntime
times = [time.time()]
model = cvae_runtime.load(sys.argv[1], provider="cpu")
times.append(time.time())
image = model.generate(1)
times.append(time.time())
assert image.shape == (1, 28, 28, 1), image.shape
print(json.dumps(times))
"""
_ONNXRUNTIME = """
import json, sys, time
import numpy, onnxruntime
times = [time.time()]
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
times.append(time.time())
(image,) = session.run(None, {"z": numpy.random.default_rng(0).standard_normal((1, 50), numpy.float32)})
times.append(time.time())
assert image.shape == (1, 28, 28, 1), image.shape
print(json.dumps(times))
"""
_TENSORFLOW = """
import json, sys, time
import tensorflow as tf
times = [time.time()]
model = tf.saved_model.load(sys.argv[1])
times.append(time.time())
image = model.sample(tf.random.normal((1, 50))).numpy()
times.append(time.time())
assert image.shape == (1, 28, 28, 1), image.shape
print(json.dumps(times))
"""
_SAVE = """
import sys
import tensorflow as tf, cvae_train
model = cvae_train.load_run(sys.argv[1]).model
module = tf.Module()
module.model = model
module.sample = tf.function(model.sample, input_signature=[tf.TensorSpec([None, 50], tf.float32)])
tf.saved_model.save(module, sys.argv[2])
"""


class Start:
    """One start of a command: seconds and MB until its end, and seconds until each moment that it prints."""

    def __init__(self, command: Sequence[str]) -> None:
        """Run the command.

        Raises:
            ContenderError: it failed; the message has the last line of its output.
        """
        with tempfile.NamedTemporaryFile() as stdout, tempfile.NamedTemporaryFile() as stderr:
            answer = subprocess.run(
                [sys.executable, "-I", "-S", "-c", _MEASURE, stdout.name, stderr.name, *command],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            began, self.seconds, kibibytes, code = json.loads(answer.stdout)
            if code:
                lines = Path(stderr.name).read_text(errors="replace").strip().splitlines()
                last = lines[-1] if lines else "no message"
                if last.startswith("ModuleNotFoundError: "):
                    raise ContenderError("skipped", f"not installed: {last.removeprefix('ModuleNotFoundError: ')}")
                raise ContenderError("failed", f"exit code {code}: {last}")
            self.megabytes = kibibytes * 1024 / 1e6
            told = Path(stdout.name).read_text().strip().splitlines()
            self.moments = [t - began for t in json.loads(told[-1])] if told and told[-1].startswith("[") else []


def commands(folder: str) -> Mapping[str, tuple[Kind, Sequence[str]]]:
    """Commands as users type them, by name in the table."""
    generate = str(Path(sysconfig.get_path("scripts")) / "cvae-generate")
    imports: dict[str, Kind] = {"numpy": "ceiling", "cvae_runtime": "ours", "cvae_runtime, onnxruntime": "ours"}
    imports |= {"torch": "peer", "tensorflow": "peer"}
    picture = ("-n", "1", "--overwrite", "-o", str(Path(folder) / "x.png"))
    return {
        BARE: ("ceiling", (sys.executable, "-c", "pass")),
        **{f"import {names}": (kind, (sys.executable, "-c", f"import {names}")) for names, kind in imports.items()},
        "cvae-generate --help": ("ours", (sys.executable, generate, "--help")),
        GENERATE: ("ours", (sys.executable, generate, *picture)),
    }


def ways(folder: str, peers: Sequence[str] | None) -> Mapping[str, tuple[Kind, Sequence[str]]]:
    """Programs that load a model and compute a first image, by name in the table."""
    found: dict[str, tuple[Kind, Sequence[str]]] = {
        OURS: ("ours", (sys.executable, "-c", _OURS, str(BUNDLE))),
        "onnxruntime alone": ("ceiling", (sys.executable, "-c", _ONNXRUNTIME, str(Path(folder) / "decoder.onnx"))),
        "TensorFlow, SavedModel": (
            "peer",
            (sys.executable, "-W", "ignore", "-c", _TENSORFLOW, str(Path(folder) / "saved")),
        ),
    }
    return {name: way for name, way in found.items() if name == OURS or chosen(name, peers)}


def prepare(folder: str) -> None:
    """Write the model as an ONNX file and, if TensorFlow is installed, as a SavedModel."""
    Path(folder, "decoder.onnx").write_bytes(cvae_runtime.read_bundle(BUNDLE).files["decoder.onnx"])
    command = [sys.executable, "-W", "ignore", "-c", _SAVE, str(RUN), str(Path(folder) / "saved")]
    subprocess.run(command, capture_output=True, check=False)  # if it fails, the contender fails with the reason


def measure(
    named: Mapping[str, tuple[Kind, Sequence[str]]], rounds: int, progress: Progress, what: str
) -> tuple[dict[str, list[Start]], dict[str, ContenderError]]:
    """Start each command once to fill the file cache, then once per round; return the starts and the failures."""
    out: dict[str, ContenderError] = {}
    starting = {
        name: lambda _batch, _seconds, command=command: [Start(command)] for name, (_, command) in named.items()
    }
    for stage, count in ((f"{what}, once for the file cache", 1), (what, rounds)):
        racing = {name: start for name, start in starting.items() if name not in out}
        found = race(racing, (1,), Rounds(count, 0.0), progress, stage, out)
    return {name: [start for (start,) in by_batch[1]] for name, by_batch in found.items()}, out


def sizes(peers: Sequence[str] | None) -> Comparison:
    """Disk space of installations with all requirements; for this project, only cvae_runtime counts."""
    runtime = sum(file.stat().st_size for file in Path(cvae_runtime.__file__).parent.rglob("*") if file.is_file())
    entries = []
    installations: Sequence[tuple[str, Kind, str, Sequence[str]]] = (
        (OURS, "ours", "cvae-toolkit", ("cpu",)),
        ("TensorFlow", "peer", "tensorflow", ()),
        ("PyTorch", "peer", "torch", ()),
        ("OpenVINO", "peer", "openvino", ()),
    )
    for name, kind, distribution, extras in installations:
        if kind == "peer" and not chosen(name, peers):
            continue
        contender = Contender(name, "", kind=kind)
        try:
            needed = requirements(distribution, extras) - {"cvae-toolkit"}
            size = installed_bytes(needed) + (runtime if kind == "ours" else 0)
            entries.append(entry_of(contender, [Point("on the disk", (size / 1e6,))]))
        except importlib.metadata.PackageNotFoundError as error:
            entries.append(entry_of(contender, (), ContenderError("skipped", f"not installed: {error.name}")))
    return Comparison("installed size", "installation", "MB", "lower", "place", tuple(entries), OURS)


def _comparison(
    name: str,
    unit: str,
    ours: str,
    named: Mapping[str, tuple[Kind, Sequence[str]]],
    points: Mapping[str, Sequence[Point]],
    out: Mapping[str, ContenderError],
) -> Comparison:
    entries = tuple(
        entry_of(Contender(each, "", kind=kind), points.get(each, ()), out.get(each))
        for each, (kind, _) in named.items()
    )
    return Comparison(name, "start", unit, "lower", "moment", entries, ours, negligible=0.10)


def _points(starts: Mapping[str, Sequence[Start]], at: At, figure: str, factor: float) -> dict[str, list[Point]]:
    return {
        name: [Point(at, tuple(factor * getattr(start, figure) for start in each))] for name, each in starts.items()
    }


def run(*, quick: bool, progress: Progress, peers: Sequence[str] | None = None) -> Iterator[Comparison]:
    """Yield comparisons of time, memory and disk space."""
    rounds = 3 if quick else 11
    with tempfile.TemporaryDirectory() as folder:
        programs, typed = ways(folder, peers), commands(folder)
        progress.stage("a SavedModel", 1)
        prepare(folder)
        starts, out = measure(programs, rounds, progress, "first image")
        moments = {
            name: [Point(at, tuple(1e3 * start.moments[n] for start in each)) for n, at in enumerate(MOMENTS)]
            for name, each in starts.items()
        }
        yield _comparison("time to the first image", "ms", OURS, programs, moments, out)
        memory = _points(starts, "at most", "megabytes", 1.0)
        yield _comparison("memory for the first image", "MB", OURS, programs, memory, out)
        starts, out = measure(typed, rounds, progress, "commands")
        wall_clock = _points(starts, "wall-clock", "seconds", 1e3)
        yield _comparison("commands and imports, time", "ms", GENERATE, typed, wall_clock, out)
        memory = _points(starts, "at most", "megabytes", 1.0)
        yield _comparison("commands and imports, memory", "MB", GENERATE, typed, memory, out)
    yield sizes(peers)
