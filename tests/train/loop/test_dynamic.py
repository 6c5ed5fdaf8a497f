"""Dynamic binarization in the loop equals static training on the drawn images."""

import numpy as np
import pytest

from cvae_runtime.random import derived_key
from cvae_train import Dataset, draw_binary
from cvae_train._data import held_out
from cvae_train._loop.compute import Compute
from cvae_train._loop.loop import Loop
from tests.train.runs import quiet, weights_of

SEED = 5  # of the tiny recipe
VALIDATION = derived_key(0, 2)


def drawn(images, epoch):
    return draw_binary(images, derived_key(SEED, 1, epoch))


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("towers", [1, 2])
def test_each_epoch_trains_on_its_draws(replaced, data, epoch, towers):
    dynamic = Loop(replaced(binarize="dynamic"), data, Compute(towers))
    static = Loop(replaced(), Dataset(drawn(data.train, epoch), draw_binary(data.test)), Compute(towers))
    assert dynamic.train_epoch(epoch, quiet) == static.train_epoch(epoch, quiet)
    assert dynamic.test_elbo(epoch) == static.test_elbo(epoch)
    for a, b in zip(weights_of(dynamic), weights_of(static), strict=True):
        np.testing.assert_array_equal(a, b)


def test_epochs_have_draws_of_their_own(replaced, tiny_data):
    assert not np.array_equal(drawn(tiny_data.train, 1), drawn(tiny_data.train, 2))
    first = Loop(replaced(binarize="dynamic"), tiny_data)
    other = Loop(replaced(), Dataset(drawn(tiny_data.train, 2), tiny_data.test))
    assert first.train_epoch(1, quiet) != other.train_epoch(1, quiet)


def test_chunks_do_not_change_the_draws(replaced, tiny_data):
    whole, single = (Loop(replaced(binarize="dynamic"), tiny_data) for _ in range(2))
    whole._chunk = 3
    single._adapt_chunk = lambda *_: None
    assert whole.train_epoch(1, quiet) == single.train_epoch(1, quiet)


def test_validation_images_held_out_keep_their_indices(replaced, data):
    part = held_out([str(number) for number in range(40)], 0.25)
    loop = Loop(replaced(binarize="dynamic", validation_fraction=0.25), data)
    pixels = draw_binary(np.asarray(data.train), VALIDATION)[part]
    expected = Loop(replaced(), Dataset(data.train, data.test, validation=pixels)).validation_elbo(0)
    assert loop.validation_elbo(0) == expected


def test_validation_images_of_the_data(replaced, tiny_data, monkeypatch):
    own = Dataset(tiny_data.train, tiny_data.test, validation=tiny_data.test)
    pixels = draw_binary(tiny_data.test, VALIDATION)
    assert not np.array_equal(pixels, draw_binary(tiny_data.test))
    expected = Loop(replaced(), Dataset(tiny_data.train, tiny_data.test, validation=pixels)).validation_elbo(0)
    assert Loop(replaced(binarize="dynamic"), own).validation_elbo(0) == expected
    monkeypatch.setattr("cvae_train._loop.loop.TEST_BATCH", 3)
    assert Loop(replaced(binarize="dynamic"), own).validation_elbo(0) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", [5, 6])
def test_test_images_are_the_same_for_all_seeds(replaced, tiny_data, seed):
    pixels = Dataset(tiny_data.train, draw_binary(tiny_data.test))
    dynamic, static = Loop(replaced(binarize="dynamic", seed=seed), tiny_data), Loop(replaced(seed=seed), pixels)
    assert dynamic.test_elbo(0) == static.test_elbo(0)


def test_augmented_images_are_drawn_as_well(replaced, tiny_data):
    loops = [Loop(replaced(binarize="dynamic", augment="mirror"), tiny_data) for _ in range(2)]
    elbos = [loop.train_epoch(1, quiet) for loop in loops]
    assert elbos[0] == elbos[1] != Loop(replaced(binarize="dynamic"), tiny_data).train_epoch(1, quiet)
