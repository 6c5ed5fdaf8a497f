"""The compiled loop: chunks of training steps, and the test ELBO, over images on the device or from a file.

A chunk is one call of a ``tf.function`` that runs many steps. Python sees only the ends of chunks: there Ctrl-C acts,
progress is shown and the losses are checked. Random numbers are stateless, a function of the seed, the epoch and the
step, so that a run does not depend on how its epochs are cut into chunks.
"""

import dataclasses
import itertools
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import CvaeError, posterior_noise
from cvae_runtime.elbo import EVALUATION_SEED

from .._config import TrainConfig
from .._data import Dataset, held_out
from .._model import CVAE, Draws, elbo, gaussian_kl, log_likelihood, preprocess, surrogates
from .cluster import Cluster
from .compute import Compute, computing_in
from .feed import Feed, feed
from .optimizer import averaged, make_optimizer

CHUNK_SECONDS = 1.0  # aimed at; an answer to Ctrl-C should come within two
TEST_BATCH = 500
TEST_CHUNK = 10_000  # images; about a second of the default model

_PLAIN = Compute()
_SHUFFLE, _NOISE = 0, 1  # tags that keep the random streams apart

# Loops are written as tf.while_loop: AutoGraph, which would translate Python's, does not know Python 3.13.
_compiled = tf.function(autograph=False)

OnImages = Callable[[int, float], None]  # is told how many images of the epoch are done, and the ELBO of the last ones


class DivergedError(CvaeError):
    """A loss that is not a number or infinite."""

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__(
            f"the loss is not finite at epoch {epoch}, step {step}; the checkpoint of epoch {epoch - 1} is kept. "
            f"Try a smaller learning rate"
        )
        self.epoch, self.step = epoch, step


def _shares(begin: tf.Tensor, end: tf.Tensor, towers: int) -> list[slice]:
    """The towers' shares of the images ``begin .. end - 1``."""
    cuts = [begin + (end - begin) * tower // towers for tower in range(towers + 1)]
    return [slice(*ends) for ends in itertools.pairwise(cuts)]


@dataclasses.dataclass(frozen=True, eq=False)  # compared as it is by tf.function: by identity
class _Part:
    """Images to measure on: these numbers of a feed, and the noise of their draws."""

    feed: Feed
    numbers: tf.Tensor
    noise: tf.Tensor

    @classmethod
    def of(cls, feed: Feed, numbers: NDArray[np.integer], latent_dim: int) -> "_Part":
        noise = posterior_noise(EVALUATION_SEED, 0, len(numbers), latent_dim)
        return cls(feed, tf.constant(numbers, tf.int32), tf.constant(noise))


class Loop:
    """A model, its optimizer and the compiled functions that advance and measure them.

    Args:
        config: the recipe.
        data: images of the config's shape.
        compute: how the hardware is used.
        cluster: the devices, whose strategy's scope the loop is made in; this process's if not given.

    Attributes:
        model, optimizer: whose variables make the state.
        train_count: images that an epoch trains on.
        steps_per_epoch: optimizer steps that it takes, the last smaller one included.
    """

    def __init__(
        self, config: TrainConfig, data: Dataset, compute: Compute = _PLAIN, cluster: Cluster | None = None
    ) -> None:
        self.cluster = cluster or Cluster(tf.distribute.get_strategy())
        self.config = config
        self.model = CVAE(config.model, config.seed)
        self._compute = compute
        self._train_feed = feed(data.train)
        everything = np.arange(len(data.train))
        validation = np.zeros(len(data.train), np.bool_)
        if config.validation_fraction:
            validation = held_out([str(number) for number in everything], config.validation_fraction)
        self._train_numbers = tf.constant(everything[~validation], tf.int32)
        self.train_count = len(self._train_numbers)
        self.steps_per_epoch = math.ceil(self.train_count / config.batch_size)
        self.optimizer = make_optimizer(config, self.steps_per_epoch)
        self.optimizer.build(self.model.trainable_variables)
        self._chunk = 1  # steps; grows to CHUNK_SECONDS once the speed is known
        latent_dim = config.model.latent_dim
        self._validation: _Part | None = None
        if data.validation is not None:
            self._validation = _Part.of(feed(data.validation), np.arange(len(data.validation)), latent_dim)
        elif validation.any():
            self._validation = _Part.of(self._train_feed, everything[validation], latent_dim)
        self._test = _Part.of(feed(data.test), np.arange(len(data.test)), latent_dim)

    def train_epoch(self, epoch: int, on_images: OnImages) -> float:
        """Take every training image once, in an order that the seed and the epoch give.

        Returns:
            The mean ELBO of the epoch's batches, each before its step, in nats per image.

        Raises:
            DivergedError: a step's loss is not finite.
        """
        images = self._open(self._train_feed, self._shuffle(self._constant(epoch)), self.config.batch_size)
        total, first = 0.0, 0
        while first < self.steps_per_epoch:
            last, towers = self._next_chunk(first)
            start = time.perf_counter()
            elbos = self._train_steps(images, *map(self._constant, (epoch, first, last)), towers).numpy()
            self._adapt_chunk(last - first, time.perf_counter() - start)
            if not np.isfinite(elbos).all():
                raise DivergedError(epoch, first + int(np.argmin(np.isfinite(elbos))) + 1)
            part = float(elbos.astype(np.float64).sum())
            begin, end = first * self.config.batch_size, min(last * self.config.batch_size, self.train_count)
            on_images(end, part / (end - begin))
            total, first = total + part, last
        return total / self.train_count

    def averaged(self) -> AbstractContextManager[None]:
        """A block in which the model has the weights that are measured and kept; see `TrainConfig.ema`."""
        return averaged(self.optimizer, self.model.trainable_variables)

    def test_elbo(self, epoch: int) -> tuple[float, float]:
        """The mean reconstruction term and KL over the test set, one draw an image, in nats per image.

        Raises:
            DivergedError: they are not finite.
        """
        return self._measure(self._test, epoch)

    def validation_elbo(self, epoch: int) -> float | None:
        """The mean ELBO over the validation part, one draw an image, in nats per image; None where there is none.

        Raises:
            DivergedError: it is not finite.
        """
        if self._validation is None:
            return None
        reconstruction, kl = self._measure(self._validation, epoch)
        return reconstruction - kl

    def _measure(self, part: _Part, epoch: int) -> tuple[float, float]:
        count = len(part.numbers)
        images = self._open(part.feed, part.numbers, TEST_BATCH)
        chunks = [(begin, min(begin + TEST_CHUNK, count)) for begin in range(0, count, TEST_CHUNK)]
        smallest = min((end - begin - 1) % TEST_BATCH + 1 for begin, end in chunks)
        towers = max(1, min(self._compute.towers, smallest // self.cluster.replicas))
        sums = sum(self._sums(part, images, *map(self._constant, chunk), towers).numpy() for chunk in chunks) / count
        if not np.isfinite(sums).all():
            raise DivergedError(epoch, self.steps_per_epoch)
        return float(sums[0]), float(sums[1])

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (N, H, W, C) of latents (N, L), decoded in one batch."""
        return self._decode(tf.constant(latents)).numpy()

    def _open(self, feed: Feed, order: tf.Tensor, batch: int) -> Any:
        return feed.open(order, batch, self.cluster.local_share)

    @staticmethod
    def _constant(number: int) -> tf.Tensor:
        return tf.constant(number, tf.int32)  # as a tensor: a Python number would compile the function anew

    def _next_chunk(self, first: int) -> tuple[int, int]:
        """Where a chunk that begins at a step ends, and how many towers it has: none may be without an image."""
        towers = max(1, min(self._compute.towers, self.config.batch_size // self.cluster.replicas))
        left = self.train_count % self.config.batch_size or self.config.batch_size
        whole = self.steps_per_epoch - (left < towers * self.cluster.replicas)  # steps with an image for every tower
        if first == whole:
            return self.steps_per_epoch, 1
        return min(first + self._chunk, whole), towers

    def _adapt_chunk(self, steps: int, seconds: float) -> None:
        # At most fourfold a time, so that a first chunk that was slow or fast by chance does little harm. The workers of a
        # cluster go by one clock: their steps must be cut alike, for sums over them know each other by their numbers.
        seconds = self.cluster.number_of_chief(seconds)
        self._chunk = max(1, min(int(steps * CHUNK_SECONDS / seconds), 4 * steps))

    def _seed(self, tag: int, *numbers: tf.Tensor) -> tf.Tensor:
        low, high = self.config.seed & 0x7FFFFFFF, self.config.seed >> 31
        seed = tf.constant([low, high], tf.int64)
        for number in (tag, *numbers):
            seed = tf.random.fold_in(seed, number)
        return seed

    @_compiled
    def _shuffle(self, epoch: tf.Tensor) -> tf.Tensor:
        return tf.random.experimental.stateless_shuffle(self._train_numbers, self._seed(_SHUFFLE, epoch))

    @_compiled
    def _train_steps(self, opened: Any, epoch: tf.Tensor, first: tf.Tensor, last: tf.Tensor, towers: int) -> tf.Tensor:
        """The steps ``first .. last - 1`` of an epoch: the sum of the images' ELBOs of each."""

        def body(step: tf.Tensor, elbos: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            return step + 1, elbos.write(step - first, self._train_step(opened, epoch, step, towers))

        start = (first, tf.TensorArray(tf.float32, size=last - first))
        return tf.while_loop(lambda step, _: step < last, body, start)[1].stack()

    def _train_step(self, opened: Any, epoch: tf.Tensor, step: tf.Tensor, towers: int) -> tf.Tensor:
        """One step of the optimizer on a batch; the sum of its images' ELBOs before the step."""
        first = step * self.config.batch_size
        count = tf.minimum(self.config.batch_size, self.train_count - first)
        here, stop = self.cluster.local_share(count)
        images = self._train_feed.take(opened, first + here, first + stop)
        shape = (self.config.samples, count, self.config.model.latent_dim)
        noise = tf.random.stateless_normal(shape, self._seed(_NOISE, epoch, step))[:, here:stop]
        beta = self._beta(epoch, step)

        def work(begin: tf.Tensor, end: tf.Tensor) -> list[tf.Tensor]:
            x = preprocess(images, self.config.binarize_at)
            parts = [
                self._tower(x[share], noise[:, share], beta) for share in _shares(begin - here, end - here, towers)
            ]
            return [tf.add_n(terms) for terms in zip(*parts, strict=True)]

        elbos, *sums = self.cluster.sum(count, work)
        # Of sums, not of means: towers may hold different numbers of images.
        gradients = [gradient / tf.cast(count, tf.float32) for gradient in sums]
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return elbos

    def _tower(self, x: tf.Tensor, noise: tf.Tensor, beta: tf.Tensor) -> list[tf.Tensor]:
        """The sum of some images' ELBOs, and the gradients of minus the sum of their objectives."""
        model, samples = self.model, self.config.samples
        with tf.GradientTape(persistent=True) as tape, computing_in(model, self._compute):
            mean, logvar = (tf.cast(tensor, tf.float32) for tensor in model.encode(x))
            z = model.reparameterize(mean, logvar, noise)
            output = tf.cast(model.decode(tf.reshape(z, [-1, z.shape[-1]])), tf.float32)
            log_p_x = log_likelihood(tf.tile(x, [samples, 1, 1, 1]), output, model.config.likelihood)
            draws = Draws(tf.reshape(log_p_x, [samples, -1]), z, mean, logvar)
            for_decoder, for_encoder = surrogates(self.config.objective, draws, beta, self.config.free_bits)
            losses = -tf.reduce_sum(for_decoder), -tf.reduce_sum(for_encoder)
        elbos = tf.reduce_sum(elbo(draws))
        if for_decoder is for_encoder:
            return [elbos, *tape.gradient(losses[0], model.trainable_variables)]
        encoder, decoder = model.encoder.trainable_variables, model.decoder.trainable_variables
        return [elbos, *tape.gradient(losses[1], encoder), *tape.gradient(losses[0], decoder)]

    def _beta(self, epoch: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """The weight of the KL at a step."""
        if not self.config.kl_warmup_epochs:
            return tf.constant(self.config.beta)
        done = (epoch - 1) * self.steps_per_epoch + step
        warmup = self.config.kl_warmup_epochs * self.steps_per_epoch
        return self.config.beta * tf.minimum(1.0, tf.cast(done, tf.float32) / warmup)

    @_compiled
    def _sums(self, part: _Part, opened: Any, first: tf.Tensor, last: tf.Tensor, towers: int) -> tf.Tensor:
        """Reconstruction term and KL, summed over the images ``first .. last - 1`` of a part."""

        def share_sums(images: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
            x = preprocess(images, self.config.binarize_at)
            mean, logvar = self.model.encode(x)
            output = self.model.decode(self.model.reparameterize(mean, logvar, noise))
            log_p_x = log_likelihood(x, output, self.config.model.likelihood)
            terms = tf.stack([log_p_x, gaussian_kl(mean, logvar)])
            return tf.reduce_sum(tf.cast(terms, tf.float64), axis=1)

        def body(begin: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            count = tf.minimum(TEST_BATCH, last - begin)
            here, stop = self.cluster.local_share(count)
            images = part.feed.take(opened, begin + here, begin + stop)
            noise = part.noise[begin + here : begin + stop]

            def work(start: tf.Tensor, end: tf.Tensor) -> list[tf.Tensor]:
                shares = _shares(start - here, end - here, towers)
                return [tf.add_n([share_sums(images[share], noise[share]) for share in shares])]

            return begin + count, sums + self.cluster.sum(count, work)[0]

        return tf.while_loop(lambda begin, _: begin < last, body, (first, tf.zeros(2, tf.float64)))[1]

    @_compiled
    def _decode(self, latents: tf.Tensor) -> tf.Tensor:
        return self.model.decode(latents, apply_sigmoid=True)
