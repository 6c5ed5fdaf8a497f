"""SIGKILL at random instants while training, exporting, generating shards and encoding.

After each kill, files with final names are complete. Sometimes the command is then repeated; it must produce the
result of an undisturbed run, and leave no temporary files in a folder that it continues.
"""

import random
import tempfile
import time
from pathlib import Path

from ._counts import Counts, rng_of, until
from ._jobs import Job, Result, make_jobs
from ._processes import DONE, FREE, Limits, end, run, start

_MOST_KILLS = 3  # of one job in a row


def run_attack(seconds: float, seed: int) -> Counts:
    """Kill the jobs in turn."""
    counts, rng = Counts(), rng_of(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = make_jobs(folder, seed)
        expected, spans = {}, {}
        for job in jobs:
            begin = time.monotonic()
            expected[job.name] = job.undisturbed(folder / job.name)
            spans[job.name] = time.monotonic() - begin
        for number in until(seconds):
            job = jobs[number % len(jobs)]
            attempt = folder / f"{job.name}-{number}"
            try:
                _kill(job, attempt, rng, spans[job.name], expected[job.name], counts)
            except Exception as error:
                counts.defect(job.name, f"attempt {number}: {error!r}")
    return counts


def _kill(job: Job, folder: Path, rng: random.Random, span: float, expected: Result, counts: Counts) -> None:
    folder.mkdir()
    job.set_up(folder)
    for _ in range(rng.randint(1, _MOST_KILLS)):
        # A resumed job must compute the same on fewer cores.
        fewer = job.resumes and (folder / job.target).exists() and rng.random() < 0.5
        process = start(job.at(folder), folder / "log", Limits(cores=1) if fewer else FREE)
        process.join(rng.uniform(0.0, span))
        counts.add(f"{job.name}: killed" if process.exitcode is None else f"{job.name}: ended before")
        process.kill()
        end(process)
        job.check(folder / job.target)
    fewer = job.resumes and (folder / job.target).exists() and rng.random() < 0.5
    finish(job, folder, expected, Limits(cores=1) if fewer else FREE)
    counts.add(f"{job.name}: repeated{' on one core' if fewer else ''}, the undisturbed result")


def finish(job: Job, folder: Path, expected: Result, limits: Limits = FREE) -> None:
    """Repeat a job; raise unless it produces the undisturbed result, and nothing else in its own folder."""
    if (code := run(job.at(folder), folder / "log", limits)) != DONE:
        raise AssertionError(f"repeated, it exits {code}: {(folder / 'log').read_text()}")
    found = job.result(folder / job.target)
    if differing := [name for name in {**expected, **found} if expected.get(name) != found.get(name)]:
        raise AssertionError(f"not the undisturbed result: {', '.join(sorted(differing))}")
    target = folder / job.target
    if litter := [path.name for path in target.rglob(".*")] if target.is_dir() else []:
        raise AssertionError(f"temporary files stay: {', '.join(litter)}")
