"""Reference outputs for the graphs of each role: the trained model's outputs for every test image.

The embedded MNIST is binary and would not show a wrong threshold, so images with all 256 grey values are added.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import Posterior, posterior_noise, prior_latents
from cvae_runtime.elbo import (
    EVALUATION_SEED,
    gaussian_kl,
    gaussian_log_density,
    log_likelihood,
    reparameterize,
    targets_of,
)

from ._functions import FUNCTIONS, Function
from ._scorer import model_scores
from ._source import ExportSource

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]

_BATCH = 256
_GREY_IMAGES = 64

_SCORER_DRAWS = 3
# Samplers are compared where all words of seed and counter, and the temperature, matter.
_SAMPLER_SEED, _SAMPLER_FIRST, _TEMPERATURE = 0x0123456789ABCDEF, 2**40, np.float32(0.75)


@dataclasses.dataclass(frozen=True)
class Expected:
    """Inputs and expected outputs of a graph.

    Attributes:
        count: number of items, images or latents, that a graph is run on.
        inputs: returns the inputs of items ``start .. stop - 1``, by name.
        outputs: the model's outputs for all items.
        elbos: maps a graph's outputs, used instead of the model's, to the ELBO of every test image, float64; None
            without an ELBO for the role, or without test images.
        rounding: rounding error of an output by name, a number or one for each item; only a larger difference counts.
    """

    count: int
    inputs: Callable[[int, int], Arrays]
    outputs: Arrays
    elbos: Callable[[Arrays], NDArray[np.float64]] | None
    rounding: Mapping[str, float | NDArray[np.float64]] = dataclasses.field(default_factory=dict)

    def batches(self, batch: int) -> Iterator[Arrays]:
        """Yield the inputs of all items, ``batch`` at a time."""
        for start in range(0, self.count, batch):
            yield self.inputs(start, min(start + batch, self.count))

    def run(self, run: Run, batch: int) -> dict[str, NDArray[Any]]:
        """Return a graph's outputs for all items, run ``batch`` at a time."""
        parts = [run(inputs) for inputs in self.batches(batch)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class Reference:
    """A model's outputs for its test images, computed once, and the expected outputs of each role.

    Attributes:
        source: the model.
        images: test images, then images with all grey values, uint8 (N, H, W, C).
        noise: one standard normal draw for each image, float32 (N, L).
        labels: class of each image, int64 (N,); None for models without labels.
        z: latents to compare decoders on: posterior draws of the test images, then prior draws. Codes of the grey
            images are left out: they are unlike the codes of real images.
    """

    def __init__(self, source: ExportSource) -> None:
        self.source = source
        grey = grey_images(source.info.image_shape)
        test = source.test_images
        self.images = grey if test is None else np.concatenate([test, grey])
        self._runs: dict[str, Run] = {}  # of the model itself, by role
        self.noise = posterior_noise(EVALUATION_SEED, 0, len(self.images), source.info.latent_dim)
        count = 0 if test is None else len(test)
        labels = source.info.labels
        # Class of each of the images; those with grey values have none, so that "no label" is compared too.
        self.labels = None
        if labels is not None:
            assert test is None or source.test_labels is not None
            of_test = np.zeros(0, np.int64) if test is None else source.test_labels
            self.labels = np.concatenate([of_test, np.full(len(grey), len(labels), np.int64)])
        codes = reparameterize(self._codes["mean"][:count], self._codes["logvar"][:count], self.noise[:count])
        drawn = prior_latents(0, 0, len(grey), source.info.latent_dim)
        self.z = np.concatenate(
            [codes, self._to_latents(drawn, self.labels if self.labels is None else self.labels[count:])]
        )

    @cached_property
    def elbos(self) -> NDArray[np.float64] | None:
        """The model's own ELBO for every test image."""
        return None if self.source.test_images is None else self._elbos(self._codes, self._decoded)

    def expected(self, role: str) -> Expected:
        """Return the expected outputs of a role."""
        expected = {
            "encoder": self._encoder,
            "decoder": self._decoder,
            "reconstructor": self._reconstructor,
            "scorer": self._scorer,
            "sampler": self._sampler,
            "decoder_uint8": self._decoder_uint8,
            "encoder_float": self._encoder_float,
            "prior": self._prior,
            "prior_density": self._prior_density,
        }[role]()
        labels = self.labels
        if labels is None:
            return expected
        return dataclasses.replace(
            expected, inputs=lambda start, stop: {**expected.inputs(start, stop), "label": labels[start:stop]}
        )

    def golden_inputs(self, role: str) -> Arrays:
        """Return a few inputs: two test images and one with all grey values, or four latents; labels and "no label"."""
        inputs, labels = self._golden_inputs(role), self.source.info.labels
        if labels is None:
            return inputs
        count = 4 if role == "sampler" else len(next(iter(inputs.values())))
        return {**inputs, "label": np.array([0, len(labels), 1, len(labels) - 1])[:count]}

    def _golden_inputs(self, role: str) -> Arrays:
        test, latent_dim = self.source.test_images, self.source.info.latent_dim
        images = self.images[sorted({0, 1, 0 if test is None else len(test)})]
        match role:
            case "encoder" | "reconstructor":
                return {"images": images}
            case "encoder_float":
                return {"images": _as_floats(images)}
            case "scorer":
                # Only test images: on others the model is confidently wrong; scores depend on the last bits of probs.
                return {"images": self.images[:3], "noise": _draws(3, _SCORER_DRAWS, latent_dim)}
            case "sampler":
                return _sampler_inputs(0, 4)
            case "prior":
                return {"noise": prior_latents(0, 0, 4, latent_dim)}
        return {"z": prior_latents(0, 0, 4, latent_dim)}

    def _encoder(self) -> Expected:
        images = self.images
        elbos = None if self.source.test_images is None else self._elbos_of_codes
        return Expected(len(images), lambda start, stop: {"images": images[start:stop]}, self._codes, elbos)

    def _encoder_float(self) -> Expected:
        images = _as_floats(self.images)
        return dataclasses.replace(self._encoder(), inputs=lambda start, stop: {"images": images[start:stop]})

    def _reconstructor(self) -> Expected:
        outputs = self._run("decoder", {"z": self._codes["mean"]})
        return dataclasses.replace(self._encoder(), outputs=outputs, elbos=None)

    def _decoder(self) -> Expected:
        z = self.z
        elbos = None if self.source.test_images is None else lambda decoded: self._elbos(self._codes, decoded)
        return Expected(len(z), lambda start, stop: {"z": z[start:stop]}, self._decoded, elbos)

    def _decoder_uint8(self) -> Expected:
        levels = {
            "images": 255.0 * self._decoded["probs"]
        }  # before rounding, which moves values by at most half a level
        return dataclasses.replace(self._decoder(), outputs=levels, elbos=None, rounding={"images": 0.5})

    def _scorer(self) -> Expected:
        images = self.images
        noise = _draws(len(images), _SCORER_DRAWS, self.source.info.latent_dim)
        posterior = Posterior(self._codes["mean"], self._codes["logvar"])
        outputs, rounding = model_scores(
            self.source.info,
            images,
            posterior,
            lambda z, *labels: self._run("decoder", {"z": z}, *labels),
            _SCORER_DRAWS,
            None if self.source.prior_density is None else self._log_prior,
            self.labels,
        )

        def elbos(found: Arrays) -> NDArray[np.float64]:
            assert self.elbos is not None
            test = slice(len(self.elbos))
            return self.elbos + found["elbo"][test] - outputs["elbo"][test]  # the same draws on both sides

        return Expected(
            len(images),
            lambda start, stop: {"images": images[start:stop], "noise": noise[:, start:stop]},
            outputs,
            None if self.source.test_images is None else elbos,
            rounding,
        )

    def _prior(self) -> Expected:
        noise = prior_latents(_SAMPLER_SEED, _SAMPLER_FIRST, len(self.images), self.source.info.latent_dim)
        outputs = {"z": self._to_latents(noise)}
        return Expected(len(noise), lambda start, stop: {"noise": noise[start:stop]}, outputs, None)

    def _prior_density(self) -> Expected:
        z = self.z

        def elbos(found: Arrays) -> NDArray[np.float64]:
            assert self.elbos is not None
            change: NDArray[np.float64] = found["log_prob"].astype(np.float64) - outputs["log_prob"]
            return self.elbos + change[: len(self.elbos)]

        outputs = self._run("prior_density", {"z": z})
        return Expected(
            len(z),
            lambda start, stop: {"z": z[start:stop]},
            outputs,
            None if self.source.test_images is None else elbos,
        )

    def _to_latents(self, noise: NDArray[np.float32], labels: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        return noise if self.source.latents is None else self._run("prior", {"noise": noise}, labels)["z"]

    def _log_prior(self, z: NDArray[np.float32], *labels: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._run("prior_density", {"z": z}, *labels)["log_prob"]

    def _sampler(self) -> Expected:
        count = len(self.images)
        noise = prior_latents(_SAMPLER_SEED, _SAMPLER_FIRST, count, self.source.info.latent_dim) * _TEMPERATURE
        z = self._to_latents(noise)
        outputs = self._run("decoder", {"z": z})
        return Expected(count, _sampler_inputs, outputs, None)

    @cached_property
    def _codes(self) -> Arrays:
        return self._run("encoder", {"images": self.images})

    @cached_property
    def _decoded(self) -> Arrays:
        return self._run("decoder", {"z": self.z})

    def _run(self, role: str, inputs: Arrays, labels: NDArray[np.int64] | None = None) -> Arrays:
        """Run a role of the model itself, in parts; ``labels`` are by default those of the images."""
        labels = self.labels if labels is None else labels
        inputs = inputs if labels is None else {**inputs, "label": labels}
        if role not in self._runs:
            self._runs[role] = run_tensorflow(FUNCTIONS[role](self.source))
        run = self._runs[role]
        count = len(next(iter(inputs.values())))
        parts = [
            run({name: array[start : start + _BATCH] for name, array in inputs.items()})
            for start in range(0, count, _BATCH)
        ]
        return {output: np.concatenate([part[output] for part in parts]) for output in parts[0]}

    def _elbos_of_codes(self, codes: Arrays) -> NDArray[np.float64]:
        """Return the ELBOs of codes, with the model's decoder."""
        z = reparameterize(codes["mean"], codes["logvar"], self.noise)
        return self._elbos(codes, self._run("decoder", {"z": z}))

    def _elbos(self, codes: Arrays, decoded: Arrays) -> NDArray[np.float64]:
        info, test_images = self.source.info, self.source.test_images
        assert test_images is not None
        test = slice(len(test_images))
        targets = targets_of(test_images, info.preprocessing.binarize_at)
        log_p_x = log_likelihood(targets, {name: array[test] for name, array in decoded.items()}, info.likelihood)
        mean, logvar = codes["mean"][test], codes["logvar"][test]
        if self.source.prior_density is None:
            return log_p_x - gaussian_kl(mean, logvar)
        z = reparameterize(mean, logvar, self.noise[test])
        labels = [] if self.labels is None else [self.labels[test]]
        return log_p_x + self._log_prior(z, *labels) - gaussian_log_density(z, mean, logvar)


def run_tensorflow(function: Function) -> Run:
    """Wrap a TensorFlow function as a function of named arrays.

    It is traced here, since TensorFlow warns if the first call of each of several functions traces it.
    """
    traced = function.get_concrete_function(*function.input_signature)

    def run(inputs: Arrays) -> dict[str, NDArray[Any]]:
        outputs = traced(**{name: tf.constant(array) for name, array in inputs.items()})
        return {name: output.numpy() for name, output in outputs.items()}

    return run


def _as_floats(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.astype(np.float32) / np.float32(255)


def _draws(count: int, samples: int, latent_dim: int) -> NDArray[np.float32]:
    """Return the posterior noise of images 0 .. count - 1 for a scorer: float32 (samples, count, L)."""
    noise = posterior_noise(EVALUATION_SEED, 0, count * samples, latent_dim)
    return noise.reshape(count, samples, latent_dim).swapaxes(0, 1)


def _sampler_inputs(start: int, stop: int) -> dict[str, NDArray[Any]]:
    return {
        "seed": np.array([_SAMPLER_SEED & 0xFFFFFFFF, _SAMPLER_SEED >> 32], np.uint32),
        "first": np.array(_SAMPLER_FIRST + start),
        "count": np.array(stop - start),
        "temperature": np.array(_TEMPERATURE),
    }


def grey_images(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.uint8]:
    """Return images of shuffled pixels, uint8 (N, H, W, C), with all 256 grey values, in each image if they fit."""
    pixels = math.prod(shape)
    count = max(_GREY_IMAGES, math.ceil(256 / pixels))
    values = (np.arange(count * pixels) % 256).astype(np.uint8).reshape(count, pixels)
    return np.random.default_rng(seed).permuted(values, axis=1).reshape(count, *shape)
