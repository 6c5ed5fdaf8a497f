"""What the graphs of each role must compute: the trained model's own outputs, of every test image.

Since the embedded MNIST is binary and would not show a wrong threshold, pictures that hold all 256 grey values are
among the images.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import (
    EVALUATION_SEED,
    gaussian_kl,
    log_likelihood,
    posterior_noise,
    prior_latents,
    reparameterize,
    targets_of,
)

from ._functions import FUNCTIONS, Function
from ._subject import Subject

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]

_BATCH = 256
_GREY_PICTURES = 64


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a graph is compared with.

    Attributes:
        count: items, images or latents, that a graph is run on.
        inputs: of the items ``start .. stop - 1``, by name.
        outputs: the model's, of all items.
        elbos: of outputs that stand in for the model's: the ELBO of every test image, float64; None where the role
            has none, or where there are no test images.
    """

    count: int
    inputs: Callable[[int, int], Arrays]
    outputs: Arrays
    elbos: Callable[[Arrays], NDArray[np.float64]] | None

    def run(self, run: Run, batch: int) -> dict[str, NDArray[Any]]:
        """The outputs of all items, ``batch`` at a time."""
        parts = [run(self.inputs(start, min(start + batch, self.count))) for start in range(0, self.count, batch)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class Reference:
    """A model's outputs of its test images, computed once, and what each role's graph must give.

    Attributes:
        subject: the model.
        images: test images, then pictures of all grey values, uint8 (N, H, W, C).
        noise: one draw an image, float32 (N, L).
        z: latents that decoders are compared on: draws of the test images' codes, then of the prior. Not of the other
            pictures' codes: what a decoder makes of latents that no picture has says nothing.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        grey = grey_pictures(subject.info.image_shape)
        test = subject.test_images
        self.images = grey if test is None else np.concatenate([test, grey])
        self.noise = posterior_noise(EVALUATION_SEED, 0, len(self.images), subject.info.latent_dim)
        count = 0 if test is None else len(test)
        codes = reparameterize(self._codes["mean"][:count], self._codes["logvar"][:count], self.noise[:count])
        self.z = np.concatenate([codes, prior_latents(0, 0, len(grey), subject.info.latent_dim)])

    @cached_property
    def elbos(self) -> NDArray[np.float64] | None:
        """The model's own ELBO of every test image."""
        return None if self.subject.test_images is None else self._elbos(self._codes, self._decoded)

    def expected(self, role: str) -> Expected:
        """What a graph of this role must compute."""
        measured = self.subject.test_images is not None
        if role == "encoder":
            images = self.images
            return Expected(
                len(images),
                lambda start, stop: {"images": images[start:stop]},
                self._codes,
                self._elbos_of_codes if measured else None,
            )
        z = self.z
        return Expected(
            len(z),
            lambda start, stop: {"z": z[start:stop]},
            self._decoded,
            (lambda decoded: self._elbos(self._codes, decoded)) if measured else None,
        )

    def golden_inputs(self, role: str) -> Arrays:
        """A few inputs: two test images and one of all grey values, or four latents."""
        if role == "encoder":
            test = self.subject.test_images
            return {"images": self.images[sorted({0, 1, 0 if test is None else len(test)})]}
        return {"z": prior_latents(0, 0, 4, self.subject.info.latent_dim)}

    @cached_property
    def _codes(self) -> Arrays:
        return self._run("encoder", {"images": self.images})

    @cached_property
    def _decoded(self) -> Arrays:
        return self._run("decoder", {"z": self.z})

    def _run(self, role: str, inputs: Arrays) -> Arrays:
        """A role of the model itself, in parts."""
        run = run_tensorflow(FUNCTIONS[role](self.subject))
        (name, array), *_ = inputs.items()
        parts = [run({name: array[start : start + _BATCH]}) for start in range(0, len(array), _BATCH)]
        return {output: np.concatenate([part[output] for part in parts]) for output in parts[0]}

    def _elbos_of_codes(self, codes: Arrays) -> NDArray[np.float64]:
        """An encoder is judged with the model's decoder."""
        z = reparameterize(codes["mean"], codes["logvar"], self.noise)
        return self._elbos(codes, self._run("decoder", {"z": z}))

    def _elbos(self, codes: Arrays, decoded: Arrays) -> NDArray[np.float64]:
        info, test_images = self.subject.info, self.subject.test_images
        assert test_images is not None
        test = slice(len(test_images))
        targets = targets_of(test_images, info.preprocessing.binarize_at)
        log_p_x = log_likelihood(targets, {name: array[test] for name, array in decoded.items()}, info.likelihood)
        return log_p_x - gaussian_kl(codes["mean"][test], codes["logvar"][test])


def run_tensorflow(function: Function) -> Run:
    """A TensorFlow function as one of named arrays."""

    def run(inputs: Arrays) -> dict[str, NDArray[Any]]:
        outputs = function(**{name: tf.constant(array) for name, array in inputs.items()})
        return {name: output.numpy() for name, output in outputs.items()}

    return run


def grey_pictures(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.uint8]:
    """Shuffled pixels, uint8 (N, H, W, C), that hold all 256 grey values, in every picture that has room for them."""
    pixels = math.prod(shape)
    count = max(_GREY_PICTURES, math.ceil(256 / pixels))
    values = (np.arange(count * pixels) % 256).astype(np.uint8).reshape(count, pixels)
    return np.random.default_rng(seed).permuted(values, axis=1).reshape(count, *shape)
