"""Training of background models equals ordinary training on the mutated images."""

import dataclasses

import numpy as np
import pytest

from cvae_runtime.random import derived_key
from cvae_train import Dataset, draw_binary
from cvae_train._data import mutate
from cvae_train._loop.compute import Compute
from cvae_train._loop.loop import Loop
from tests.train.runs import quiet, weights_of

SEED = 5  # of the tiny recipe


def mutated(images, epoch, *, binary=True):
    return mutate(images, 0.3, derived_key(SEED, 4, epoch), binary=binary)


@pytest.mark.parametrize("binarize", ["static", "none"])
def test_each_epoch_trains_on_its_mutations(replaced, data, binarize):
    background = Loop(replaced(binarize=binarize, background=0.3), data, Compute(2))
    changed = Dataset(mutated(data.train, 2, binary=binarize == "static"), data.test)
    ordinary = Loop(replaced(binarize=binarize), changed, Compute(2))
    assert background.train_epoch(2, quiet) == ordinary.train_epoch(2, quiet)
    assert background.test_elbo(2) == ordinary.test_elbo(2)
    for a, b in zip(weights_of(background), weights_of(ordinary), strict=True):
        np.testing.assert_array_equal(a, b)


def test_drawn_pixels_are_mutated(replaced, tiny_data):
    background = Loop(replaced(binarize="dynamic", background=0.3), tiny_data)
    drawn = draw_binary(tiny_data.train, derived_key(SEED, 1, 1))
    ordinary = Loop(replaced(), Dataset(mutated(drawn, 1), draw_binary(tiny_data.test)))
    assert background.train_epoch(1, quiet) == ordinary.train_epoch(1, quiet)
    assert background.test_elbo(1) == ordinary.test_elbo(1)


def test_colour_is_mutated(rgb_config, rgb_data):
    background = Loop(dataclasses.replace(rgb_config, background=0.3), rgb_data)
    ordinary = Loop(rgb_config, Dataset(mutated(rgb_data.train, 1, binary=False), rgb_data.test))
    assert background.train_epoch(1, quiet) == ordinary.train_epoch(1, quiet)


def test_validation_and_test_images_stay_as_they_are(replaced, data):
    background = Loop(replaced(validation_fraction=0.25, background=0.3), data)
    ordinary = Loop(replaced(validation_fraction=0.25), data)
    assert background.validation_elbo(0) == ordinary.validation_elbo(0)
    assert background.test_elbo(0) == ordinary.test_elbo(0)


def test_chunks_do_not_change_the_mutations(replaced, tiny_data):
    whole, single = (Loop(replaced(background=0.3), tiny_data) for _ in range(2))
    whole._chunk = 3
    single._adapt_chunk = lambda *_: None
    assert whole.train_epoch(1, quiet) == single.train_epoch(1, quiet)
