"""Mutated images: the specified pixels and levels, whatever the batch, and their frequencies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime.random import derived_key, threefry2x32
from cvae_train._data import Tag, mutate

KEY = derived_key(7, Tag.MUTATION, 1)
KNOWN = [[175, 100, 100, 100, 100, 100, 125, 213], [104, 100, 144, 250, 206, 100, 100, 69]]
GREY = np.random.default_rng(0).integers(0, 256, (9, 3, 5, 1), np.uint8)


def reference(image, rate, key, number, *, binary):
    """Mutate one image, a value at a time, as docs/formats.md specifies."""
    levels = image.ravel().tolist()
    blocks = -(-len(levels) // 2)
    for place in range(len(levels)):
        counter = number * blocks + place // 2
        words = [np.array([word], np.uint32) for word in (counter & 0xFFFFFFFF, counter >> 32)]
        word = int(threefry2x32(*words, key)[place % 2][0])
        if word % 2**24 < round(rate * 2**24):
            level = word // 2**24
            levels[place] = 255 * (level // 128) if binary else level
    return np.array(levels, np.uint8).reshape(image.shape)


def test_known_mutations():
    grey = np.full((2, 2, 4, 1), 100, np.uint8)
    assert mutate(grey, 0.5, derived_key(0, 4, 1)).reshape(2, 8).tolist() == KNOWN
    binary = mutate(grey, 0.5, derived_key(0, 4, 1), binary=True).reshape(2, 8)
    assert binary.tolist() == [[100 if level == 100 else 255 * (level > 127) for level in row] for row in KNOWN]


@given(
    st.integers(0, (1 << 64) - 1),
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3])),
    st.lists(st.integers(0, (1 << 50) - 1), min_size=1, max_size=3),
    st.floats(0, 1),
    st.booleans(),
)
def test_mutations_equal_the_reference(seed, shape, numbers, rate, binary):
    key = derived_key(seed, Tag.MUTATION, 3)
    images = np.random.default_rng(seed).integers(0, 256, (len(numbers), *shape), np.uint8)
    pairs = zip(images, numbers, strict=True)
    expected = [reference(image, rate, key, number, binary=binary) for image, number in pairs]
    np.testing.assert_array_equal(mutate(images, rate, key, np.array(numbers), binary=binary), expected)


@given(st.lists(st.integers(0, 8), max_size=20), st.sampled_from([np.int32, np.int64, np.uint64]))
def test_a_mutation_depends_on_key_and_index_alone(numbers, dtype):
    numbers = np.array(numbers, dtype)
    np.testing.assert_array_equal(mutate(GREY[numbers], 0.5, KEY, numbers), mutate(GREY, 0.5, KEY)[numbers])


def test_spans_do_not_change_the_mutations(monkeypatch):
    whole = mutate(GREY, 0.5, KEY)
    monkeypatch.setattr(
        "cvae_train._data.mutation.spans", lambda count, _: (slice(n, n + 2) for n in range(0, count, 2))
    )
    np.testing.assert_array_equal(mutate(GREY, 0.5, KEY), whole)


@pytest.mark.parametrize("other", [derived_key(8, 4, 1), derived_key(7, 1, 1), derived_key(7, 4, 2)])
def test_other_keys_give_other_mutations(other):
    assert not np.array_equal(mutate(GREY, 0.5, other), mutate(GREY, 0.5, KEY))


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_frequencies(rate):
    count = 400_000
    mutated = mutate(np.full((count // 100, 10, 10, 1), 77, np.uint8), rate, KEY).ravel()
    frequencies = np.bincount(mutated, minlength=256) / count
    expected = np.full(256, rate / 256)
    expected[77] += 1 - rate
    errors = np.sqrt(expected * (1 - expected) / count)
    assert (np.abs(frequencies - expected) <= 4.5 * errors).all()


def test_black_and_white_are_as_frequent():
    count = 200_000
    mutated = mutate(np.full((count // 100, 10, 10, 1), 77, np.uint8), 0.2, KEY, binary=True)
    levels, counts = np.unique(mutated, return_counts=True)
    assert levels.tolist() == [0, 77, 255]
    np.testing.assert_allclose(counts / count, [0.1, 0.8, 0.1], atol=0.004)


def test_nothing_or_everything_changes():
    np.testing.assert_array_equal(mutate(GREY, 0.0, KEY), GREY)
    np.testing.assert_array_equal(mutate(GREY, 1.0, KEY), mutate(255 - GREY, 1.0, KEY))


def test_mapped_images_are_mutated_in_memory(tmp_path):
    np.save(tmp_path / "grey.npy", GREY)
    mapped = np.load(tmp_path / "grey.npy", mmap_mode="r")
    mutated = mutate(mapped, 0.5, KEY)
    assert type(mutated) is np.ndarray
    np.testing.assert_array_equal(mutated, mutate(GREY, 0.5, KEY))
    np.testing.assert_array_equal(mapped, GREY)


def test_no_images():
    mutated = mutate(GREY[:0], 0.5, KEY)
    assert (mutated.shape, mutated.dtype) == ((0, 3, 5, 1), np.uint8)
