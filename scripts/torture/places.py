"""Write under bad conditions: full disks, read-only and vanished folders, two commands at once, files of others in the
folder, readers while it is replaced.

A command that cannot write must end with a message and a documented exit code, and files with final names must be
complete. After the fault is removed, repeating the command must produce the result of an undisturbed run.
"""

import contextlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ._counts import Counts, rng_of, until
from ._jobs import Job, Result, make_jobs
from ._processes import DONE, FAILED, NOBODY, PATIENCE, Limits, end, run, says_why, start
from .kills import finish

_DISK = 1 << 20  # bytes of a disk that becomes full
_WORK = "years of work"
_LOG = 2048  # bytes that a limit leaves for the log of a command


def run_attack(seconds: float, seed: int) -> Counts:
    """Run each job under each condition, in turn."""
    counts, rng = Counts(), rng_of(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # readable by another user
        jobs = make_jobs(folder, seed)
        expected = {job.name: job.undisturbed(folder / job.name) for job in jobs}
        turns = [(place, job) for place in _PLACES for job in jobs]
        for number in until(seconds):
            place, job = turns[number % len(turns)]
            attempt = folder / f"{number}"
            attempt.mkdir()
            what = f"{place.__name__[1:].replace('_', ' ')}: {job.name}"
            try:
                counts.add(f"{what}: {place(job, attempt, rng, expected[job.name])}")
            except Exception as error:
                counts.defect(what, f"attempt {number}: {error!r}")
    return counts


def _file_limit(job: Job, folder: Path, rng: random.Random, expected: Result) -> str:
    job.set_up(folder)
    largest = max(_LOG + 1, *map(len, expected.values()))
    outcome = _refused_or_done(job, folder, Limits(file_bytes=rng.randrange(_LOG, largest)))
    finish(job, folder, expected)
    return outcome


def _full_disk(job: Job, folder: Path, rng: random.Random, expected: Result) -> str:
    with _small_disk(folder) as there:
        if not there:
            return "no disk can be mounted here"
        job.set_up(folder)
        # Leave less space than the result needs, a random amount.
        (folder / "filling").write_bytes(bytes(_left(folder) - rng.randrange(4096, _size(expected))))
        outcome = _refused_or_done(job, folder, Limits())
        (folder / "filling").unlink()
    return outcome


def _read_only(job: Job, folder: Path, _: random.Random, expected: Result) -> str:
    job.set_up(folder)
    # Root can write anywhere; another user cannot.
    limits = Limits(uid=NOBODY) if os.getuid() == 0 else Limits()
    folder.chmod(0o555)
    log = folder.with_name("log")
    log.unlink(missing_ok=True)
    code = run(job.at(folder), log, limits)
    folder.chmod(0o755)
    if code != FAILED or not says_why(code, log.read_text()):
        raise AssertionError(f"exit {code}: {log.read_text()}")
    finish(job, folder, expected)
    return "refused"


def _vanished(job: Job, folder: Path, rng: random.Random, expected: Result) -> str:
    (folder / "there").mkdir()
    job.set_up(folder / "there")
    process = start(job.at(folder / "there"), folder / "log")
    process.join(rng.uniform(0, 6))
    shutil.move(folder / "there", folder / "gone")
    code, text = end(process), (folder / "log").read_text()
    if not says_why(code, text):
        raise AssertionError(f"exit {code}: {text}")
    job.check(folder / "gone" / job.target)
    finish(job, folder / "gone", expected)
    return "refused" if code else "done before"


def _two_at_once(job: Job, folder: Path, rng: random.Random, expected: Result) -> str:
    job.set_up(folder)
    processes = []
    for number in range(2):
        processes.append(start(job.at(folder), folder / f"log{number}"))
        processes[0].join(rng.uniform(0, 1))
    codes = [end(process) for process in processes]
    texts = [(folder / f"log{number}").read_text() for number in range(2)]
    if DONE not in codes or not all(map(says_why, codes, texts)):
        raise AssertionError(f"exit {codes}: {texts}")
    found = job.result(folder / job.target)
    if found != expected:
        raise AssertionError("not the undisturbed result")
    return "both done" if codes == [DONE, DONE] else "one done, one refused"


def _files_of_others(job: Job, folder: Path, rng: random.Random, expected: Result) -> str:
    """Let a command replace a folder into which others put a file, before it begins or while it works."""
    job.set_up(folder)
    finish(job, folder, expected)
    target = folder / job.target
    if target.is_file():
        target.unlink()
        target.mkdir()
    theirs = target / rng.choice(("thesis.tex", "notes/thesis.tex", ".thesis.20240101.tmp", "samples/thesis.tex"))
    before = rng.random() < 0.5
    if before:
        _put(theirs)
    process = start(job.anew(folder), folder / "log")
    if not before:
        process.join(rng.uniform(0, 3))
        _put(theirs)
    code, text = end(process), (folder / "log").read_text()
    if not says_why(code, text) or (before and code != FAILED):
        raise AssertionError(f"exit {code}: {text}")
    if not any(path.read_text() == _WORK for path in folder.rglob(theirs.name)):
        raise AssertionError(f"{theirs.name} is gone")
    shutil.rmtree(target)
    job.set_up(folder)
    finish(job, folder, expected)
    return "kept, refused" if code else "kept, done before"


def _put(path: Path) -> None:
    for _ in range(100):  # the folder may be replaced at any instant
        with contextlib.suppress(FileNotFoundError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_WORK)
            return


def _damaged_shards(job: Job, folder: Path, rng: random.Random, expected: Result) -> str:
    if job.name != "shards":
        return "no shards"
    finish(job, folder, expected)
    for path in rng.sample(sorted((folder / job.target).glob("part-*")), 3):
        data = path.read_bytes()
        path.write_bytes(data[: rng.choice((0, rng.randrange(len(data)), len(data) - 1))])
    finish(job, folder, expected)
    return "made anew"


def _readers(job: Job, folder: Path, _: random.Random, expected: Result) -> str:
    """Read the target repeatedly while a command writes it."""
    job.set_up(folder)
    process = start(job.at(folder), folder / "log")
    while process.exitcode is None:
        job.check(folder / job.target)
        process.join(0.001)
    if process.exitcode != DONE:
        raise AssertionError(f"exit {process.exitcode}: {(folder / 'log').read_text()}")
    finish(job, folder, expected)
    return "read while it was written"


_PLACES: tuple[Callable[[Job, Path, random.Random, Result], str], ...] = (
    _file_limit,
    _full_disk,
    _read_only,
    _vanished,
    _two_at_once,
    _files_of_others,
    _damaged_shards,
    _readers,
)


def _refused_or_done(job: Job, folder: Path, limits: Limits) -> str:
    """Run a job that may fail, check its target, and return how it ended."""
    log = folder.with_name("log")  # outside the limited folder
    code = run(job.at(folder), log, limits)
    text = log.read_text()
    job.check(folder / job.target)
    if not says_why(code, text):
        raise AssertionError(f"exit {code}: {text}")
    return "refused" if code else "done"


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk on a folder for a block; yields False if this is not allowed."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if os.getuid() != 0 or mount is None or unmount is None:
        yield False
        return
    command = [mount, "-t", "tmpfs", "-o", f"size={_DISK}", "torture", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run([unmount, str(folder)], check=True, timeout=PATIENCE)


def _left(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def _size(result: Result) -> int:
    return min(_DISK // 2, sum(map(len, result.values())))
