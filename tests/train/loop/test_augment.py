import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from cvae_runtime import InputError
from cvae_train import Dataset, ModelConfig, TrainConfig
from cvae_train._loop import Loop
from cvae_train._loop.augment import augmented


@pytest.fixture
def rng():
    return np.random.default_rng(0)


ALL_BITS = list(itertools.product([0, 1], repeat=3))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("none", lambda x: {x.tobytes()}),
        ("mirror", lambda x: {y.tobytes() for y in (x, x[:, ::-1])}),
        ("mirror-flip", lambda x: {y.tobytes() for y in (x, x[:, ::-1], x[::-1], x[::-1, ::-1])}),
        ("dihedral", lambda x: {np.rot90(y, turns).tobytes() for y in (x, x[::-1]) for turns in range(4)}),
    ],
)
def test_the_transformed_images_of_each_kind(kind, expected, rng):
    image = rng.integers(0, 256, (5, 5, 3), np.uint8)
    images = augmented(tf.constant(np.stack([image] * 8)), kind, tf.constant(ALL_BITS))
    assert {copy.tobytes() for copy in images.numpy()} == expected(image)


def test_each_image_has_its_own_bits(rng):
    images = rng.integers(0, 256, (2, 4, 6, 1), np.uint8)
    found = augmented(tf.constant(images), "mirror-flip", tf.constant([[1, 0, 1], [0, 1, 1]])).numpy()
    np.testing.assert_array_equal(found, [images[0][:, ::-1], images[1][::-1]])


def trained(data, augment):
    model = ModelConfig(image_shape=(8, 8, 1), latent_dim=2, filters=(2, 3))
    config = TrainConfig(model=model, batch_size=4, learning_rate=1e-2, augment=augment, validation_fraction=0.2)
    loop = Loop(config, data)
    elbos = [loop.train_epoch(epoch, lambda *_: None) for epoch in (1, 2)]
    return elbos, loop


def test_training_images_are_transformed_and_no_others(rng):
    odd = rng.integers(0, 2, (16, 8, 8, 1), np.uint8) * 255
    symmetric = np.minimum(odd, odd[:, :, ::-1])
    symmetric = np.minimum(symmetric, symmetric[:, ::-1])
    symmetric = np.minimum(symmetric, symmetric.swapaxes(1, 2))
    for images, same in ((symmetric, True), (odd, False)):
        data = Dataset(images[:12], images[12:])
        plain, transformed = trained(data, "none"), trained(data, "dihedral")
        assert (plain[0] == transformed[0]) == same
        assert (plain[1].test_elbo(2) == transformed[1].test_elbo(2)) == same
        assert transformed[0] == trained(data, "dihedral")[0]  # the seed determines them
        fresh = [Loop(dataclasses.replace(plain[1].config, augment=augment), data) for augment in ("none", "dihedral")]
        assert fresh[0].test_elbo(1) == fresh[1].test_elbo(1)
        assert fresh[0].validation_elbo(1) == fresh[1].validation_elbo(1)


def test_quarter_turns_need_squares():
    model = ModelConfig(image_shape=(8, 12, 1), filters=(2,))
    with pytest.raises(InputError) as caught:
        TrainConfig(model=model, augment="dihedral")
    assert str(caught.value) == ("augment dihedral expects square images, found 12x8 pixels; set it to 'mirror-flip'")
