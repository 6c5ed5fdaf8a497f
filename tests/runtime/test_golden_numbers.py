"""Python reproduces the golden numbers for other languages. If a bundle has changed, run scripts/golden.py."""

import base64
import json

import numpy as np
import pytest

import cvae_runtime as cvae
from scripts.golden import BUNDLES, GOLDEN, numbers_of

NUMBERS = json.loads((GOLDEN / "runtime.json").read_text())


def decode(value):
    return np.frombuffer(base64.b64decode(value["data"]), value["dtype"]).reshape(value["shape"])


@pytest.mark.parametrize("name", BUNDLES)
def test_the_golden_numbers_are_pythons(name):
    with cvae.load(BUNDLES[name], provider="cpu") as model:
        found = numbers_of(model)
    expected = NUMBERS[name]
    assert set(found) == set(expected)
    assert (found["seed"], found["first"]) == (expected["seed"], expected["first"])
    for key in set(found) - {"seed", "first"}:
        a, b = decode(found[key]), decode(expected[key])
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        atol = 1.0 if a.dtype == np.uint8 else 1e-3 if a.dtype == np.float64 else 1e-5
        assert np.allclose(a.astype(np.float64), b.astype(np.float64), rtol=1e-5, atol=atol), key


@pytest.mark.parametrize("name", BUNDLES)
def test_the_golden_bundles_pass_their_own_golden_vectors(name):
    results = cvae.check_golden(cvae.read_bundle(BUNDLES[name]))
    assert len(results) > 4
    assert all(result.agrees for result in results)
