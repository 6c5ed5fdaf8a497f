"""The size of a micro-batch, and the division of a call into micro-batches."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cvae_runtime as cvae
from cvae_runtime._engine.micro_batch import Cut, cut, micro_batch_of, smallest_part

# JavaScript tests them too.
CASES = json.loads((Path(__file__).parents[2] / "golden" / "micro_batch.json").read_text())


@pytest.fixture(scope="module")
def manifest():
    return cvae.read_bundle().manifest


@pytest.mark.parametrize("case", CASES, ids=str)
def test_micro_batches_of_models(case, manifest):
    model = dataclasses.replace(
        manifest.model,
        image_shape=case["image_shape"],
        filters=case["filters"],
        architecture=case.get("architecture"),
    )
    assert micro_batch_of(case["role"], case["precision"], model, "cpu") == case["micro_batch"]
    assert micro_batch_of(case["role"], case["precision"], model, "cuda") == 256


@pytest.mark.parametrize(
    ("count", "micro_batch", "threads", "expected"),
    [
        (1, 8, 2, Cut(2, 2)),
        (4, 8, 2, Cut(2, 2)),
        (9, 32, 2, Cut(8, 8)),  # smaller parts do not pay off
        (8, 8, 2, Cut(4, 4)),  # one for each core
        (12, 8, 2, Cut(6, 6)),
        (24, 8, 2, Cut(6, 6)),  # three micro-batches would leave a core idle for one of them
        (64, 8, 2, Cut(8, 8)),
        (256, 8, 2, Cut(8, 32)),
        (10_000, 8, 2, Cut(8, 64)),
        (100, 8, 1, Cut(8, 24)),
        (100, 1, 4, Cut(1, 6)),
        (100, 256, 1, Cut(100, 100)),
    ],
)
def test_examples_of_cuts(count, micro_batch, threads, expected):
    assert cut(count, micro_batch, threads) == expected


@given(st.integers(1, 5000), st.sampled_from([1, 2, 8, 32, 256]), st.integers(1, 64))
def test_bounds_of_cuts(count, micro_batch, threads):
    found = cut(count, micro_batch, threads)
    assert smallest_part(micro_batch) <= found.micro_batch <= micro_batch
    assert found.block % found.micro_batch == 0
    assert 1 <= found.block // found.micro_batch <= 8
    aligned = cut(count, micro_batch, threads, aligned=True)
    assert (aligned.micro_batch, aligned.block % micro_batch) == (micro_batch, 0)
