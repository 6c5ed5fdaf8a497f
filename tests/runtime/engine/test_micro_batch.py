"""The size of a micro-batch, and the division of a call into micro-batches."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cvae_runtime as cvae
from cvae_runtime._engine.micro_batch import Cut, cut, micro_batch_of, smallest_part


@pytest.fixture(scope="module")
def manifest():
    return cvae.read_bundle().manifest


@pytest.mark.parametrize(
    ("role", "precision", "shape", "filters", "expected"),
    [
        ("decoder", "float32", (28, 28, 1), (32, 64), 8),
        ("encoder", "float32", (28, 28, 1), (32, 64), 32),
        ("decoder", "int8", (28, 28, 1), (32, 64), 16),
        ("decoder", "float16", (28, 28, 1), (32, 64), 8),
        ("decoder", "float32", (64, 64, 3), (32, 64, 128), 2),
        ("encoder", "float32", (64, 64, 3), (32, 64, 128), 8),
        ("encoder", "float32", (63, 63, 3), (32, 64, 128), 8),
        ("decoder", "float32", (256, 256, 3), (64,), 1),
        ("decoder", "float32", (4, 4, 1), (), 32),
        ("decoder", "float32", (256, 128, 3), (), 2),
    ],
)
def test_micro_batches_of_models(role, precision, shape, filters, expected, manifest):
    graph = dataclasses.replace(manifest.graphs[0], role=role, precision=precision)
    model = dataclasses.replace(manifest.model, image_shape=shape, filters=filters)
    assert micro_batch_of(graph, model, "cpu") == expected
    assert micro_batch_of(graph, model, "cuda") == 256


def test_a_residual_decoder_is_widest_at_half_size(manifest):
    model = dataclasses.replace(manifest.model, image_shape=(64, 64, 3), filters=(32, 64, 128), architecture="residual")
    for graph in manifest.graphs:
        if graph.precision == "float32":
            assert micro_batch_of(graph, model, "cpu") == 8


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
