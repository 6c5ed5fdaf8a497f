"""The compiled loop: chunks of training steps, and the test ELBO, over images that are held on the device.

A chunk is one call of a ``tf.function`` that runs many steps. Python sees only the ends of chunks: there Ctrl-C acts,
progress is shown and the losses are checked. Random numbers are stateless, a function of the seed, the epoch and the
step, so that a run does not depend on how its epochs are cut into chunks.
"""

import math
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import EVALUATION_SEED, CvaeError, posterior_noise

from ._compute import Compute, computing_in
from ._config import TrainConfig
from ._data import Dataset
from ._losses import gaussian_kl, log_likelihood, preprocess
from ._model import CVAE
from ._objectives import Draws, elbo, surrogates

CHUNK_SECONDS = 1.0  # aimed at; an answer to Ctrl-C should come within two
TEST_BATCH = 500
TEST_CHUNK = 10_000  # images; about a second of the default model

_PLAIN = Compute()
_SHUFFLE, _NOISE = 0, 1  # tags that keep the random streams apart

# Loops are written as tf.while_loop: AutoGraph, which would translate Python's, does not know Python 3.13.
_compiled = tf.function(autograph=False)

OnSteps = Callable[[int], None]


class DivergedError(CvaeError):
    """A loss that is not a number or infinite."""

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__(
            f"the loss is not finite at epoch {epoch}, step {step}; the checkpoint of epoch {epoch - 1} is kept. "
            f"Try a smaller learning rate"
        )
        self.epoch, self.step = epoch, step


def _parts(count: tf.Tensor, towers: int) -> list[slice]:
    """The towers' shares of ``count`` images."""
    return [slice(count * tower // towers, count * (tower + 1) // towers) for tower in range(towers)]


def _make_optimizer(config: TrainConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    rate: float | keras.optimizers.schedules.LearningRateSchedule = config.learning_rate
    steps = config.epochs * steps_per_epoch
    if config.decay == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay
        if config.warmup_steps:
            rest = max(1, steps - config.warmup_steps)
            rate = schedule(0.0, rest, warmup_target=config.learning_rate, warmup_steps=config.warmup_steps)
        else:
            rate = schedule(config.learning_rate, steps)
    elif config.warmup_steps:
        rate = keras.optimizers.schedules.PolynomialDecay(0.0, config.warmup_steps, config.learning_rate)
    # Named, or the second of a process would be adam_1, and its checkpoints other ones.
    return keras.optimizers.Adam(rate, epsilon=config.epsilon, global_clipnorm=config.clip_norm, name="adam")


class Loop:
    """A model, its optimizer and the compiled functions that advance and measure them.

    Args:
        config: the recipe.
        data: images of the config's shape.
        compute: how the hardware is used.

    Attributes:
        steps_per_epoch: optimizer steps that an epoch takes, the last smaller one included.
    """

    def __init__(self, config: TrainConfig, data: Dataset, compute: Compute = _PLAIN) -> None:
        self.config = config
        self.model = CVAE(config.model, config.seed)
        self.train_count = len(data.train)
        self._compute = compute
        self.steps_per_epoch = math.ceil(self.train_count / config.batch_size)
        self.optimizer = _make_optimizer(config, self.steps_per_epoch)
        self.optimizer.build(self.model.trainable_variables)
        self._chunk = 1  # steps; grows to CHUNK_SECONDS once the speed is known
        self._train_images = tf.constant(data.train)
        self._test_images = tf.constant(data.test)
        noise = posterior_noise(EVALUATION_SEED, 0, len(data.test), config.model.latent_dim)
        self._test_noise = tf.constant(noise)

    def train_epoch(self, epoch: int, on_steps: OnSteps) -> float:
        """Take every training image once, in an order that the seed and the epoch give.

        Returns:
            The mean ELBO of the epoch's batches, each before its step, in nats per image.

        Raises:
            DivergedError: a step's loss is not finite.
        """
        order = self._shuffle(self._constant(epoch))
        total, first = 0.0, 0
        while first < self.steps_per_epoch:
            last, towers = self._next_chunk(first)
            start = time.perf_counter()
            elbos = self._train_steps(order, *map(self._constant, (epoch, first, last)), towers).numpy()
            self._adapt_chunk(last - first, time.perf_counter() - start)
            if not np.isfinite(elbos).all():
                raise DivergedError(epoch, first + int(np.argmin(np.isfinite(elbos))) + 1)
            total += float(elbos.astype(np.float64).sum())
            on_steps(last)
            first = last
        return total / self.train_count

    def test_elbo(self, epoch: int) -> tuple[float, float]:
        """The mean reconstruction term and KL over the test set, one draw an image, in nats per image.

        Raises:
            DivergedError: they are not finite.
        """
        count = len(self._test_images)
        chunks = [(begin, min(begin + TEST_CHUNK, count)) for begin in range(0, count, TEST_CHUNK)]
        towers = min(self._compute.towers, *((end - begin - 1) % TEST_BATCH + 1 for begin, end in chunks))
        sums = sum(self._test_sums(*map(self._constant, chunk), towers).numpy() for chunk in chunks) / count
        if not np.isfinite(sums).all():
            raise DivergedError(epoch, self.steps_per_epoch)
        return float(sums[0]), float(sums[1])

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (N, H, W, C) of latents (N, L), decoded in one batch."""
        return self._decode(tf.constant(latents)).numpy()

    @staticmethod
    def _constant(number: int) -> tf.Tensor:
        return tf.constant(number, tf.int32)  # as a tensor: a Python number would compile the function anew

    def _next_chunk(self, first: int) -> tuple[int, int]:
        """Where a chunk that begins at a step ends, and how many towers it has: none may be without an image."""
        left = self.train_count % self.config.batch_size or self.config.batch_size
        whole = self.steps_per_epoch - (left < self._compute.towers)  # steps that have an image for every tower
        if first == whole:
            return self.steps_per_epoch, 1
        return min(first + self._chunk, whole), min(self._compute.towers, self.config.batch_size)

    def _adapt_chunk(self, steps: int, seconds: float) -> None:
        # At most fourfold a time, so that a first chunk that was slow or fast by chance does little harm.
        self._chunk = max(1, min(int(steps * CHUNK_SECONDS / seconds), 4 * steps))

    def _seed(self, tag: int, *numbers: tf.Tensor) -> tf.Tensor:
        low, high = self.config.seed & 0x7FFFFFFF, self.config.seed >> 31
        seed = tf.constant([low, high], tf.int64)
        for number in (tag, *numbers):
            seed = tf.random.fold_in(seed, number)
        return seed

    @_compiled
    def _shuffle(self, epoch: tf.Tensor) -> tf.Tensor:
        order = tf.range(self.train_count, dtype=tf.int32)
        return tf.random.experimental.stateless_shuffle(order, self._seed(_SHUFFLE, epoch))

    @_compiled
    def _train_steps(
        self, order: tf.Tensor, epoch: tf.Tensor, first: tf.Tensor, last: tf.Tensor, towers: int
    ) -> tf.Tensor:
        """The steps ``first .. last - 1`` of an epoch: the sum of the images' ELBOs of each."""

        def body(step: tf.Tensor, elbos: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            begin = step * self.config.batch_size
            images = tf.gather(self._train_images, order[begin : begin + self.config.batch_size])
            return step + 1, elbos.write(step - first, self._train_step(images, epoch, step, towers))

        start = (first, tf.TensorArray(tf.float32, size=last - first))
        return tf.while_loop(lambda step, _: step < last, body, start)[1].stack()

    def _train_step(self, images: tf.Tensor, epoch: tf.Tensor, step: tf.Tensor, towers: int) -> tf.Tensor:
        """One step of the optimizer on a batch; the sum of its images' ELBOs before the step."""
        count = tf.shape(images)[0]
        shape = (self.config.samples, count, self.config.model.latent_dim)
        noise = tf.random.stateless_normal(shape, self._seed(_NOISE, epoch, step))
        x = preprocess(images, self.config.binarize_at)
        beta = self._beta(epoch, step)
        parts = [self._tower(x[part], noise[:, part], beta) for part in _parts(count, towers)]
        # Of sums, not of means: towers may hold different numbers of images.
        gradients = [tf.add_n(tower) / tf.cast(count, tf.float32) for tower in zip(*(g for g, _ in parts), strict=True)]
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return tf.add_n([elbos for _, elbos in parts])

    def _tower(self, x: tf.Tensor, noise: tf.Tensor, beta: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Gradients of minus the sum of the objective over some images, and the sum of their ELBOs."""
        model, samples = self.model, self.config.samples
        with tf.GradientTape(persistent=True) as tape, computing_in(model, self._compute.precision):
            mean, logvar = (tf.cast(tensor, tf.float32) for tensor in model.encode(x))
            z = model.reparameterize(mean, logvar, noise)
            output = tf.cast(model.decode(tf.reshape(z, [-1, z.shape[-1]])), tf.float32)
            log_p_x = log_likelihood(tf.tile(x, [samples, 1, 1, 1]), output, model.config.likelihood)
            draws = Draws(tf.reshape(log_p_x, [samples, -1]), z, mean, logvar)
            for_decoder, for_encoder = surrogates(self.config.objective, draws, beta, self.config.free_bits)
            losses = -tf.reduce_sum(for_decoder), -tf.reduce_sum(for_encoder)
        elbos = tf.reduce_sum(elbo(draws))
        if for_decoder is for_encoder:
            return tape.gradient(losses[0], model.trainable_variables), elbos
        encoder, decoder = model.encoder.trainable_variables, model.decoder.trainable_variables
        return tape.gradient(losses[1], encoder) + tape.gradient(losses[0], decoder), elbos

    def _beta(self, epoch: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """The weight of the KL at a step."""
        if not self.config.kl_warmup_epochs:
            return tf.constant(self.config.beta)
        done = (epoch - 1) * self.steps_per_epoch + step
        warmup = self.config.kl_warmup_epochs * self.steps_per_epoch
        return self.config.beta * tf.minimum(1.0, tf.cast(done, tf.float32) / warmup)

    @_compiled
    def _test_sums(self, first: tf.Tensor, last: tf.Tensor, towers: int) -> tf.Tensor:
        """Reconstruction term and KL, summed over the test images ``first .. last - 1``."""

        def part_sums(images: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
            x = preprocess(images, self.config.binarize_at)
            mean, logvar = self.model.encode(x)
            output = self.model.decode(self.model.reparameterize(mean, logvar, noise))
            log_p_x = log_likelihood(x, output, self.config.model.likelihood)
            terms = tf.stack([log_p_x, gaussian_kl(mean, logvar)])
            return tf.reduce_sum(tf.cast(terms, tf.float64), axis=1)

        def body(begin: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            end = tf.minimum(begin + TEST_BATCH, last)
            images, noise = self._test_images[begin:end], self._test_noise[begin:end]
            parts = [part_sums(images[part], noise[part]) for part in _parts(end - begin, towers)]
            return end, sums + tf.add_n(parts)

        return tf.while_loop(lambda begin, _: begin < last, body, (first, tf.zeros(2, tf.float64)))[1]

    @_compiled
    def _decode(self, latents: tf.Tensor) -> tf.Tensor:
        return self.model.decode(latents, apply_sigmoid=True)
