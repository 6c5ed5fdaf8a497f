"""How soon is the first picture there, and in how much memory? Commands and imports in fresh processes."""

import dataclasses
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._harness import Log

QUESTION = "start-up, warm file cache"
LEGEND = "wall-clock milliseconds, median over interleaved rounds, half the spread; most resident memory, median"
BARE = "python -c pass"

# A small process starts the one that is measured: a process's memory counts that of the one that it was forked from.
_MEASURE = """
import os, sys, time
start = time.perf_counter()
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, sys.argv[1], os.O_WRONLY, 0)]
process = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(process, 0)
print(time.perf_counter() - start, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
"""


@dataclasses.dataclass(frozen=True)
class Starts:
    """What was measured.

    Attributes:
        seconds: command -> wall-clock seconds a round.
        megabytes: command -> most resident memory a round, in 10^6 bytes.
        skipped: command -> why it was not measured.
    """

    seconds: Mapping[str, Sequence[float]]
    megabytes: Mapping[str, Sequence[float]]
    skipped: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return dataclasses.asdict(self)


def commands(folder: str) -> Mapping[str, Sequence[str]]:
    """What is started, by its name in the table."""
    generate = str(Path(sysconfig.get_path("scripts")) / "cvae-generate")
    imports = ("numpy", "cvae_runtime", "cvae_runtime, onnxruntime", "torch", "tensorflow")
    return {
        BARE: (sys.executable, "-c", "pass"),
        **{f"import {names}": (sys.executable, "-c", f"import {names}") for names in imports},
        "cvae-generate --help": (sys.executable, generate, "--help"),
        "cvae-generate -n 1 -o x.png": (
            *(sys.executable, generate, "-n", "1", "--overwrite"),
            *("-o", str(Path(folder) / "x.png")),
        ),
    }


def start(command: Sequence[str]) -> tuple[float, float]:
    """Run a command: wall-clock seconds, and 10^6 bytes of memory at its peak.

    Raises:
        RuntimeError: it failed; with the last line that it said.
    """
    with tempfile.NamedTemporaryFile() as said:
        answer = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MEASURE, said.name, *command],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds, kibibytes, code = map(float, answer.stdout.split())
        if code:
            lines = Path(said.name).read_text(errors="replace").strip().splitlines()
            raise RuntimeError(f"failed with exit code {code:.0f}: {lines[-1] if lines else 'no message'}")
    return seconds, kibibytes * 1024 / 1e6


def measure(named: Mapping[str, Sequence[str]], *, rounds: int, log: Log) -> Starts:
    """Start every command once for the file cache, then once a round."""
    skipped: dict[str, str] = {}
    for name, command in named.items():
        log(f"starting {name}")
        try:
            start(command)
        except RuntimeError as error:
            skipped[name] = str(error)
    names = [name for name in named if name not in skipped]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    megabytes: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        log(f"round {number + 1} of {rounds}")
        turn = number % len(names) if names else 0
        for name in names[turn:] + names[:turn]:
            time, memory = start(named[name])
            seconds[name].append(time)
            megabytes[name].append(memory)
    return Starts(seconds, megabytes, skipped)


def table(starts: Starts) -> str:
    """Milliseconds, those beyond a bare Python's, and memory, as lines of text."""
    lines = [f"{'':36}{'wall-clock':>16}{'without bare Python':>24}{'memory':>12}"]
    for name, times in starts.seconds.items():
        median = statistics.median(times)
        spread = (max(times) - min(times)) / 2 / median
        beyond = statistics.median(mine - bare for mine, bare in zip(times, starts.seconds[BARE], strict=True))
        lines.append(
            f"{name:36}{f'{1e3 * median:,.0f} ms +-{spread:.0%}':>16}{f'{1e3 * beyond:,.0f} ms':>24}"
            f"{f'{statistics.median(starts.megabytes[name]):,.0f} MB':>12}"
        )
    lines += [f"{name:36}skipped: {reason}" for name, reason in starts.skipped.items()]
    return "\n".join(lines)


def run(*, quick: bool, log: Log) -> tuple[Starts, str]:
    """Measure, and lay the result out as a table."""
    with tempfile.TemporaryDirectory() as folder:
        starts = measure(commands(folder), rounds=3 if quick else 11, log=log)
    return starts, table(starts)
