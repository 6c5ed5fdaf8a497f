"""Determinism, counted in compared samples, and extreme latents, which must give the same result in JavaScript.

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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import cvae_runtime as cvae
import cvae_runtime.images

from ._counts import Counts, rng_of, until
from ._processes import PATIENCE

_TOLERANCE = 1e-6  # of float32 images, across batch splits and languages
LIMIT = float(np.finfo(np.float32).max)
NUMBERS = (0.0, -0.0, 1e-45, -1e-45, 1e-38, 1.0, -1.0, 1e4, 1e10, -1e10, 1e30, -1e30, LIMIT, -LIMIT)
NOT_FINITE = (np.nan, np.inf, -np.inf)

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
    """Compare until the time is over."""
    counts, rng = Counts(), rng_of(seed)
    with cvae.load(provider="cpu") as model, warnings.catch_warnings():
        warnings.simplefilter("error")  # an unexpected overflow is a defect too
        for number in until(seconds):
            _compare(model, rng, counts, languages=number % 5 == 0)
    return counts


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
    for number in (*NUMBERS, *NOT_FINITE):
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
    for number in (*NUMBERS, *NOT_FINITE):
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
