"""Holding out images by their names alone."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime import InputError
from cvae_train._data.holdout import held_out

KEYS = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=2, max_size=60, unique=True)
FRACTIONS = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)


@given(KEYS, FRACTIONS)
def test_as_many_as_the_fraction_gives_but_neither_none_nor_all(keys, fraction):
    count = int(held_out(keys, fraction).sum())
    assert 1 <= count <= len(keys) - 1
    assert abs(count - len(keys) * fraction) <= 1.0


@given(KEYS, FRACTIONS, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(keys, fraction, random):
    chosen = dict(zip(keys, held_out(keys, fraction), strict=True))
    random.shuffle(keys)
    assert dict(zip(keys, held_out(keys, fraction), strict=True)) == chosen


@given(KEYS, FRACTIONS, FRACTIONS)
def test_more_are_held_out_beside_those_that_were(keys, a, b):
    fewer, more = (held_out(keys, fraction) for fraction in sorted((a, b)))
    assert (more >= fewer).all()


@given(KEYS)
def test_a_picture_more_moves_at_most_one_other(keys):
    """The other images keep their order in the ranking, so the held out set of a growing set changes little."""
    before = held_out(keys[:-1], 0.3) if len(keys) > 2 else np.array([True])
    assert int((before ^ held_out(keys, 0.3)[:-1]).sum()) <= 1


def test_the_ranking_is_by_sha256():
    keys = [f"cats/{number}.png" for number in range(50)]
    expected = set(sorted(keys, key=lambda key: hashlib.sha256(key.encode()).hexdigest())[:5])
    assert {key for key, chosen in zip(keys, held_out(keys, 0.1), strict=True) if chosen} == expected
    assert held_out(["a", "b", "c", "d"], 0.5).tolist() == [
        False,
        False,
        True,
        True,
    ]  # the digests start with ca, 3e, 2e and 18


def test_a_name_that_is_no_text_has_its_place():
    assert held_out(["a.png", "b\udcff.png"], 0.5).sum() == 1


@pytest.mark.parametrize("keys", [[], ["a"]])
def test_of_fewer_than_two_none_can_be_held_out(keys):
    with pytest.raises(InputError) as caught:
        held_out(keys, 0.5)
    assert str(caught.value) == f"expected at least two images, one to train on and one to hold out, found {len(keys)}"
