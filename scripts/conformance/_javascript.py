"""Adapters of JavaScript runtimes, which run in Node.js with packages from runtime/js/node_modules."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ._tools import Arrays, Run, Runtime, execute

PACKAGES = Path(__file__).parents[2] / "runtime" / "js"  # the folder of node_modules

_JAVASCRIPT = """
const [name, path] = process.argv.slice(1);
const ort = require(name), fs = require("fs");
const types = {float32: Float32Array, uint8: Uint8Array, uint32: Uint32Array, int64: BigInt64Array};
const given = Object.entries(JSON.parse(fs.readFileSync(0)));
const values = (t) => types[t.dtype].from(t.dtype === "int64" ? t.data.map(BigInt) : t.data);
const feeds = given.map(([n, t]) => [n, new ort.Tensor(t.dtype, values(t), t.shape)]);
const options = {extra: {session: {load_model_format: "ONNX"}}};
ort.InferenceSession.create(fs.readFileSync(path), options).then((s) => s.run(Object.fromEntries(feeds))).then((results) => {
  const found = Object.entries(results).map(([n, t]) => [n, {shape: t.dims, data: Array.from(t.data, Number)}]);
  console.log(JSON.stringify(Object.fromEntries(found)));
}).catch((error) => { console.error(String(error)); process.exit(1); });
"""


def javascript(package: str) -> Runtime:
    """The adapter of an npm package with ONNX Runtime's interface."""

    def runtime(path: Path, outputs: Sequence[str]) -> Run:
        def run(inputs: Arrays) -> Arrays:
            given = {
                n: {"dtype": a.dtype.name, "shape": a.shape, "data": a.ravel().tolist()} for n, a in inputs.items()
            }
            found = json.loads(execute("node", "-e", _JAVASCRIPT, package, path, input=json.dumps(given), cwd=PACKAGES))
            return {n: np.array(found[n]["data"]).reshape(found[n]["shape"]) for n in outputs}

        return run

    return runtime
