"""The process of one contender: ``python -m benchmarks._worker CORES MODULE:FACTORY [ARGUMENT...]``.

It answers JSON lines on stdin with JSON lines on stdout. The factory is called once with the arguments. It returns a
function that takes a task and a batch size and returns a call, which does the task on a batch and returns the output.
CORES is the number of cores that the process may use, or "all". It is set before frameworks are imported, because they
count cores at import.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from ._serving import serve

Work = Callable[[], np.ndarray | Sequence[np.ndarray]]
Factory = Callable[[str, int], Work]


class UnavailableError(Exception):
    """Raised by a factory that cannot run on this machine."""


def main(cores: str, name: str, *arguments: str) -> None:
    """Serve requests until stdin ends."""
    answers = _private_stdout()
    module, factory_name = name.split(":")
    try:
        if cores != "all":
            allow_cores(int(cores))
        factory: Factory = getattr(importlib.import_module(module), factory_name)(*arguments)
    except ImportError as error:
        _answer(answers, {"unavailable": f"not installed: {error}"})
        return
    except UnavailableError as error:
        _answer(answers, {"unavailable": str(error)})
        return
    _answer(answers, {"ready": True})
    works: dict[tuple[str, int], Work] = {}

    def work_of(task: str, batch: int) -> Work:
        if (task, batch) not in works:
            works[task, batch] = factory(task, batch)
        return works[task, batch]

    for line in sys.stdin:
        _answer(answers, _respond(json.loads(line), work_of))


def allow_cores(count: int) -> None:
    """Restrict this process and its children to this number of the allowed cores.

    Raises:
        UnavailableError: the system is not Linux, or fewer cores are allowed.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise UnavailableError("this system cannot keep a process on some cores: expected Linux")
    allowed = sorted(os.sched_getaffinity(0))
    if count > len(allowed):
        raise UnavailableError(f"expected {count} cores, found {len(allowed)} allowed ones")
    os.sched_setaffinity(0, allowed[:count])


def measure(work: Callable[[], object], seconds: float) -> Sequence[float]:
    """Call ``work`` repeatedly for about this long and return the seconds of every call."""
    clock = time.perf_counter
    work()  # fills the caches, which another contender used before
    times: list[float] = []
    end = clock() + seconds
    while not times or clock() < end:
        start = clock()
        work()
        times.append(clock() - start)
    return times


def _respond(request: Mapping[str, Any], work_of: Callable[[str, int], Work]) -> dict[str, Any]:
    task, do = request["task"], request["do"]
    if do == "serve":
        works = {batch: work_of(task, batch) for batch in request["batches"]}
        return {"held": serve(works, request["rate"], request["seconds"], request["seed"], request["bound"])}
    work = work_of(task, request["batch"])
    if do == "output":
        found = work()
        np.save(request["path"], found if isinstance(found, np.ndarray) else np.concatenate(found, axis=-1))
        return {}
    return {"times": measure(work, request["seconds"])}


def _private_stdout() -> TextIO:
    """Keep stdout for the answers: redirect prints of libraries to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _answer(answers: TextIO, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value, allow_nan=False) + "\n")
    answers.flush()


if __name__ == "__main__":
    # Peers raise the UnavailableError of the imported module, not of __main__.
    importlib.import_module("benchmarks._worker").main(*sys.argv[1:])
