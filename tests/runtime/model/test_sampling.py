"""`Model.stream`: samples do not depend on its start, end and batches; memory is constant."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cvae_runtime as cvae
from cvae_runtime import _check


def joined(stream):
    return np.concatenate(list(stream))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 90), st.integers(1, 60), st.integers(1, 70))
def test_bits_do_not_depend_on_the_batches(packaged_model, first, count, batch):
    whole = packaged_model.generate(152, seed=3, temperature=0.7)  # of whole micro-batches of 8
    found = joined(packaged_model.stream(count, seed=3, first=first, batch=batch, temperature=0.7))
    np.testing.assert_array_equal(found, whole[first : first + count])
    near = packaged_model.generate(count, seed=3, first=first, temperature=0.7)
    np.testing.assert_allclose(found, near, rtol=0.0, atol=1e-6)


def test_batches_have_the_size_and_are_new_arrays(tiny_model):
    batches = list(tiny_model.stream(25, batch=10))
    assert [(batch.shape, batch.dtype) for batch in batches] == [((n, 4, 4, 1), np.float32) for n in (10, 10, 5)]
    batches[0][:] = 7.0
    np.testing.assert_array_equal(np.concatenate(batches[1:]), tiny_model.generate(25)[10:])


def test_the_default_batch(notebook_model, monkeypatch):
    assert len(next(notebook_model.stream(5000))) == (4 << 20) // (4 * 28 * 28) // 8 * 8
    monkeypatch.setattr(cvae._model.model, "_BATCH_BYTES", 1)
    assert len(next(notebook_model.stream(5000))) == 2 * notebook_model.micro_batch == 16


def test_grey_levels_are_those_of_to_uint8(tiny_model):
    found = tiny_model.generate(50, seed=3, dtype="uint8")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, cvae.to_uint8(tiny_model.generate(50, seed=3)))
    np.testing.assert_array_equal(joined(tiny_model.stream(50, seed=3, batch=7, dtype="uint8")), found)


def test_numpy_integers(tiny_model):
    found = tiny_model.stream(np.int8(100), seed=np.uint64(3), first=np.int8(100), batch=np.int8(100))
    np.testing.assert_array_equal(joined(found), tiny_model.generate(204, seed=3)[100:200])


def test_the_last_sample_of_the_stream(tiny_model):
    end = (1 << 63) // 2  # 3 latents take 2 counters
    found = joined(tiny_model.stream(3, first=end - 3))
    np.testing.assert_allclose(found, tiny_model.generate(3, first=end - 3), rtol=0.0, atol=1e-6)


def test_memory_does_not_grow_with_the_count(packaged_model):
    tracemalloc.start()
    try:
        total = sum(len(batch) for batch in packaged_model.stream(8192, batch=256))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 8192  # 24.5 MiB of images
    assert peak < 3 << 20


def test_memory_limits_a_batch_and_not_the_count(tiny_model, refuses, monkeypatch):
    monkeypatch.setattr(_check, "physical_memory", lambda: 64 * (10 + 2 * tiny_model.micro_batch))
    assert len(next(tiny_model.stream(1 << 40, batch=10))) == 10
    message = f"{11 + 2 * tiny_model.micro_batch} images take 0.0 GiB, and this machine has 0.0 GiB; make them in parts, with first= and a smaller count"
    with refuses(cvae.InputError, message):
        tiny_model.stream(1 << 40, batch=11)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count must be a whole number of at least 1; found 0"),
        ({"count": 1, "batch": 0}, "batch must be a whole number of at least 1; found 0"),
        ({"count": 1, "batch": 2.0}, "batch must be a whole number of at least 1; found 2.0"),
        ({"count": 1, "dtype": "float16"}, "dtype must be one of float32, uint8; found 'float16'"),
        ({"count": 1, "seed": -1}, "seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found -1"),
        ({"count": 1, "first": -1}, "first must be a whole number of at least 0; found -1"),
        ({"count": 1, "temperature": -1}, "temperature must be a finite number of at least 0; found -1"),
        (
            {"count": 2, "first": (1 << 62) - 1},
            "first + count must be at most 4611686018427387904 for latents of 3; found 4611686018427387903 + 2",
        ),
    ],
    ids=str,
)
def test_invalid_arguments_raise_at_the_call(arguments, message, tiny_model, refuses):
    with refuses(cvae.InputError, message):
        tiny_model.stream(**arguments)


def test_the_stream_of_a_closed_model_raises(tiny_bundle, refuses):
    with cvae.load(tiny_bundle, provider="cpu", threads=2) as model:
        stream = model.stream(50, batch=10)
        next(stream)
    with refuses(cvae.InputError, "the model is closed; load it again"):
        next(stream)
