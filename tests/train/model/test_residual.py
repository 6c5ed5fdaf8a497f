import numpy as np
import pytest
import tensorflow as tf

from cvae_runtime import InputError
from cvae_train import CVAE, ModelConfig
from cvae_train._config import default_filters
from cvae_train._model import every_layer

MIXTURE = "discretized-logistic-mixture"


def residual(image_shape, filters, likelihood=MIXTURE, latent_dim=3, seed=0):
    config = ModelConfig(image_shape, latent_dim, filters, likelihood, "residual")
    return CVAE(config, seed)


def outputs(layers):
    return [layer.output.shape[1:] for layer in layers]


def test_layers_work_at_half_size_and_below():
    model = residual((64, 64, 3), (4, 6, 8))
    assert outputs(model.encoder.layers) == [
        *[(32, 32, 4)] * 2,
        *[(16, 16, 6)] * 2,
        *[(8, 8, 8)] * 3,
        (512,),
        (6,),
    ]
    shapes = {layer.name: layer.output.shape[1:] for layer in model.decoder.layers[1:]}
    assert [shapes[name] for name in ("dense", "block_3_1", "up_2", "block_2_1", "up_1", "block_1_1", "out")] == [
        (512,),
        (8, 8, 8),
        *[(16, 16, 6)] * 2,
        *[(32, 32, 4)] * 2,
        (64, 64, 36),
    ]
    assert [shapes[f"sketch_{n}"] for n in (3, 2, 1)] == [(8, 8, 3), (16, 16, 3), (32, 32, 3)]
    assert [shapes[f"enlarge_{n}"] for n in (2, 1, 0)] == [(16, 16, 3), (32, 32, 3), (64, 64, 3)]


def test_the_sketch_is_zero_at_first_and_moves_all_components():
    model = residual((8, 8, 3), (2, 3))
    z = tf.constant(np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32))
    before = model.pixel_parameters(z)
    (sketch,) = (layer for layer in model.decoder.layers if layer.name == "sketch_2")
    sketch.bias.assign([0.25, 0.0, -0.5])
    after = model.pixel_parameters(z)
    moved = np.broadcast_to(np.array([0.25, 0.0, -0.5])[:, np.newaxis], (2, 8, 8, 3, 4))
    np.testing.assert_allclose(after["location"] - before["location"], moved, atol=1e-6)
    for name in ("log_scale", "mixture_logits"):
        np.testing.assert_array_equal(after[name], before[name])


@pytest.mark.parametrize("likelihood", ["bernoulli", "discretized-logistic"])
def test_the_sketch_moves_logits_and_single_locations(likelihood):
    model = residual((8, 8, 1), (2, 3), likelihood)
    before = model.decoder(tf.zeros((1, 3)))
    (sketch,) = (layer for layer in model.decoder.layers if layer.name == "sketch_1")
    sketch.bias.assign([0.5])
    moved = np.zeros(before.shape[-1])
    moved[0] = 0.5
    np.testing.assert_allclose(
        model.decoder(tf.zeros((1, 3))) - before, np.broadcast_to(moved, before.shape), atol=1e-6
    )


@pytest.mark.parametrize(
    ("image_shape", "padded"),
    [
        ((28, 28, 1), (28, 28)),
        ((25, 33, 3), (28, 36)),
        ((61, 26, 1), (64, 28)),
        ((64, 64, 3), (64, 64)),
        ((97, 70, 3), (104, 72)),
        ((128, 128, 1), (128, 128)),
        ((3, 5, 1), (4, 8)),
    ],
)
def test_images_of_any_size_keep_it(image_shape, padded):
    filters = (2, 3) if max(image_shape) < 64 else (2, 3, 4)
    likelihood = "bernoulli" if image_shape[2] == 1 else MIXTURE
    model = residual(image_shape, filters, likelihood)
    x = tf.constant(np.random.default_rng(0).random((2, *image_shape), np.float32))
    mean, logvar = model.encode(x)
    assert (mean.shape, logvar.shape) == ((2, 3), (2, 3))
    assert model.sample(mean).shape == (2, *image_shape)
    assert tuple(np.add(image_shape[:2], model.config.padding)) == padded
    first = next(layer for layer in model.encoder.layers if layer.name == "down_1")
    assert tuple(2 * side for side in first.output.shape[1:3]) == padded


def test_every_pixel_of_an_odd_image_reaches_the_latents():
    model = residual((9, 7, 1), (2, 3), "bernoulli")
    x = tf.Variable(np.random.default_rng(0).random((1, 9, 7, 1), np.float32))
    with tf.GradientTape() as tape:
        mean, _ = model.encode(x)
    assert np.all(tape.gradient(mean, x).numpy() != 0.0)


def test_blocks_are_the_identity_at_first_and_learn():
    model = residual((8, 8, 1), (2, 3), "bernoulli")
    blocks = [layer for layer in (*model.encoder.layers, *model.decoder.layers) if layer.name.startswith("block_")]
    assert [block.name for block in blocks] == ["block_1_1", "block_2_1", "block_2_1", "block_1_1"]
    x = tf.constant(np.random.default_rng(0).standard_normal((1, 4, 4, 2)).astype(np.float32))
    np.testing.assert_array_equal(blocks[0](x), x)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(blocks[0](x) ** 2)
    _, last = blocks[0].layers
    assert np.any(tape.gradient(loss, last.kernel).numpy() != 0.0)


def test_weights_have_names_of_their_own():
    names = [variable.path for variable in residual((8, 8, 1), (2, 3), "bernoulli").variables]
    assert len(set(names)) == len(names) == 33
    assert {"encoder/block_1_1/conv_2/kernel", "decoder/up_1/kernel", "decoder/out/bias"} < set(names)


def test_a_mixture_starts_with_components_side_by_side():
    model = residual((8, 8, 3), (2, 3))
    parameters = model.pixel_parameters(tf.zeros((1, 3)))
    np.testing.assert_allclose(parameters["location"][0, 0, 0, 0], [0, 1 / 3, 2 / 3, 1], atol=1e-6)


def test_a_seed_names_the_initial_weights():
    first, again, other = (residual((8, 8, 1), (2,), "bernoulli", seed=seed) for seed in (1, 1, 2))
    for a, b in zip(first.weights, again.weights, strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(first.weights[0], other.weights[0])


def test_every_layer_lists_the_convolutions_of_blocks():
    names = [layer.name for layer in every_layer(residual((8, 8, 1), (2, 3), "bernoulli").encoder)]
    assert names == [
        *("encoder", "down_1", "block_1_1", "conv_1", "conv_2", "down_2", "block_2_1", "conv_1", "conv_2"),
        *("activation", "flatten", "dense"),
    ]


@pytest.mark.parametrize(
    ("image_shape", "resolutions"),
    [((8, 8, 1), 2), ((28, 28, 1), 2), ((63, 40, 3), 2), ((64, 64, 3), 3), ((127, 64, 3), 3), ((128, 128, 3), 4)],
)
def test_larger_images_get_more_resolutions(image_shape, resolutions):
    filters = default_filters("residual", image_shape)
    assert len(filters) == resolutions
    assert list(filters) == sorted(filters)


def test_an_unknown_architecture_is_an_error():
    with pytest.raises(InputError) as caught:
        ModelConfig(architecture="sparse")
    assert str(caught.value) == "architecture must be one of ('notebook', 'residual', 'dense'); found 'sparse'"
