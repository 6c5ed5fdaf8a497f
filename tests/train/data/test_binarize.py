"""Dynamic binarization: the specified draws, whatever the batch, and their frequencies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime.random import derived_key, threefry2x32
from cvae_train import draw_binary
from cvae_train._data import Tag, is_binary
from cvae_train._data.binarize import words_of

KEY = derived_key(7, Tag.TRAINING, 1)
GREY = np.random.default_rng(0).integers(0, 256, (9, 3, 5, 1), np.uint8)


def reference(image, key, number):
    """Draw one image, a pixel at a time, as docs/formats.md specifies."""
    levels = image.ravel().tolist()
    blocks = -(-len(levels) // 4)
    drawn = []
    for pixel, level in enumerate(levels):
        counter = number * blocks + pixel // 4
        words = [np.array([word], np.uint32) for word in (counter & 0xFFFFFFFF, counter >> 32)]
        a, b = (int(word[0]) for word in threefry2x32(*words, key))
        halves = (a & 0xFFFF, a >> 16, b & 0xFFFF, b >> 16)
        drawn.append(255 if halves[pixel % 4] < (level * 65536 + 127) // 255 else 0)
    return np.array(drawn, np.uint8).reshape(image.shape)


def test_known_draws():
    ramp = np.arange(0, 256, 17, dtype=np.uint8).reshape(1, 4, 4, 1)
    drawn = draw_binary(np.repeat(ramp, 2, axis=0)).reshape(2, 16) // 255
    assert drawn.tolist() == [
        [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1],
    ]


def test_the_default_is_the_key_and_the_indices_of_test_images():
    np.testing.assert_array_equal(draw_binary(GREY), draw_binary(GREY, derived_key(0, 3), np.arange(9)))


@given(
    st.integers(0, (1 << 64) - 1),
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3])),
    st.lists(st.integers(0, (1 << 50) - 1), min_size=1, max_size=3),
)
def test_draws_equal_the_reference(seed, shape, numbers):
    key = derived_key(seed, Tag.TRAINING, 3)
    images = np.random.default_rng(seed).integers(0, 256, (len(numbers), *shape), np.uint8)
    expected = [reference(image, key, number) for image, number in zip(images, numbers, strict=True)]
    np.testing.assert_array_equal(draw_binary(images, key, np.array(numbers)), expected)


@given(st.lists(st.integers(0, 8), max_size=20), st.sampled_from([np.int32, np.int64, np.uint64]))
def test_a_draw_depends_on_key_and_index_alone(numbers, dtype):
    numbers = np.array(numbers, dtype)
    np.testing.assert_array_equal(draw_binary(GREY[numbers], KEY, numbers), draw_binary(GREY, KEY)[numbers])


def test_spans_do_not_change_the_draws(monkeypatch):
    whole = draw_binary(GREY, KEY)
    monkeypatch.setattr(
        "cvae_train._data.binarize.spans", lambda count, _: (slice(n, n + 2) for n in range(0, count, 2))
    )
    np.testing.assert_array_equal(draw_binary(GREY, KEY), whole)


@pytest.mark.parametrize("other", [derived_key(8, 1, 1), derived_key(7, 2, 1), derived_key(7, 1, 2), derived_key(7, 1)])
def test_other_keys_give_other_draws(other):
    assert not np.array_equal(draw_binary(GREY, other), draw_binary(GREY, KEY))


def test_levels_are_probabilities_of_white():
    count = 2_000
    levels = np.tile(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), (count, 1, 1, 1))
    means = draw_binary(levels, KEY).mean(axis=0).ravel() / 255
    probabilities = np.arange(256) / 255
    assert (means[0], means[255]) == (0.0, 1.0)
    errors = np.sqrt(probabilities * (1 - probabilities) / count)
    assert (np.abs(means - probabilities) <= 4.5 * errors).all()


def test_pixels_are_independent():
    drawn = draw_binary(np.full((20_000, 1, 5, 1), 128, np.uint8), KEY).reshape(-1, 5)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(5)).max() < 5 / np.sqrt(len(drawn))
    assert abs(np.corrcoef(drawn[1:, 0], drawn[:-1, 4])[0, 1]) < 5 / np.sqrt(len(drawn))


def test_black_and_white_stay_as_they_are():
    glyphs = np.where(GREY > 100, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(draw_binary(glyphs, KEY), glyphs)


def test_mapped_images_are_drawn_in_memory(tmp_path):
    np.save(tmp_path / "grey.npy", GREY)
    mapped = np.load(tmp_path / "grey.npy", mmap_mode="r")
    drawn = draw_binary(mapped, KEY)
    assert type(drawn) is np.ndarray
    np.testing.assert_array_equal(drawn, draw_binary(GREY, KEY))
    np.testing.assert_array_equal(mapped, GREY)


def test_no_images():
    drawn = draw_binary(GREY[:0])
    assert (drawn.shape, drawn.dtype) == ((0, 3, 5, 1), np.uint8)


@pytest.mark.parametrize(
    ("levels", "binary"), [([], True), ([0], True), ([255], True), ([0, 255], True), ([0, 254], False), ([0, 1], False)]
)
def test_binary_is_black_and_white(levels, binary):
    assert is_binary(np.array(levels, np.uint8).reshape(-1, 1, 1, 1)) == binary


def test_tags_are_specified():
    assert {tag.name: tag.value for tag in Tag} == {"TRAINING": 1, "VALIDATION": 2, "TEST": 3, "MUTATION": 4}


def test_blocks_of_an_image_follow_each_other():
    number = (1 << 40) + 3
    a, b = words_of(np.array([0, number]), 3, (7, 9))
    counters = [0, 1, 2, 3 * number, 3 * number + 1, 3 * number + 2]
    low, high = (np.array([counter >> shift & 0xFFFFFFFF for counter in counters], np.uint32) for shift in (0, 32))
    expected = threefry2x32(low, high, (7, 9))
    np.testing.assert_array_equal(a, expected[0])
    np.testing.assert_array_equal(b, expected[1])


def test_no_words():
    assert [words.shape for words in words_of(np.arange(0), 3, (7, 9))] == [(0,), (0,)]
