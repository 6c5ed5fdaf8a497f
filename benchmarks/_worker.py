"""The process of one contender: ``python -m benchmarks._worker MODULE:FACTORY [ARGUMENT...]``.

It answers JSON lines on stdin with JSON lines on stdout. The factory is called once, with the arguments, and returns a
function from a batch size to the work on such a batch, which gives back what it computed.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import numpy as np

Work = Callable[[], np.ndarray | Sequence[np.ndarray]]
Factory = Callable[[int], Work]


def main(name: str, *arguments: str) -> None:
    """Serve requests until stdin ends."""
    answers = _private_stdout()
    module, factory_name = name.split(":")
    try:
        factory: Factory = getattr(importlib.import_module(module), factory_name)(*arguments)
    except ImportError as error:
        _answer(answers, {"unavailable": str(error)})
        return
    _answer(answers, {"ready": True})
    works: dict[int, Work] = {}
    for line in sys.stdin:
        request = json.loads(line)
        batch = request["batch"]
        if batch not in works:
            works[batch] = factory(batch)
        if request["do"] == "output":
            found = works[batch]()
            np.save(request["path"], found if isinstance(found, np.ndarray) else np.concatenate(found, axis=-1))
            _answer(answers, {})
        else:
            _answer(answers, measure(works[batch], request["seconds"]))


def measure(work: Callable[[], object], seconds: float) -> dict[str, Any]:
    """Call ``work`` for about so many seconds: the calls' times, in seconds."""
    clock = time.perf_counter
    work()  # what another contender left in the caches is not this one's
    times = []
    end = clock() + seconds
    while not times or clock() < end:
        start = clock()
        work()
        times.append(clock() - start)
    return {"times": times}


def _private_stdout() -> TextIO:
    """Keep stdout for the answers alone: what libraries print there goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _answer(answers: TextIO, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
