"""Check docs/embedding.md: its random numbers, figures and Node.js program. test_docs.py runs its other programs."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_runtime.bundle import parse_golden
from tests.examples.conftest import ROOT

TEXT = (ROOT / "docs/embedding.md").read_text()
JAVASCRIPT = ROOT / "runtime/js"


def rows(*headings):
    """The rows of the table with these headings."""
    table = TEXT.split("| " + " | ".join(headings) + " |\n")[1].split("\n\n")[0]
    return [[cell.strip().strip("`") for cell in line[1:-1].split("|")] for line in table.splitlines()[1:]]


def floats(words):
    return np.array([int(word, 16) for word in words], np.uint32).view(np.float32)


@pytest.fixture(scope="module")
def generator():
    """The first program of the guide."""
    names = {}
    exec(re.search(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)[1], names)
    return names


@pytest.fixture(scope="module")
def known():
    return json.loads((ROOT / "tests/golden/rng.json").read_text())


def test_table_of_words(generator, known):
    table = rows("counter (low, high)", "key", "words")
    assert [row[2].split() for row in table] == [case["output"] for case in known["threefry"]]
    for row in table:
        counter, key, words = ([int(word, 16) for word in cell.split()] for cell in row)
        assert generator["threefry2x32"](*counter, *key) == tuple(words)


def test_table_of_latents(generator, known):
    table = rows("seed", "index", "L", "begins", "ends")
    assert [row[:3] for row in table] == [[c["seed"], c["index"], str(c["latent_dim"])] for c in known["prior"][:3]]
    for row, case in zip(table, known["prior"], strict=False):
        seed, index, length = map(int, row[:3])
        found = np.array(generator["normals"](seed, index, length), np.float32)
        np.testing.assert_array_max_ulp(found, floats(case["latents"]))
        begins, ends = row[3].split(), row[4].split()
        assert case["latents"][: len(begins)] == begins
        assert case["latents"][len(case["latents"]) - len(ends) :] == ends


def test_posterior_noise(generator):
    found = [generator["normals"](3, 2 * 5 + t, 7, 1 << 63) for t in range(5)]
    np.testing.assert_array_max_ulp(np.array(found, np.float32), cvae.posterior_noise(3, 10, 5, 7))


def test_sizes():
    table = rows("file", "bytes", "gzipped")
    assert {name: int(size.replace(",", "")) for name, size, _ in table} == {
        path.name: path.stat().st_size for path in cvae.packaged_bundle().glob("*.onnx")
    }


def test_tolerances(golden):
    text = (cvae.packaged_bundle() / "golden.json").read_bytes()
    packaged = {case.file: case for case in parse_golden(text, "golden.json").cases}
    (cell,) = [row[1] for row in rows("what", "differs by at most", "why") if "golden" in row[0]]
    assert cell == (
        f"atol` of the case: 1e-4 for `decoder.onnx`, {packaged['encoder.onnx'].atol:.1e} for `encoder.onnx` of MNIST, "
        f"whose values go to {packaged['encoder.onnx'].atol * 1e4:.1f}; 0.05 for 8 bits"
    ).replace("e-04", "e-4")
    assert packaged["decoder.onnx"].atol == golden["decoder.onnx"].atol == 1e-4
    assert golden["decoder_cpu_int8.onnx"].atol == 0.05


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
@pytest.mark.skipif(not (JAVASCRIPT / "node_modules").exists(), reason="run npm install in runtime/js first")
def test_node_program_matches_python(tmp_path, bundle, model):
    packages = tmp_path / "node_modules"
    built = packages / "cvae-runtime/dist"
    built.mkdir(parents=True)
    for package in (JAVASCRIPT / "node_modules").iterdir():
        if not (packages / package.name).exists():
            (packages / package.name).symlink_to(package.resolve())
    shutil.copy(JAVASCRIPT / "package.json", packages / "cvae-runtime")
    compiler = [packages / ".bin/tsc", "--project", JAVASCRIPT / "tsconfig.build.json", "--outDir", built]
    subprocess.run(compiler, check=True, cwd=JAVASCRIPT)
    (tmp_path / "my-model").symlink_to(bundle)
    program = Path(tmp_path, "program.mjs")
    program.write_text(re.findall(r"^```js\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)[0])
    result = subprocess.run(["node", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    elbo, shape = result.stdout.strip().split(" ", 1)
    expected = model.score(cvae.to_uint8(model.generate(16, seed=0))).elbo[0]
    assert abs(float(elbo) - expected) < 1e-3
    assert shape == "[ 16, 28, 28, 1 ]"
