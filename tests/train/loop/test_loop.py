import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from cvae_runtime import posterior_noise
from cvae_runtime.elbo import gaussian_kl, log_likelihood, reparameterize, targets_of
from cvae_train import Dataset, DivergedError, ModelConfig, TrainConfig
from cvae_train._data.holdout import held_out
from cvae_train._loop.compute import Compute
from cvae_train._loop.loop import Loop
from tests.train.runs import quiet, weights_of


def test_an_epoch_takes_every_image_once_in_an_order_of_its_own(replaced, tiny_data):
    loop = Loop(replaced(), tiny_data)
    orders = [loop._shuffle(tf.constant(epoch)).numpy() for epoch in (1, 2, 1)]
    for order in orders:
        assert sorted(order) == list(range(40))
    assert not np.array_equal(orders[0], orders[1])
    assert np.array_equal(orders[0], orders[2])


@pytest.mark.parametrize(("batch_size", "sizes"), [(16, [16, 16, 8]), (40, [40]), (100, [40]), (13, [13, 13, 13, 1])])
def test_batches_cover_the_set_with_a_smaller_last_one(replaced, tiny_data, batch_size, sizes):
    loop = Loop(replaced(batch_size=batch_size), tiny_data)
    done = []
    loop.train_epoch(1, lambda images, _elbo: done.append(images))
    assert done[-1] == 40
    assert loop.steps_per_epoch == len(sizes)
    assert loop.optimizer.iterations.numpy() == len(sizes)


def test_train_elbo_is_the_mean_over_images_not_over_batches(replaced, tiny_data):
    # With a learning rate of nearly nothing all steps see the same weights, so batches of any size agree but for noise.
    means = [
        np.mean([Loop(replaced(batch_size=size, learning_rate=1e-30, seed=seed), tiny_data).train_epoch(1, quiet) for seed in range(4)])
        for size in (40, 39)
    ]  # fmt: skip
    assert means[0] == pytest.approx(means[1], abs=0.5)


def test_results_do_not_depend_on_how_an_epoch_is_cut_into_chunks(replaced, tiny_data):
    whole, single = Loop(replaced(), tiny_data), Loop(replaced(), tiny_data)
    whole._chunk = 3
    single._adapt_chunk = lambda *_: None
    elbos = [loop.train_epoch(1, quiet) for loop in (whole, single)]
    assert elbos[0] == elbos[1]
    for a, b in zip(weights_of(whole), weights_of(single), strict=True):
        assert np.array_equal(a, b)


def test_a_seed_names_the_run(replaced, tiny_data):
    elbos = [Loop(replaced(seed=seed), tiny_data).train_epoch(1, quiet) for seed in (1, 1, 2, 1 + 2**40)]
    assert elbos[0] == elbos[1]
    assert len(set(elbos)) == 3


def test_a_step_is_adams_on_minus_the_mean_elbo(replaced, tiny_data):
    config = replaced(batch_size=40)
    loop = Loop(config, tiny_data)
    before = weights_of(loop)
    order = loop._shuffle(tf.constant(1)).numpy()
    seed = loop._seed(1, tf.constant(1), tf.constant(0))
    noise = tf.random.stateless_normal((40, 3), seed).numpy()
    x = (tiny_data.train[order] >= 128).astype(np.float32)

    # An independent formula of the same loss: closed forms where the loop has the notebook's three terms.
    def loss():
        mean, logvar = loop.model.encode(x)
        z = mean + tf.exp(logvar / 2) * noise
        cross_entropy = tf.reduce_sum(tf.nn.softplus(loop.model.decode(z)) - x * loop.model.decode(z), axis=[1, 2, 3])
        log_ratio = tf.reduce_sum(0.5 * (noise**2 - z**2) + 0.5 * logvar, axis=1)
        return tf.reduce_mean(cross_entropy - log_ratio)

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, loop.model.trainable_variables)
    assert loop.train_epoch(1, quiet) == pytest.approx(-float(value), rel=1e-5)
    for old, new, gradient in zip(before, weights_of(loop), gradients, strict=True):
        # Adam's first step: the bias corrections cancel and lr * g / (|g| + epsilon) remains.
        g = gradient.numpy()
        large = np.abs(g) > 1e-5
        np.testing.assert_allclose((old - new)[large], config.learning_rate * np.sign(g)[large], rtol=2e-2)


@pytest.mark.parametrize("kind", ["tiny", "rgb"])
def test_the_test_elbo_is_the_runtimes_definition(kind, request):
    config, data = request.getfixturevalue(f"{kind}_config"), request.getfixturevalue(f"{kind}_data")
    loop = Loop(config, data)
    reconstruction, kl = loop.test_elbo(0)
    x = targets_of(data.test, config.binarize_at)
    mean, logvar = (t.numpy() for t in loop.model.encode(tf.constant(x)))
    z = reparameterize(mean, logvar, posterior_noise(0, 0, 13, config.model.latent_dim))
    parameters = {name: array.numpy() for name, array in loop.model.pixel_parameters(z).items()}
    log_p = log_likelihood(x, parameters, config.model.likelihood)
    assert reconstruction == pytest.approx(log_p.mean(), rel=1e-5)
    assert kl == pytest.approx(gaussian_kl(mean, logvar).mean(), rel=1e-5)
    np.testing.assert_allclose(loop.sample(z), parameters["probs"], rtol=0, atol=1e-6)


def test_the_test_elbo_covers_a_set_that_no_batch_divides(replaced, tiny_data, monkeypatch):
    expected = Loop(replaced(), tiny_data).test_elbo(0)
    monkeypatch.setattr("cvae_train._loop.loop.TEST_BATCH", 3)
    monkeypatch.setattr("cvae_train._loop.loop.TEST_CHUNK", 8)
    assert Loop(replaced(), tiny_data).test_elbo(0) == pytest.approx(expected, rel=1e-6)


def test_a_loss_that_is_not_finite_names_epoch_and_step(replaced, tiny_data):
    loop = Loop(replaced(learning_rate=1e30), tiny_data)
    with pytest.raises(DivergedError) as caught:
        loop.train_epoch(1, quiet)
    assert str(caught.value) == (
        "the loss is not finite at epoch 1, step 2; the checkpoint of epoch 0 is kept. Try a smaller learning rate"
    )
    assert (caught.value.epoch, caught.value.step) == (1, 2)


def test_non_finite_weights_after_the_last_step_raise(replaced, tiny_data):
    loop = Loop(replaced(), tiny_data)
    loop.model.trainable_variables[-1].assign([np.nan])
    with pytest.raises(DivergedError, match="epoch 2, step 3"):
        loop.test_elbo(2)


def test_grey_values_stay_grey_without_binarization(replaced):
    grey = Dataset(np.full((4, 8, 8), 100, np.uint8), np.full((2, 8, 8), 100, np.uint8))
    static, none = (Loop(replaced(binarize=binarize), grey).test_elbo(0)[0] for binarize in ("static", "none"))
    black = Dataset(grey.train * 0, grey.test * 0)
    assert static == Loop(replaced(), black).test_elbo(0)[0]
    assert none != static


def rates(config, data, steps):
    optimizer = Loop(config, data).optimizer
    for step in steps:
        optimizer.iterations.assign(step)
        yield float(optimizer.learning_rate)


def test_the_learning_rate_rises_and_falls_as_asked(replaced, tiny_data):
    # 10 epochs of 3 steps; the closed form of half a cosine.
    both = replaced(epochs=10, learning_rate=0.1, warmup_steps=6, decay="cosine")
    expected = [0.0, 0.05, 0.1, 0.05, 0.0]
    np.testing.assert_allclose([*rates(both, tiny_data, (0, 3, 6, 18, 30))], expected, atol=1e-7)
    cosine = replaced(epochs=10, learning_rate=0.1, decay="cosine")
    np.testing.assert_allclose([*rates(cosine, tiny_data, (0, 10, 15, 30))], [0.1, 0.075, 0.05, 0.0], atol=1e-7)
    warmup = replaced(epochs=10, learning_rate=0.1, warmup_steps=4)
    np.testing.assert_allclose([*rates(warmup, tiny_data, (0, 1, 4, 30))], [0.0, 0.025, 0.1, 0.1], atol=1e-7)
    assert Loop(replaced(), tiny_data).optimizer.learning_rate.numpy() == pytest.approx(1e-2)


def test_kl_warm_up_raises_beta_step_by_step(replaced, tiny_data):
    loop = Loop(replaced(kl_warmup_epochs=2, beta=4.0), tiny_data)
    betas = [float(loop._beta(tf.constant(epoch), tf.constant(step))) for epoch, step in ((1, 0), (1, 3), (2, 0), (3, 0), (9, 0))]  # fmt: skip
    np.testing.assert_allclose(betas, [0.0, 2.0, 2.0, 4.0, 4.0], rtol=1e-6)
    assert float(Loop(replaced(beta=2.0), tiny_data)._beta(tf.constant(1), tf.constant(0))) == 2.0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"objective": "analytic-kl", "free_bits": 0.1, "kl_warmup_epochs": 1, "clip_norm": 50.0},
        {"objective": "stl"},
        {"objective": "iwae", "samples": 3},
        {"objective": "dreg", "samples": 3},
        {"warmup_steps": 5, "decay": "cosine", "epochs": 15},
    ],
)
def test_every_recipe_learns(replaced, tiny_data, changes):
    loop = Loop(replaced(**changes), tiny_data)
    before = loop.test_elbo(0)
    for epoch in range(1, 16):
        loop.train_epoch(epoch, quiet)
    after = loop.test_elbo(15)
    assert after[0] - after[1] > before[0] - before[1] + 5.0


def test_the_validation_part_is_measured_and_not_trained_on(replaced, tiny_data):
    loop = Loop(replaced(validation_fraction=0.25), tiny_data)
    part = held_out([str(number) for number in range(40)], 0.25)
    assert sorted(loop._shuffle(tf.constant(1)).numpy()) == np.flatnonzero(~part).tolist()
    assert (loop.train_count, loop.steps_per_epoch) == (30, 2)
    loop.train_epoch(1, quiet)
    swapped = Loop(replaced(), Dataset(tiny_data.test, tiny_data.train[part]))
    for mine, others in zip(loop.model.variables, swapped.model.variables, strict=True):
        others.assign(mine)
    reconstruction, kl = swapped.test_elbo(1)
    assert loop.validation_elbo(1) == pytest.approx(reconstruction - kl, rel=1e-6)
    assert swapped.validation_elbo(1) is None


def test_what_is_measured_and_kept_is_the_average_of_the_weights(replaced, tiny_data):
    loop = Loop(replaced(ema=0.5, batch_size=40), tiny_data)
    seen = []
    for epoch in (1, 2, 3):
        loop.train_epoch(epoch, quiet)
        seen.append(weights_of(loop))
    with loop.averaged():
        averages = weights_of(loop)
    # Of the weights after each step: the first has no predecessor.
    expected = [0.25 * a + 0.25 * b + 0.5 * c for a, b, c in zip(*seen, strict=True)]
    for average, value in zip(averages, expected, strict=True):
        np.testing.assert_allclose(average, value, atol=1e-6)
    for after, before in zip(weights_of(loop), seen[-1], strict=True):
        assert np.array_equal(after, before)


def test_a_streamed_set_trains_exactly_as_one_in_memory(replaced, tiny_data, tmp_path):
    for name in ("train", "test"):
        np.save(tmp_path / f"{name}.npy", getattr(tiny_data, name))
    streamed = Dataset(*(np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("train", "test")))
    results = []
    for data in (tiny_data, streamed):
        loop = Loop(replaced(validation_fraction=0.25), data)
        results.append([(loop.train_epoch(e, quiet), loop.test_elbo(e), loop.validation_elbo(e)) for e in (1, 2)])
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"objective": "analytic-kl", "precision": "bfloat16", "clip_norm": 100.0},
        {"objective": "iwae", "samples": 3},
    ],
)
def test_pictures_in_colour_are_learned(rgb_config, rgb_data, changes):
    config = dataclasses.replace(rgb_config, **changes)
    loop = Loop(config, rgb_data, Compute(2, config.precision))
    bits = []
    for epoch in range(40):
        reconstruction, kl = loop.test_elbo(epoch)
        bits.append(config.model.bits_per_dimension(reconstruction - kl))
        loop.train_epoch(epoch + 1, quiet)
    assert bits[0] == pytest.approx(8.0, abs=1.0)  # about what it takes to tell a level of 256
    assert bits[-1] < bits[0] - 0.5


def noise(rng):
    """Pixels that are black with 0.9, else white: 0.469 bits each."""
    return np.where(rng.random((240, 8, 8, 1)) < 0.9, 0, 255).astype(np.uint8)


def drawings(rng):
    """Coloured strokes on white."""
    images = np.full((240, 8, 8, 3), 255, np.uint8)
    for image in images:
        y, x = rng.integers(0, 6, 2)
        image[y : y + 3, x] = ((0, 0, 0), (220, 30, 30), (30, 60, 200))[rng.integers(3)]
    return images


@pytest.mark.parametrize("content", [noise, lambda rng: 255 - noise(rng), drawings])
def test_content_of_two_levels_costs_what_its_histogram_does(content):
    images = content(np.random.default_rng(0))
    model = ModelConfig(images.shape[1:], 3, (4, 6), "discretized-logistic-mixture")
    recipe = {"batch_size": 20, "learning_rate": 2e-2, "clip_norm": 100.0, "objective": "analytic-kl"}
    loop = Loop(TrainConfig(model, **recipe, epochs=8, seed=5, binarize="none"), Dataset(images[:200], images[200:]))
    for epoch in range(1, 9):
        loop.train_epoch(epoch, quiet)
    reconstruction, kl = loop.test_elbo(8)
    # A single component is stuck at ln 2 nats a channel, 1.004 bits, and worse for the drawings.
    assert model.bits_per_dimension(reconstruction - kl) < 0.6
