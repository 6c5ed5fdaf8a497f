import numpy as np
import pytest
import tensorflow as tf

from cvae_train import CVAE, ModelConfig


@pytest.fixture(scope="module")
def model():
    return CVAE()


def test_parameter_counts_are_the_notebooks(model):
    assert model.encoder.count_params() == 249_316
    assert model.decoder.count_params() == 117_217


def test_layer_shapes_are_the_notebooks(model):
    assert [layer.output.shape[1:] for layer in model.encoder.layers] == [
        (13, 13, 32),
        (6, 6, 64),
        (2304,),
        (100,),
    ]
    assert [layer.output.shape[1:] for layer in model.decoder.layers] == [
        (1568,),
        (7, 7, 32),
        (14, 14, 64),
        (28, 28, 32),
        (28, 28, 1),
    ]


def test_layers_are_the_notebooks(model):
    conv_1, conv_2, _, dense = model.encoder.layers
    for layer in (conv_1, conv_2):
        assert (layer.kernel_size, layer.strides, layer.padding) == ((3, 3), (2, 2), "valid")
        assert layer.activation.__name__ == "relu"
    assert dense.activation.__name__ == "linear"
    first, _, *transposed, last = model.decoder.layers
    assert first.activation.__name__ == "relu"
    for layer in transposed:
        assert (layer.kernel_size, layer.strides, layer.padding) == ((3, 3), (2, 2), "same")
        assert layer.activation.__name__ == "relu"
    assert (last.kernel_size, last.strides, last.padding) == ((3, 3), (1, 1), "same")
    assert last.activation.__name__ == "linear"


def test_a_deeper_stack_mirrors_its_filters():
    model = CVAE(ModelConfig(image_shape=(32, 24, 1), latent_dim=4, filters=(2, 3, 5)))
    assert [layer.output.shape[1:] for layer in model.encoder.layers] == [
        (15, 11, 2),
        (7, 5, 3),
        (3, 2, 5),
        (30,),
        (8,),
    ]
    assert [layer.output.shape[1:] for layer in model.decoder.layers] == [
        (24,),
        (4, 3, 2),
        (8, 6, 5),
        (16, 12, 3),
        (32, 24, 2),
        (32, 24, 1),
    ]


def test_encode_splits_mean_and_logvar(model):
    x = tf.constant(np.random.default_rng(0).random((3, 28, 28, 1), np.float32))
    mean, logvar = model.encode(x)
    both = model.encoder(x).numpy()
    assert np.array_equal(mean, both[:, :50])
    assert np.array_equal(logvar, both[:, 50:])


def test_reparameterize_scales_the_noise_by_the_standard_deviation(model):
    mean, logvar, noise = tf.constant([[1.0, 2.0]]), tf.math.log(tf.constant([[4.0, 9.0]])), tf.constant([[1.0, -1.0]])
    np.testing.assert_allclose(model.reparameterize(mean, logvar, noise), [[3.0, -1.0]], rtol=1e-6)


def test_reparameterize_draws_noise_of_its_own(model):
    tf.random.set_seed(0)
    mean, logvar = tf.fill([20_000, 1], 1.0), tf.fill([20_000, 1], float(np.log(4.0)))
    z = model.reparameterize(mean, logvar).numpy()
    assert z.mean() == pytest.approx(1.0, abs=0.05)
    assert z.std() == pytest.approx(2.0, abs=0.05)


def test_decode_gives_logits_or_probabilities(model):
    z = tf.constant(np.random.default_rng(0).standard_normal((2, 50)).astype(np.float32))
    logits = model.decode(z).numpy()
    np.testing.assert_allclose(model.decode(z, apply_sigmoid=True), 1.0 / (1.0 + np.exp(-logits)), atol=1e-6)
    np.testing.assert_array_equal(model.sample(z), model.decode(z, apply_sigmoid=True))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pixel_of_256_levels_has_a_location_and_a_scale(channels):
    config = ModelConfig(image_shape=(8, 12, channels), latent_dim=2, filters=(3,), likelihood="discretized-logistic")
    model = CVAE(config)
    z = tf.constant(np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32))
    output, parameters = model.decode(z), model.pixel_parameters(z)
    assert output.shape == (5, 8, 12, 2 * channels)
    assert {name: array.shape for name, array in parameters.items()} == {
        "probs": (5, 8, 12, channels),
        "log_scale": (5, 8, 12, channels),
    }
    np.testing.assert_array_equal(model.decode(z, apply_sigmoid=True), tf.sigmoid(output[..., :channels]))
    np.testing.assert_array_equal(model.sample(z), parameters["probs"])
    # Before training a pixel's standard deviation is about that of pictures.
    assert np.pi / np.sqrt(3) * np.exp(np.mean(parameters["log_scale"])) == pytest.approx(0.17, abs=0.03)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pixel_of_a_mixture_begins_with_components_side_by_side(channels):
    likelihood = "discretized-logistic-mixture"
    model = CVAE(ModelConfig(image_shape=(8, 12, channels), latent_dim=2, filters=(3,), likelihood=likelihood))
    output, parameters = model.decode(tf.zeros((5, 2))), model.pixel_parameters(tf.zeros((5, 2)))
    assert output.shape == (5, 8, 12, 12 * channels)
    shape = (5, 8, 12, channels)
    np.testing.assert_allclose(parameters["probs"], np.full(shape, 0.5), atol=1e-6)
    for name, numbers in {"location": [0, 1 / 3, 2 / 3, 1], "log_scale": [-2.4] * 4, "mixture_logits": [0] * 4}.items():
        np.testing.assert_allclose(parameters[name], np.broadcast_to(np.float32(numbers), (*shape, 4)))
    np.testing.assert_array_equal(model.sample(tf.zeros((5, 2))), parameters["probs"])


def test_sample_draws_a_hundred(model):
    tf.random.set_seed(0)
    assert model.sample().shape == (100, 28, 28, 1)


def test_call_reconstructs_through_the_mean(model):
    x = tf.zeros((1, 28, 28, 1))
    np.testing.assert_array_equal(model(x), model.decode(model.encode(x)[0]))


def test_a_seed_names_the_initial_weights():
    config = ModelConfig(image_shape=(8, 8, 1), latent_dim=2, filters=(3,))
    first, again, other = (CVAE(config, seed) for seed in (1, 1, 2**64 - 1))
    for a, b, c in zip(first.weights, again.weights, other.weights, strict=True):
        assert np.array_equal(a, b)
        assert "bias" in a.path or not np.array_equal(a, c)
    kernels = [w.numpy().ravel()[:3].tolist() for w in first.weights if "kernel" in w.path]
    assert len({tuple(kernel) for kernel in kernels}) == len(kernels)  # each layer draws its own
