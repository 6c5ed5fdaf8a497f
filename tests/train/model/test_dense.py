"""The dense network of Burda, Grosse and Salakhutdinov."""

import numpy as np
import pytest
import tensorflow as tf

from cvae_train import CVAE, Dataset, ModelConfig, TrainConfig, load_run, train
from cvae_train._model import every_layer
from tests.train.runs import same_weights, untimed

MIXTURE = "discretized-logistic-mixture"


def dense(image_shape=(7, 5, 1), filters=(6, 4), likelihood="bernoulli", seed=0):
    return CVAE(ModelConfig(image_shape, 3, filters, likelihood, "dense"), seed)


def layers(network):
    return [(layer.name, layer.output.shape[1:]) for layer in network.layers]


def test_parameter_counts_are_burdas():
    model = CVAE(ModelConfig(filters=(200, 200), architecture="dense"))
    hidden = 200 * 200 + 200
    assert model.encoder.count_params() == (784 * 200 + 200) + hidden + (200 * 100 + 100)
    assert model.decoder.count_params() == (50 * 200 + 200) + hidden + (200 * 784 + 784)


def test_the_decoder_mirrors_the_encoder():
    model = dense(filters=(6, 4))
    hidden = [("hidden_1", (6,)), ("hidden_2", (4,))]
    assert layers(model.encoder) == [("flatten", (35,)), *hidden, ("dense", (6,))]
    found = layers(model.decoder)
    assert [shape for _, shape in found] == [(4,), (6,), (35,), (7, 5, 1)]
    assert [name for name, _ in found[:3]] == ["hidden_1", "hidden_2", "out"]


def test_the_network_is_tanh_layers():
    model = dense()
    x = np.random.default_rng(0).random((2, 7, 5, 1), np.float32)
    hidden = x.reshape(2, 35)
    *kernels, (kernel, bias) = [layer.get_weights() for layer in model.encoder.layers if layer.get_weights()]
    for each, offset in kernels:
        hidden = np.tanh(hidden @ each + offset)
    mean, logvar = model.encode(x)
    np.testing.assert_allclose(np.concatenate([mean, logvar], axis=1), hidden @ kernel + bias, atol=1e-5)
    hidden = z = np.random.default_rng(1).standard_normal((2, 3)).astype(np.float32)
    *kernels, (kernel, bias) = [layer.get_weights() for layer in model.decoder.layers if layer.get_weights()]
    for each, offset in kernels:
        hidden = np.tanh(hidden @ each + offset)
    np.testing.assert_allclose(model.decode(tf.constant(z)), (hidden @ kernel + bias).reshape(2, 7, 5, 1), atol=1e-5)


@pytest.mark.parametrize("filters", [(6,), (6, 4, 2)])
@pytest.mark.parametrize(
    ("image_shape", "likelihood"), [((1, 1, 1), "bernoulli"), ((7, 5, 1), MIXTURE), ((4, 4, 3), "discretized-logistic")]
)
def test_images_of_any_size_keep_it(image_shape, likelihood, filters):
    model = dense(image_shape, filters, likelihood)
    x = tf.constant(np.random.default_rng(0).random((2, *image_shape), np.float32))
    mean, logvar = model.encode(x)
    assert (mean.shape, logvar.shape) == ((2, 3), (2, 3))
    assert model.sample(mean).shape == (2, *image_shape)


def test_a_mixture_starts_with_components_side_by_side():
    locations = dense((3, 2, 3), likelihood=MIXTURE).pixel_parameters(tf.zeros((1, 3)))["location"]
    np.testing.assert_allclose(locations, np.broadcast_to([0, 1 / 3, 2 / 3, 1], (1, 3, 2, 3, 4)), atol=1e-6)


def test_weights_have_names_of_their_own():
    names = [variable.path for variable in dense().variables]
    assert len(set(names)) == len(names) == 12
    assert {"encoder/hidden_1/kernel", "decoder/hidden_2/bias", "decoder/out/kernel"} < set(names)


def test_a_seed_names_the_initial_weights():
    first, again, other = (dense(seed=seed) for seed in (1, 1, 2))
    assert same_weights(first, again)
    assert not np.array_equal(first.weights[0], other.weights[0])


def test_every_layer_lists_the_layers():
    assert [layer.name for layer in every_layer(dense().encoder)] == [
        "encoder",
        "flatten",
        "hidden_1",
        "hidden_2",
        "dense",
    ]


def test_a_run_resumes_to_the_undisturbed_one(tiny_data, tmp_path, resumed):
    odd = Dataset(tiny_data.train[:, :7], tiny_data.test[:, :7])
    model = ModelConfig((7, 8, 1), 3, (6, 4), architecture="dense")
    config = TrainConfig(model, epochs=2, batch_size=10, learning_rate=1e-2, seed=5)
    whole = train(odd, config, tmp_path / "whole", quiet=True)
    assert whole.history[-1].elbo > whole.history[0].elbo
    assert untimed(resumed(odd, config).history) == untimed(whole.history)
    assert (tmp_path / "cut/weights.npz").read_bytes() == (tmp_path / "whole/weights.npz").read_bytes()
    loaded = load_run(tmp_path / "whole")
    assert loaded.config == config
    assert same_weights(loaded.model, whole.model)
