"""One model under load: many threads, closing during calls, and Ctrl-C."""

import dataclasses
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cvae_runtime as cvae
from tests.waits import PATIENCE

# A shell's background jobs ignore SIGINT, and so would their children.
INTERRUPTIBLE = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def fields(result):
    """Return all arrays and numbers in a result."""
    values = [getattr(result, field.name) for field in dataclasses.fields(result)]
    return [array for value in values for array in (fields(value) if dataclasses.is_dataclass(value) else [value])]


def calls_of(model, images):
    """Return functions that call every method with sizes below, at and above a micro-batch."""
    calls = []
    for n in (1, 7, 8, 9, 31, 32, 33, 70):
        part = images[:n]
        latents = np.random.default_rng(n).normal(size=(n, model.latent_dim)).astype(np.float32)
        calls += [
            lambda n=n: [model.generate(n, seed=n, first=3)],
            lambda part=part: fields(model.encode(part)),
            lambda latents=latents: [model.decode(latents)],
            lambda n=n, part=part: [model.reconstruct(part, sample=True, seed=n)],
            lambda n=n, part=part: fields(model.score(part, samples=1 + n % 3, seed=n)),
            lambda n=n, latents=latents: [model.interpolate(latents[0], latents[-1], steps=n + 1)],
        ]
    return calls


@pytest.mark.parametrize("threads", [2, 5])
def test_many_threads_get_the_bits_of_one(threads, tiny, tiny_bundle):
    images = np.resize(tiny.images, (70, *tiny.image_shape))
    with cvae.load(tiny_bundle, provider="cpu", threads=1) as single:
        expected = [call() for call in calls_of(single, images)]
    with cvae.load(tiny_bundle, provider="cpu", threads=threads) as model:
        calls = calls_of(model, images)

        def worker(number):
            order = np.random.default_rng(number).permutation(len(calls))
            return {index: calls[index]() for _ in range(3) for index in order}

        with ThreadPoolExecutor(8) as workers:
            outcomes = list(workers.map(worker, range(8)))
    for outcome in outcomes:
        assert outcome.keys() == set(range(len(expected)))
        for index, arrays in outcome.items():
            assert all(np.array_equal(found, wanted) for found, wanted in zip(arrays, expected[index], strict=True))


def test_closing_during_calls(tiny, tiny_bundle):
    for round_ in range(20):
        model = cvae.load(tiny_bundle, provider="cpu", threads=3)
        expected = model.generate(70)
        begun = threading.Barrier(5)

        def use(model=model, expected=expected, begun=begun, number=round_):
            begun.wait(PATIENCE)
            while True:
                assert (model.generate(70) == expected).all()
                model.score(tiny.images, seed=number)

        with ThreadPoolExecutor(4) as users:
            uses = [users.submit(use) for _ in range(4)]
            begun.wait(PATIENCE)
            time.sleep(0.001 * round_)
            uses[0].add_done_callback(lambda _, model=model: model.close())  # from several threads, and again
            model.close()
        for outcome in uses:
            assert repr(outcome.exception()) == repr(cvae.InputError("the model is closed; load it again"))


def interrupted(code, *arguments, wait_for):
    """Run a program and send SIGINT after ``wait_for`` on stderr; return exit code, stdout, the rest of stderr."""
    command = [sys.executable, "-c", INTERRUPTIBLE + code, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr.read(len(wait_for)).decode() == wait_for
            time.sleep(0.3)  # so that calls are running; the result does not depend on the delay
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)  # the work takes longer
        finally:
            process.kill()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_a_long_call():
    code = """
import cvae_runtime as cvae
model = cvae.load(provider="cpu", threads=2)
expected = model.generate(40)
images = (expected * 255).astype("uint8").repeat(20, axis=0)
try:
    print("begun", end="", file=sys.stderr, flush=True)
    model.score(images, samples=50_000)
except KeyboardInterrupt:
    print("interrupted", (model.generate(40) == expected).all())
"""
    assert interrupted(code, wait_for="begun") == (0, "interrupted True\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_the_command_with_130(tmp_path):
    code = """
from cvae_runtime._commands import generate as _cli_generate
from cvae_runtime._engine import scheduler as _scheduler
run = _scheduler.Scheduler.run
def told(*arguments):
    _scheduler.Scheduler.run = run
    print("begun", end="", file=sys.stderr, flush=True)
    return run(*arguments)
_scheduler.Scheduler.run = told
sys.argv[0] = "cvae-generate"
_cli_generate.main()
"""
    code, out, err = interrupted(code, "-n", 1_000_000, "-o", tmp_path / "big.npy", wait_for="begun")
    assert (code, out, err.strip()) == (130, "", "interrupted")
    assert list(tmp_path.iterdir()) == []
