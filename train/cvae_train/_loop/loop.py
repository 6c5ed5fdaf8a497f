"""The compiled loop: training steps in chunks, and evaluation of the ELBO.

A chunk is one call of a ``tf.function`` that runs many steps. Python runs only between chunks: there it handles Ctrl-C,
shows progress and checks the losses. Random numbers are functions of seed, epoch and step, so the result does not
depend on the division into chunks.
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
from cvae_runtime.random import derived_key

from .._config import TrainConfig
from .._data import Dataset, Tag, draw_binary, held_out, mutate
from .._model import CVAE, Draws, elbo, gaussian_kl, log_likelihood, log_normal, preprocess, surrogates
from .._run import Part
from .augment import augmented
from .cluster import Cluster
from .compute import Compute, computing_in
from .feed import Feed, feed
from .optimizer import averaged, make_optimizer, trained_variables

CHUNK_SECONDS = 1.0  # target; Ctrl-C should take effect within two seconds
TEST_BATCH = 500
TEST_CHUNK = 10_000  # images; about a second of the default model

_PLAIN = Compute()
_SHUFFLE, _NOISE, _AUGMENT, _DROP_LABELS = 0, 1, 2, 3  # tags of independent random streams
_PARTS_OF_DATA = ("train", "test", "validation")

# Without AutoGraph, which does not support Python 3.13; loops are written as tf.while_loop instead.
_compiled = tf.function(autograph=False)

OnImages = Callable[[int, float], None]  # called with the number of images done in the epoch, and the latest ELBO


class DivergedError(CvaeError):
    """The loss became infinite or NaN.

    Examples:
        >>> print(cvae_train.DivergedError(epoch=3, step=120))
        the loss is not finite at epoch 3, step 120; the checkpoint of epoch 2 is kept. Try a smaller learning rate
    """

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__(
            f"the loss is not finite at epoch {epoch}, step {step}; the checkpoint of epoch {epoch - 1} is kept. "
            f"Try a smaller learning rate"
        )
        self.epoch, self.step = epoch, step


def _shares(begin: tf.Tensor, end: tf.Tensor, towers: int) -> list[slice]:
    """Divide the images ``begin .. end - 1`` among towers."""
    cuts = [begin + (end - begin) * tower // towers for tower in range(towers + 1)]
    return [slice(*ends) for ends in itertools.pairwise(cuts)]


def _labels_of(data: Dataset, part: str) -> tf.Tensor | None:
    """Classes of the images of a part, int32 (N,); None if there is no such part."""
    assert data.labels is not None
    labels = getattr(data.labels, part)
    return None if labels is None else tf.constant(labels, tf.int32)


@dataclasses.dataclass(frozen=True, eq=False)  # tf.function compares it by identity
class _EvaluationSet:
    """Test or validation images.

    Attributes:
        feed: the images.
        indices: of the images in the feed.
        noise: of their draws.
        tag: of the draws of their pixels.
        labels: class of each image of the feed; None without labels.
    """

    feed: Feed
    indices: tf.Tensor
    noise: tf.Tensor
    tag: Tag
    labels: tf.Tensor | None

    @classmethod
    def of(
        cls, feed: Feed, indices: NDArray[np.integer], latent_dim: int, tag: Tag, labels: tf.Tensor | None
    ) -> "_EvaluationSet":
        noise = posterior_noise(EVALUATION_SEED, 0, len(indices), latent_dim)
        return cls(feed, tf.constant(indices, tf.int32), tf.constant(noise), tag, labels)


class Loop:
    """A model, its optimizer, and the compiled functions that train and evaluate them.

    Args:
        config: the recipe.
        data: images of the config's shape.
        compute: use of the hardware.
        cluster: the devices; default: those of this process. Create the loop in the scope of the cluster's strategy.
        freeze: the part of the model that is not trained; None: train both.
        begun_after: see `make_optimizer`.

    Attributes:
        model, optimizer: their variables are the state of the loop.
        trained: the variables that the optimizer changes, the encoder's first.
        train_count: training images per epoch.
        steps_per_epoch: optimizer steps per epoch, including a smaller last one.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Dataset,
        compute: Compute = _PLAIN,
        cluster: Cluster | None = None,
        *,
        freeze: Part | None = None,
        begun_after: int = 0,
    ) -> None:
        self.cluster = cluster or Cluster(tf.distribute.get_strategy())
        self.config = config
        self.model = CVAE(config.model, config.seed)
        self._freeze = freeze
        self.trained = trained_variables(self.model, freeze)
        self._compute = compute
        self._train_feed = feed(data.train)
        self._labels = {part: _labels_of(data, part) if config.model.labels else None for part in _PARTS_OF_DATA}
        indices = np.arange(len(data.train))
        validation = np.zeros(len(data.train), np.bool_)
        if config.validation_fraction:
            validation = held_out([str(index) for index in indices], config.validation_fraction)
        self._train_indices = tf.constant(indices[~validation], tf.int32)
        self.train_count = len(self._train_indices)
        self.steps_per_epoch = math.ceil(self.train_count / config.batch_size)
        self.optimizer = make_optimizer(config, self.steps_per_epoch, begun_after)
        self.optimizer.build(self.trained)
        self._chunk = 1  # steps; adapts to CHUNK_SECONDS
        latent_dim = config.model.latent_dim
        self._validation: _EvaluationSet | None = None
        if data.validation is not None:
            own = np.arange(len(data.validation))
            self._validation = _EvaluationSet.of(
                feed(data.validation), own, latent_dim, Tag.VALIDATION, self._labels["validation"]
            )
        elif validation.any():
            held = indices[validation]
            self._validation = _EvaluationSet.of(
                self._train_feed, held, latent_dim, Tag.VALIDATION, self._labels["train"]
            )
        self._test = _EvaluationSet.of(
            feed(data.test), np.arange(len(data.test)), latent_dim, Tag.TEST, self._labels["test"]
        )

    def train_epoch(self, epoch: int, on_images: OnImages) -> float:
        """Train on every image once, in an order that depends on seed and epoch.

        Args:
            epoch: counted from 1.
            on_images: called after each chunk.

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
            chunk_total = float(elbos.astype(np.float64).sum())
            begin, end = first * self.config.batch_size, min(last * self.config.batch_size, self.train_count)
            on_images(end, chunk_total / (end - begin))
            total, first = total + chunk_total, last
        return total / self.train_count

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation set."""
        return self._validation is not None

    def time_steps(self, seconds: float) -> tuple[float, float]:
        """Train for some seconds to measure the speed; afterwards the weights are of no use.

        Returns:
            Seconds of the first steps, which compile the functions, and seconds of each later step.
        """
        compiled: set[int] = set()
        compiling, total, steps, first = 0.0, 0.0, 0, self.steps_per_epoch
        while total < seconds:
            if first == self.steps_per_epoch:
                order = self._shuffle(self._constant(1))
                images, first = self._open(self._train_feed, order, self.config.batch_size), 0
            last, towers = self._next_chunk(first)
            start = time.perf_counter()
            self._train_steps(images, *map(self._constant, (1, first, last)), towers).numpy()
            took = self.cluster.broadcast_number(time.perf_counter() - start)
            if towers in compiled:
                total, steps = total + took, steps + last - first
                self._adapt_chunk(last - first, took)
            else:
                compiled.add(towers)
                compiling += took
            first = last
        return compiling, total / steps

    def averaged(self) -> AbstractContextManager[None]:
        """Give the model its averaged weights within the block, if there are any; see `TrainConfig.ema`."""
        return averaged(self.optimizer, self.trained)

    def test_elbo(self, epoch: int) -> tuple[float, float]:
        """Mean reconstruction term and KL over the test set, with one draw per image, in nats per image.

        Raises:
            DivergedError: a mean is not finite.
        """
        return self._evaluate(self._test, epoch)

    def validation_elbo(self, epoch: int) -> float | None:
        """Mean ELBO over the validation set, with one draw per image, in nats per image; None without a validation set.

        Raises:
            DivergedError: the mean is not finite.
        """
        if self._validation is None:
            return None
        reconstruction, kl = self._evaluate(self._validation, epoch)
        return reconstruction - kl

    def _evaluate(self, images: _EvaluationSet, epoch: int) -> tuple[float, float]:
        count = len(images.indices)
        opened = self._open(images.feed, images.indices, TEST_BATCH)
        chunks = [(begin, min(begin + TEST_CHUNK, count)) for begin in range(0, count, TEST_CHUNK)]
        smallest = min((end - begin - 1) % TEST_BATCH + 1 for begin, end in chunks)
        towers = max(1, min(self._compute.towers, smallest // self.cluster.replicas))
        sums = sum(self._sums(images, opened, *map(self._constant, chunk), towers).numpy() for chunk in chunks) / count
        if not np.isfinite(sums).all():
            raise DivergedError(epoch, self.steps_per_epoch)
        return float(sums[0]), float(sums[1])

    def sample(self, noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Decode the prior's draws for noise (N, L) of N(0, I), in one batch, to expected images (N, H, W, C)."""
        return self._sample(tf.constant(noise)).numpy()

    def _open(self, feed: Feed, order: tf.Tensor, batch: int) -> Any:
        return feed.open(order, batch, self.cluster.local_share)

    @staticmethod
    def _constant(number: int) -> tf.Tensor:
        return tf.constant(number, tf.int32)  # tf.function would compile again for each Python number

    def _next_chunk(self, first: int) -> tuple[int, int]:
        """Return the end of the chunk that begins at step ``first``, and the number of towers, each with an image."""
        towers = max(1, min(self._compute.towers, self.config.batch_size // self.cluster.replicas))
        left = self.train_count % self.config.batch_size or self.config.batch_size
        whole = self.steps_per_epoch - (left < towers * self.cluster.replicas)  # steps with an image for every tower
        if first == whole:
            return self.steps_per_epoch, 1
        return min(first + self._chunk, whole), towers

    def _adapt_chunk(self, steps: int, seconds: float) -> None:
        # At most fourfold at a time, which limits the effect of one unusually fast chunk. All workers use the chief's
        # clock: they must run the same chunks, because collectives match by call order.
        seconds = self.cluster.broadcast_number(seconds)
        self._chunk = max(1, min(int(steps * CHUNK_SECONDS / seconds), 4 * steps))

    def _seed(self, tag: int, *numbers: tf.Tensor) -> tf.Tensor:
        low, high = self.config.seed & 0x7FFFFFFF, self.config.seed >> 31
        seed = tf.constant([low, high], tf.int64)
        for number in (tag, *numbers):
            seed = tf.random.fold_in(seed, number)
        return seed

    @_compiled
    def _shuffle(self, epoch: tf.Tensor) -> tf.Tensor:
        return tf.random.experimental.stateless_shuffle(self._train_indices, self._seed(_SHUFFLE, epoch))

    @_compiled
    def _train_steps(self, opened: Any, epoch: tf.Tensor, first: tf.Tensor, last: tf.Tensor, towers: int) -> tf.Tensor:
        """Run the steps ``first .. last - 1`` of an epoch; return the sum of the images' ELBOs for each step."""

        def body(step: tf.Tensor, elbos: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            return step + 1, elbos.write(step - first, self._train_step(opened, epoch, step, towers))

        start = (first, tf.TensorArray(tf.float32, size=last - first))
        return tf.while_loop(lambda step, _: step < last, body, start)[1].stack()

    def _train_step(self, opened: Any, epoch: tf.Tensor, step: tf.Tensor, towers: int) -> tf.Tensor:
        """Run one optimizer step on a batch; return the sum of the images' ELBOs before the step."""
        first = step * self.config.batch_size
        count = tf.minimum(self.config.batch_size, self.train_count - first)
        here, stop = self.cluster.local_share(count)
        images, numbers = self._train_feed.take(opened, first + here, first + stop)
        if self.config.augment != "none":
            bits = tf.random.stateless_uniform((count, 3), self._seed(_AUGMENT, epoch, step), 0, 2, tf.int32)
            images = augmented(images, self.config.augment, bits[here:stop])
        x = self._pixels(images, numbers, Tag.TRAINING, epoch)
        labels = self._training_labels(numbers, epoch, step, count, slice(here, stop))
        shape = (self.config.samples, count, self.config.model.latent_dim)
        noise = tf.random.stateless_normal(shape, self._seed(_NOISE, epoch, step))[:, here:stop]
        beta = self._beta(epoch, step)

        def work(begin: tf.Tensor, end: tf.Tensor) -> list[tf.Tensor]:
            shares = _shares(begin - here, end - here, towers)
            of_towers = [
                self._tower(x[share], noise[:, share], None if labels is None else labels[share], beta)
                for share in shares
            ]
            return [tf.add_n(terms) for terms in zip(*of_towers, strict=True)]

        elbos, *sums = self.cluster.sum(count, work)
        # Towers add up sums, not means, since they may have different numbers of images.
        gradients = [gradient / tf.cast(count, tf.float32) for gradient in sums]
        self.optimizer.apply(gradients, self.trained)
        return elbos

    def _training_labels(
        self, numbers: tf.Tensor, epoch: tf.Tensor, step: tf.Tensor, count: tf.Tensor, here: slice
    ) -> tf.Tensor | None:
        """Classes of this worker's share of a batch, some of them left out at random; None without labels."""
        labels = self._labels["train"]
        if labels is None:
            return None
        shares = tf.random.stateless_uniform((count,), self._seed(_DROP_LABELS, epoch, step))[here]
        return tf.where(shares < self.config.label_dropout, len(self.config.model.labels), tf.gather(labels, numbers))

    def _tower(self, x: tf.Tensor, noise: tf.Tensor, labels: tf.Tensor | None, beta: tf.Tensor) -> list[tf.Tensor]:
        """Sum of the ELBOs of a tower's images, and the gradients of the negative sum of their objectives."""
        model, samples = self.model, self.config.samples
        with tf.GradientTape(persistent=True) as tape, computing_in(model, self._compute):
            mean, logvar = (tf.cast(tensor, tf.float32) for tensor in model.encode(x, labels))
            z = model.reparameterize(mean, logvar, noise)
            of_draws = None if labels is None else tf.tile(labels, [samples])
            output = tf.cast(model.decode(tf.reshape(z, [-1, z.shape[-1]]), of_draws), tf.float32)
            log_p_x = log_likelihood(tf.tile(x, [samples, 1, 1, 1]), output, model.config.likelihood)
            log_prior = None if model.prior is None else model.log_prior(z, labels)
            draws = Draws(tf.reshape(log_p_x, [samples, -1]), z, mean, logvar, log_prior)
            for_decoder, for_encoder = surrogates(self.config.objective, draws, beta, self.config.free_bits)
            losses = -tf.reduce_sum(for_decoder), -tf.reduce_sum(for_encoder)
        elbos = tf.reduce_sum(elbo(draws))
        if for_decoder is for_encoder or self._freeze is not None:
            return [elbos, *tape.gradient(losses[self._freeze == "decoder"], self.trained)]
        encoder, decoder = (trained_variables(model, freeze) for freeze in ("decoder", "encoder"))
        return [elbos, *tape.gradient(losses[1], encoder), *tape.gradient(losses[0], decoder)]

    def _pixels(self, images: tf.Tensor, numbers: tf.Tensor, tag: Tag, epoch: tf.Tensor | None = None) -> tf.Tensor:
        """Convert images, uint8 (B, H, W, C) with indices (B,), to the values of the likelihood, float32.

        With dynamic binarization, or in a background model, the pixels of training images depend on the epoch.
        """
        if self.config.binarize == "dynamic":
            images = tf.ensure_shape(self._draw(images, numbers, tag, epoch), images.shape)
        if self.config.background and epoch is not None:
            images = tf.ensure_shape(self._mutated(images, numbers, epoch), images.shape)
        return preprocess(images, self.config.binarize_at)

    def _draw(self, images: tf.Tensor, numbers: tf.Tensor, tag: Tag, epoch: tf.Tensor | None) -> tf.Tensor:
        def draw(images: NDArray[np.uint8], numbers: NDArray[np.int32], *epoch: int) -> NDArray[np.uint8]:
            seed = self.config.seed if epoch else EVALUATION_SEED
            return draw_binary(images, derived_key(seed, tag, *map(int, epoch)), numbers)

        # NumPy takes a tenth of the time of TensorFlow's operators here.
        return tf.numpy_function(draw, [images, numbers, *([] if epoch is None else [epoch])], tf.uint8)

    def _mutated(self, images: tf.Tensor, numbers: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
        config = self.config

        def draw(images: NDArray[np.uint8], numbers: NDArray[np.int32], epoch: int) -> NDArray[np.uint8]:
            key = derived_key(config.seed, Tag.MUTATION, int(epoch))
            return mutate(images, config.background, key, numbers, binary=config.binarize_at is not None)

        return tf.numpy_function(draw, [images, numbers, epoch], tf.uint8)

    def _beta(self, epoch: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Weight of the KL at a step."""
        if not self.config.kl_warmup_epochs:
            return tf.constant(self.config.beta)
        done = (epoch - 1) * self.steps_per_epoch + step
        warmup = self.config.kl_warmup_epochs * self.steps_per_epoch
        return self.config.beta * tf.minimum(1.0, tf.cast(done, tf.float32) / warmup)

    @_compiled
    def _sums(self, dataset: _EvaluationSet, opened: Any, first: tf.Tensor, last: tf.Tensor, towers: int) -> tf.Tensor:
        """Reconstruction term and KL, summed over the images ``first .. last - 1``: float64 (2,)."""

        def share_sums(x: tf.Tensor, noise: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
            mean, logvar = self.model.encode(x, labels)
            z = self.model.reparameterize(mean, logvar, noise)
            log_p_x = log_likelihood(x, self.model.decode(z, labels), self.config.model.likelihood)
            if self.model.prior is None:
                kl = gaussian_kl(mean, logvar)
            else:
                kl = log_normal(z, mean, logvar) - self.model.log_prior(z, labels)
            terms = tf.stack([log_p_x, kl])
            return tf.reduce_sum(tf.cast(terms, tf.float64), axis=1)

        def body(begin: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            count = tf.minimum(TEST_BATCH, last - begin)
            here, stop = self.cluster.local_share(count)
            images, numbers = dataset.feed.take(opened, begin + here, begin + stop)
            x = self._pixels(images, numbers, dataset.tag)
            labels = None if dataset.labels is None else tf.gather(dataset.labels, numbers)
            noise = dataset.noise[begin + here : begin + stop]

            def work(start: tf.Tensor, end: tf.Tensor) -> list[tf.Tensor]:
                shares = _shares(start - here, end - here, towers)
                of_shares = (
                    share_sums(x[share], noise[share], None if labels is None else labels[share]) for share in shares
                )
                return [tf.add_n(list(of_shares))]

            return begin + count, sums + self.cluster.sum(count, work)[0]

        return tf.while_loop(lambda begin, _: begin < last, body, (first, tf.zeros(2, tf.float64)))[1]

    @_compiled
    def _sample(self, noise: tf.Tensor) -> tf.Tensor:
        return self.model.sample(noise)
