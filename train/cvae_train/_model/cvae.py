"""The convolutional VAE: encoder and decoder of an architecture, and the steps between them."""

from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from .._config import Architecture, ModelConfig
from .dense import dense
from .flow import Flow
from .layers import FLOAT32, Seeds
from .losses import log_normal, pixel_parameters
from .notebook import notebook
from .residual import residual

_SEEDS = 256  # more than any network has layers; a longer sequence of seeds starts with the same ones

# Functions that build encoder and decoder, by architecture.
_NETWORKS: Mapping[Architecture, Callable[[ModelConfig, Seeds], tuple[keras.Sequential, keras.Sequential]]] = {
    "notebook": notebook,
    "residual": residual,
    "dense": dense,
}


# Beginnings of the names of the layers whose channels are outputs of the decoder, and of the prior.
_NOT_HIDDEN = ("conv_transpose_out", "out", "sketch", "spread", "prior", "label_shift")


def is_hidden(variable: keras.Variable) -> bool:
    """Whether a variable belongs to the encoder, or to a layer of the decoder whose channels are not its outputs."""
    return not any(name.startswith(_NOT_HIDDEN) for name in variable.path.split("/")[:-1])


class CVAE(keras.Model):
    """A convolutional variational autoencoder (Kingma and Welling, 2014).

    Args:
        config: shape of the network; default: the notebook's.
        seed: unsigned 64-bit integer that the initial weights derive from.

    Attributes:
        encoder: maps (B, H, W, C) in [0, 1] to (B, 2L), the concatenated mean and logvar. With labels, a row of
            ``label_shift`` is added.
        label_shift: (C + 1, 2L), starts at zero; None without labels.
        decoder: maps (B, L), or (B, L + C + 1) with a one-hot label at the end, to logits (B, H, W, C). With a
            likelihood of 256 levels, it has n outputs per pixel and channel, (B, H, W, nC): first the locations, then
            the unbounded scales, then the logits of a mixture.
        prior: the learned prior, which maps noise (B, L) to latents; None for N(0, I).

    Examples:
        >>> model = cvae_train.CVAE(cvae_train.ModelConfig(latent_dim=2))
        >>> mean, logvar = model.encode(np.zeros((3, 28, 28, 1), np.float32))
        >>> tuple(mean.shape)
        (3, 2)
    """

    def __init__(self, config: ModelConfig | None = None, seed: int = 0) -> None:
        super().__init__(name="cvae", dtype=FLOAT32)
        self.config = config = config or ModelConfig()
        seeds = map(int, np.random.SeedSequence(seed).generate_state(_SEEDS) >> 1)
        self.encoder, self.decoder = _NETWORKS[config.architecture](config, seeds)
        self.prior = Flow(config.latent_dim, seeds, config.label_inputs) if config.prior == "learned" else None
        self.label_shift = None
        if config.labels:
            with keras.name_scope("encoder"), keras.name_scope("label_shift"):
                self.label_shift = keras.Variable(
                    np.zeros((config.label_inputs, 2 * config.latent_dim), np.float32), name="kernel", dtype=FLOAT32
                )
        for network in (self.encoder, self.decoder):  # Sequential has no dtype argument
            network.dtype_policy = FLOAT32
        self.built = True  # encoder and decoder are built: their inputs have shapes

    def encode(self, x: tf.Tensor, label: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Encode images (B, H, W, C) in [0, 1] to mean and logvar of q(z|x), each (B, L).

        Here and below, ``label`` is the class of each image or latent, int (B,), for models with labels; the default is
        C, "no label".
        """
        outputs = self.encoder(x)
        classes = self._one_hot(label, x)
        if classes is not None:
            outputs = tf.cast(outputs, tf.float32) + tf.matmul(classes, self.label_shift)
        mean, logvar = tf.split(outputs, 2, axis=1)
        return mean, logvar

    def reparameterize(self, mean: tf.Tensor, logvar: tf.Tensor, noise: tf.Tensor | None = None) -> tf.Tensor:
        """Compute z = mean + exp(logvar / 2) * noise, (B, L); the default noise is drawn from N(0, I)."""
        if noise is None:
            noise = tf.random.normal(tf.shape(mean))
        return mean + tf.exp(logvar * 0.5) * noise

    def decode(self, z: tf.Tensor, label: tf.Tensor | None = None, *, apply_sigmoid: bool = False) -> tf.Tensor:
        """Decode latents (B, L) to the decoder's output, or to expected images (B, H, W, C) with ``apply_sigmoid``."""
        if apply_sigmoid:
            return self.pixel_parameters(z, label)["probs"]
        classes = self._one_hot(label, z)
        return self.decoder(z if classes is None else tf.concat([z, classes], axis=1))

    def pixel_parameters(self, z: tf.Tensor, label: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Decode latents (B, L) to the parameters of p(x|z), by the names of a bundle's outputs."""
        return pixel_parameters(self.decode(z, label), self.config.likelihood)

    def latents(self, noise: tf.Tensor, label: tf.Tensor | None = None) -> tf.Tensor:
        """Map draws of N(0, I), (B, L), to draws of the prior, (B, L)."""
        if self.prior is None:
            return noise
        return self.prior(noise, self._one_hot(label, noise))

    def prior_density(self, z: tf.Tensor, label: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """log p(z) of latents (B, L) under a learned prior, (B,), and the noise that it maps to them, (B, L)."""
        assert self.prior is not None
        noise, log_p = self.prior.inverse(z, self._one_hot(label, z))
        return log_p, noise

    def log_prior(self, z: tf.Tensor, label: tf.Tensor | None = None) -> tf.Tensor:
        """log p(z) of latents, (B, L) or (k, B, L): (B,) or (k, B)."""
        if self.prior is None:
            return log_normal(z, tf.zeros_like(z), tf.zeros_like(z))
        if len(z.shape) == 3:  # draws of each image
            of_draws = None if label is None else tf.tile(label, tf.shape(z)[:1])
            return tf.reshape(self.log_prior(tf.reshape(z, [-1, z.shape[2]]), of_draws), tf.shape(z)[:2])
        return self.prior_density(z, label)[0]

    def noise_of(self, z: tf.Tensor, label: tf.Tensor | None = None) -> tf.Tensor:
        """Map latents (B, L) to the noise that a learned prior maps to them, (B, L)."""
        if self.prior is None:
            return z
        return self.prior_density(z, label)[1]

    def sample(self, eps: tf.Tensor | None = None, label: tf.Tensor | None = None) -> tf.Tensor:
        """Decode draws of the prior to expected images (B, H, W, C).

        ``eps``, (B, L), are the draws of N(0, I) to start from; the default is 100 random ones.
        """
        if eps is None:
            eps = tf.random.normal((100, self.config.latent_dim))
        return self.decode(self.latents(eps, label), label, apply_sigmoid=True)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Reconstruct images from the mean of q(z|x), without labels; returns the decoder's output."""
        return self.decode(self.encode(x)[0])

    def _one_hot(self, label: tf.Tensor | None, items: tf.Tensor) -> tf.Tensor | None:
        """Encode labels, (B,), by default "no label" for each of the items, as float32 (B, C + 1).

        Returns None for models without labels.
        """
        if not self.config.labels:
            return None
        if label is None:
            label = tf.fill(tf.shape(items)[:1], len(self.config.labels))
        return tf.cast(tf.cast(label, tf.int32)[:, tf.newaxis] == tf.range(self.config.label_inputs), tf.float32)
