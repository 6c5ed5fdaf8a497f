"""Extreme numbers, which must give defined results or errors, and determinism, counted in compared samples.

Equal bits are required across thread counts, repeats, restarts and processes on one path. Across batch splits and
languages, 1e-6 is allowed.
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import cvae_runtime as cvae
import cvae_runtime.elbo
import cvae_runtime.images

from ._counts import Counts, rng_of, until
from ._processes import PATIENCE

_TOLERANCE = 1e-6  # of float32 images, across batch splits and languages
_LIMIT = float(np.finfo(np.float32).max)
_NUMBERS = (0.0, -0.0, 1e-45, -1e-45, 1e-38, 1.0, -1.0, 1e4, 1e10, -1e10, 1e30, -1e30, _LIMIT, -_LIMIT)
_NO_NUMBERS = (np.nan, np.inf, -np.inf)

DIST = Path(__file__).parents[2] / "runtime" / "js" / "dist" / "node.js"
_NODE = """
const { load } = await import(process.argv[1]);
const asked = JSON.parse((await import("node:fs")).readFileSync(0, "utf8"));
const model = await load(asked.bundle, { provider: "cpu", threads: 1 });
const pack = (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
const found = {};
for (const [name, { method, values, options }] of Object.entries(asked.calls)) {
  const given = method === "generate" ? values : method === "decode" ? Float32Array.from(values, Number) : Uint8Array.from(values);
  try {
    const result = await model[method](given, options);
    found[name] = { data: method === "score" ? Array.from(result.elbo) : pack(result.data) };
  } catch (error) { found[name] = { error: error.name, text: error.message }; }
}
console.log(JSON.stringify(found));
"""


def run_attack(seconds: float, seed: int) -> Counts:
    """Try the extremes once, then compare until the time is over."""
    counts, rng = Counts(), rng_of(seed)
    with cvae.load(provider="cpu") as model, warnings.catch_warnings():
        warnings.simplefilter("error")  # an unexpected overflow is a defect too
        _extremes(model, counts)
        for number in until(seconds):
            _compare(model, rng, counts, languages=number % 5 == 0)
    return counts


def _finite_images(images: NDArray[np.float32]) -> bool:
    return bool(np.isfinite(images).all() and images.min() >= 0.0 and images.max() <= 1.0)


def _extremes(model: cvae.Model, counts: Counts) -> None:
    for what, call, defined in _calls(model):
        try:
            good, outcome = defined(call()), "a defined result"
        except cvae.CvaeError as error:
            good, outcome = bool(str(error)), f"refused: {type(error).__name__}"
        except Exception as error:
            good, outcome = False, repr(error)
        if good:
            counts.add(f"extremes: {outcome}")
        else:
            counts.defect("extremes", f"{what}: {outcome}")


_Call = tuple[str, Callable[[], object], Callable[[object], bool]]


def _calls(model: cvae.Model) -> Iterator[_Call]:
    size, shape = model.latent_dim, model.image_shape

    def images_of(result: object) -> bool:
        return isinstance(result, np.ndarray) and _finite_images(result)

    def scores_of(result: object) -> bool:
        return isinstance(result, cvae.Scores) and all(
            np.isfinite(getattr(result, name)).all() for name in ("elbo", "reconstruction", "kl", "iw_bound")
        )

    def refused(_: object) -> bool:
        return False

    for number in (*_NUMBERS, *_NO_NUMBERS):
        defined = images_of if abs(number) < _LIMIT else refused
        for alike in (True, False):
            z = np.full((3, size), number if alike else 0.5, np.float32)
            z[1, 0] = number
            yield f"decode of {number}", lambda z=z: model.decode(z), defined
            for method in ("linear", "spherical"):
                other = np.zeros(size, np.float32)
                yield (
                    f"{method} interpolation to {number}",
                    lambda z=z, method=method, other=other: model.interpolate(other, z[1], steps=3, method=method),
                    defined,
                )
                yield (
                    f"{method} interpolation from {number} to its opposite",
                    lambda z=z, method=method: model.interpolate(z[1], -z[1], steps=3, method=method),
                    defined,
                )
        temperature = images_of if 0 <= number <= 1e30 else refused
        yield f"temperature {number}", lambda number=number: model.generate(3, temperature=number), temperature
    for seed in (0, 2**64 - 1, -1, 2**64, 1.5, np.nan):
        good = images_of if seed in (0, 2**64 - 1) else refused
        yield f"seed {seed}", lambda seed=seed: model.generate(2, seed=seed), good
    for first in (2**50, 2**63, 10**30):
        yield (
            f"first {first}",
            lambda first=first: model.generate(2, first=first),
            images_of if first < 2**57 else refused,
        )
    stripes = np.zeros(shape, np.uint8)
    stripes[::2] = 255
    for name, image in {
        "black": np.zeros(shape, np.uint8),
        "white": np.full(shape, 255, np.uint8),
        "stripes": stripes,
    }.items():
        batch = np.stack([image] * 2)
        yield f"score of {name}", lambda batch=batch: model.score(batch, samples=3), scores_of
        yield f"reconstruction of {name}", lambda batch=batch: model.reconstruct(batch), images_of
        yield f"a draw of {name}", lambda batch=batch: model.reconstruct(batch, sample=True), images_of
    for logvar in (-1e30, -200.0, -90.0, 0.0, 80.0, 170.0):
        posterior = cvae.Posterior(np.zeros((2, size), np.float32), np.full((2, size), logvar, np.float32))
        yield (
            f"logvar {logvar}",
            lambda posterior=posterior: cvae.elbo.gaussian_kl(posterior.mean, posterior.logvar),
            lambda kl: bool((np.asarray(kl) >= 0).all()),
        )
    for number in (*_NO_NUMBERS, -1e-9, 1.0 + 1e-6, 1e30):
        yield (
            f"pictures of {number}",
            lambda number=number: cvae.images.as_images(np.full((1, *shape), number), "it"),
            refused,
        )
    yield "pictures of denormals", lambda: cvae.images.as_images(np.full((1, *shape), 1e-310), "it"), lambda _: True


def _compare(model: cvae.Model, rng: random.Random, counts: Counts, *, languages: bool) -> None:
    """Draw the samples of one stream in every way and compare them; counts are samples."""
    count, seed, first = rng.randint(2, 600), rng.randrange(2**64), rng.randrange(2**40)
    expected = model.generate(count, seed=seed, first=first)
    images = cvae.to_uint8(expected[:8])  # scores of noise depend on the last bit of probabilities near 0 and 1
    elbo = model.score(images, seed=seed).elbo

    def same(what: str, found: NDArray[np.float32], tolerance: float = 0.0) -> None:
        off = float(np.abs(found - expected).max())
        if off <= tolerance:
            counts.add(f"samples compared: {what}", count)
        else:
            counts.defect(what, f"-n {count} --seed {seed} --first {first}: off by {off}")

    same("repeats", model.generate(count, seed=seed, first=first))
    threads = rng.randint(1, 8)
    with cvae.load(provider="cpu", threads=threads) as other:
        same("thread counts and restarts", other.generate(count, seed=seed, first=first))
        if not np.array_equal(other.score(images, seed=seed).elbo, elbo):
            counts.defect("thread counts", f"scores of {threads} threads, seed {seed}")
    cut = rng.randint(1, count - 1)
    parts = [model.generate(cut, seed=seed, first=first), model.generate(count - cut, seed=seed, first=first + cut)]
    same("batch splits", np.concatenate(parts), _TOLERANCE)
    same("streams", np.concatenate(list(model.stream(count, seed=seed, first=first))), _TOLERANCE)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "samples.npy")
        script = "from cvae_runtime._commands.generate import main; main()"
        options = ["-n", count, "--seed", seed, "--first", first, "--provider", "cpu", "-q", "-o", path]
        command = [sys.executable, "-c", script, *map(str, options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        if done.returncode != 0:
            counts.defect("processes", done.stderr)
            return
        same("processes", cvae.images.read_npy(path))
    if languages:
        _in_node(images, (count, seed, first), model, counts)


def _in_node(
    images: NDArray[np.uint8],
    stream: tuple[int, int, int],
    model: cvae.Model,
    counts: Counts,
) -> None:
    """Compute the same in JavaScript, and compare its results for extreme latents."""
    node = shutil.which("node")
    if node is None or not DIST.is_file():
        counts.add("languages: not compared, no Node.js or runtime/js/dist")
        return
    count, seed, first = stream
    # JSON has no 64-bit integers and no NaN: seeds stay below 2^53, and JavaScript converts strings to numbers.
    seed %= 2**53
    calls: dict[str, dict[str, object]] = {
        "generate": {"method": "generate", "values": count, "options": {"seed": seed, "first": first}},
        "score": {"method": "score", "values": images.ravel().tolist(), "options": {}},
    }
    texts = {np.inf: "Infinity", -np.inf: "-Infinity"}
    for number in (*_NUMBERS, *_NO_NUMBERS):
        values = [texts.get(number, str(np.float32(number)))] * model.latent_dim
        calls[f"decode {number}"] = {"method": "decode", "values": values, "options": {}}
    asked = json.dumps({"bundle": str(cvae.packaged_bundle()), "calls": calls})
    command = [node, "--input-type=module", "-e", _NODE, DIST.as_uri()]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False, timeout=PATIENCE)
    if done.returncode != 0:
        counts.defect("languages", done.stderr)
        return
    found = json.loads(done.stdout)
    expected = model.generate(count, seed=seed, first=first)
    off = float(np.abs(_array(found["generate"]).reshape(expected.shape) - expected).max())
    if off <= _TOLERANCE:
        counts.add("samples compared: languages", count)
    else:
        counts.defect("languages", f"-n {count} --seed {seed} --first {first}: off by {off}")
    if not np.allclose(found["score"]["data"], model.score(images).elbo, rtol=1e-4):
        counts.defect("languages", f"scores of the first 8 of --seed {seed} --first {first}")
    for number in (*_NUMBERS, *_NO_NUMBERS):
        z = np.full((1, model.latent_dim), number, np.float32)
        answer = found[f"decode {number}"]
        try:
            image = model.decode(z)
            same = "data" in answer and np.allclose(_array(answer).reshape(image.shape), image, atol=_TOLERANCE)
        except cvae.CvaeError as error:
            same = answer.get("error") == type(error).__name__
        if same:
            counts.add("extremes: the same in JavaScript")
        else:
            counts.defect("extremes in JavaScript", f"decode of {number}: {str(answer)[:200]}")


def _array(answer: dict[str, str]) -> NDArray[np.float32]:
    import base64

    return np.frombuffer(base64.b64decode(answer["data"]), "<f4")
