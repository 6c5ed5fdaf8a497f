"""Overload: the FastAPI example and a Node.js loop at twice their capacity, many threads, many models.

All traffic stays on this machine's loopback, and requests and time are limited. Errors must be documented ones.
Afterwards, responses must be as fast as before, and memory and handles must not have grown.
"""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import cvae_runtime as cvae

from . import soak
from ._counts import Counts
from ._processes import PATIENCE
from .numbers import DIST

_ROOT = Path(__file__).parents[2]
_CALLERS = 24

_WAITING, _COUNT = 256, 32  # images that may wait in the service, and images per request
_CLIENTS = 2 * _WAITING // _COUNT
_REQUESTS = 20_000  # at most
_SLOWER = 5.0  # a service that is this many times slower than before has not recovered

_NODE = """
const { load } = await import(process.argv[1]);
const model = await load(process.argv[2], { provider: "cpu", threads: 1 });
const seconds = Number(process.argv[3]), sizes = [1, 2, 3, 5, 8, 13, 21, 34, 55];
let calls = 0, refused = 0;
const rss = () => { globalThis.gc?.(); return process.memoryUsage().rss; };
async function caller(number, end) {
  while (Date.now() < end) {
    const size = sizes[calls++ % sizes.length];
    if (calls % 7) await model.generate(size, { seed: number, first: calls });
    else await model.decode(new Float32Array(3)).then(() => { throw new Error("not refused"); },
      (error) => { if (error.name !== "InputError") throw error; refused++; });
  }
}
const run = (span) => Promise.all(Array.from({ length: 16 }, (_, n) => caller(n, Date.now() + span * 1000)));
await run(seconds / 2);
const before = rss();
await run(seconds / 2);
const grown = rss() - before;
await model.close();
const closed = await model.generate(1).then(() => "answered", (error) => error.name);
console.log(JSON.stringify({ calls, refused, grown, closed }));
"""


def run_attack(seconds: float, seed: int) -> Counts:
    """Spend a quarter of the time on each."""
    counts = Counts()
    for attack in (_service, _node, _threads, _models):
        try:
            attack(seconds / 4, seed, counts)
        except Exception as error:
            counts.defect(attack.__name__[1:], repr(error))
    return counts


def _service(seconds: float, seed: int, counts: Counts) -> None:
    if any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "httpx", "python_multipart")):
        counts.add("service: not tried, its packages are not installed")
        return
    import httpx

    with _served() as (process, address), httpx.Client(base_url=address, timeout=60) as client:
        before = _latency(client)
        memory = []
        for _ in range(2):  # the first storm grows the process to its full size
            _storm(address, seconds / 2, seed, counts)
            memory.append(soak.resident(process.pid))
        after = _latency(client)
        if after > _SLOWER * before:
            counts.defect("service", f"an answer took {before:.4f} s before and {after:.4f} s after the storm")
        if memory[1] - memory[0] > soak.LIMIT:
            counts.defect(
                "service", f"memory grew by {(memory[1] - memory[0]) / 1e6:.1f} MB from one storm to the next"
            )


@contextlib.contextmanager
def _served() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the example as a process; yield it and its address."""
    paths = os.pathsep.join([str(Path(cvae.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "CVAE_PORT": "0", "CVAE_MAX_WAITING": str(_WAITING)}
    process = subprocess.Popen(
        [sys.executable, "-m", "cvae_service"],
        cwd=_ROOT / "examples" / "fastapi_service",
        env=environment,
        stdout=subprocess.DEVNULL,  # uvicorn's access log
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            raise AssertionError("".join(lines))
        threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would block it
        yield process, found[1]
    finally:
        process.kill()
        process.wait()


def _latency(client: Any) -> float:
    """The median seconds of a small response."""
    times = []
    for number in range(20):
        begin = time.perf_counter()
        client.get("/sample", params={"count": 1, "seed": number}).raise_for_status()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _storm(address: str, seconds: float, seed: int, counts: Counts) -> None:
    """Run twice as many clients as may wait; each sends its next request as soon as it has a response."""
    import httpx

    end, lock = time.monotonic() + seconds, threading.Lock()

    def client(number: int) -> None:
        with httpx.Client(base_url=address, timeout=60) as session:
            for request in range(_REQUESTS // _CLIENTS):
                if time.monotonic() > end:
                    return
                answer = session.get(
                    "/sample",
                    params={"count": _COUNT, "seed": seed, "first": number * 1000 + request, "format": "json"},
                )
                with lock:
                    if answer.status_code == 200 or (answer.status_code == 503 and set(answer.json()) == {"error"}):
                        counts.add(f"service: answers {answer.status_code}")
                    else:
                        counts.defect("service", f"{answer.status_code}: {answer.text[:200]}")

    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(client, range(_CLIENTS)))


def _node(seconds: float, _: int, counts: Counts) -> None:
    node = shutil.which("node")
    if node is None or not DIST.is_file():
        counts.add("Node.js: not tried, no Node.js or runtime/js/dist")
        return
    options = [DIST.as_uri(), str(cvae.packaged_bundle()), str(seconds)]
    command = [node, "--expose-gc", "--input-type=module", "-e", _NODE, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + PATIENCE)
    if done.returncode != 0:
        counts.defect("Node.js", done.stderr)
        return
    found = json.loads(done.stdout)
    counts.add("Node.js: answered", found["calls"] - found["refused"])
    counts.add("Node.js: refused: InputError", found["refused"])
    if found["grown"] > soak.LIMIT:
        counts.defect("Node.js", f"memory grew by {found['grown'] / 1e6:.1f} MB in {found['calls']:,} calls")
    if found["closed"] != "InputError":
        counts.defect("Node.js", f"a closed model: {found['closed']}")


def _threads(seconds: float, seed: int, counts: Counts) -> None:
    """Call one model from many threads; every result must equal that of a single thread."""
    end = time.monotonic() + seconds
    with cvae.load(provider="cpu") as model, ThreadPoolExecutor(_CALLERS) as pool:

        def caller(number: int) -> tuple[int, bool]:
            calls, same = 0, True
            count, first = 1 + number * 7, number * 1000
            alone = model.generate(count, seed=seed, first=first)
            while calls == 0 or time.monotonic() < end:
                same &= np.array_equal(model.generate(count, seed=seed, first=first), alone)
                soak.call(model, seed + calls)
                calls += 2
            return calls, same

        memory = soak.resident()
        results = list(pool.map(caller, range(_CALLERS)))
        grown = soak.resident() - memory
    counts.add(f"threads: calls of {_CALLERS} threads", sum(calls for calls, _ in results))
    for number, (_, same) in enumerate(results):
        if not same:
            counts.defect("threads", f"caller {number} got other samples than before, seed {seed}")
    if grown > 200e6:  # threads hold less while they compute; a leak would be far larger
        counts.defect("threads", f"memory grew by {grown / 1e6:.1f} MB")


def _models(seconds: float, seed: int, counts: Counts) -> None:
    """Load, use and close models; memory and handles must stay as after the first ones."""
    end, memory, handles = time.monotonic() + seconds, [], []
    number = 0
    while number < 40 or time.monotonic() < end:
        with cvae.load(provider="cpu", threads=2) as model:
            model.generate(3, seed=seed)
        number += 1
        if number % 20 == 0:
            memory.append(soak.resident())
            handles.append(soak.handles())
    counts.add("models: loaded, used and closed", number)
    # Memory of the first half may stay; a leak would grow further.
    grown = memory[-1] - max(memory[: (len(memory) + 1) // 2])
    if grown > soak.LIMIT:
        counts.defect("models", f"memory grew by {grown / 1e6:.1f} MB in the second half of {number:,}")
    if handles[-1] > handles[0]:
        counts.defect("models", f"{handles[0]} handles became {handles[-1]} in {number:,}")
