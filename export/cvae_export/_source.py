"""The source of an export: a trained model, and the images that verify its graphs."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime.bundle import ModelInfo, Preprocessing
from cvae_runtime.random import RNG_NAME
from cvae_train import Checkpoint, RunFolder, draw_binary, load_run, preprocess


@dataclasses.dataclass(frozen=True)
class ExportSource:
    """A trained model to export, of a run or of external Keras models.

    Attributes:
        info: the model's entry of the manifest.
        preprocess: maps raw pixels, uint8 (N, H, W, C), to the network's input, float32 of the same shape.
        preprocess_float: the same for float32 pixels in [0, 1].
        encode: maps the network's input to mean and logvar, float32 (N, L) each.
        decode: maps latents float32 (N, L) to the decoder's outputs by name, float32 (N, H, W, C) each; parameters of
            a mixture are (N, H, W, C, K).
        test_images: uint8 (N, H, W, C); None: no ELBO is measured.
        calibration_images: returns uint8 training images, to measure activation ranges; None without images.
        training: keyword arguments of the manifest's `Training`, without the ELBO; None for external models.
        latents: maps noise float32 (N, L) to latents of a learned prior, float32 (N, L); None for N(0, I).
        prior_density: maps latents float32 (N, L) to log p(z) of a learned prior, float32 (N,), and to their noise,
            float32 (N, L); None for N(0, I).
        test_labels: class of each test image, int64 (N,); None for models without labels.

    If ``info`` has labels, encode, decode, latents and prior_density take them as their second argument, int64 (N,).
    Without labels they have no second argument.
    """

    info: ModelInfo
    preprocess: Callable[[tf.Tensor], tf.Tensor]
    preprocess_float: Callable[[tf.Tensor], tf.Tensor]
    encode: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    decode: Callable[..., Mapping[str, tf.Tensor]]
    test_images: NDArray[np.uint8] | None
    calibration_images: Callable[[], NDArray[np.uint8]] | None
    training: Mapping[str, Any] | None
    latents: Callable[..., tf.Tensor] | None = None
    prior_density: Callable[..., tuple[tf.Tensor, tf.Tensor]] | None = None
    test_labels: NDArray[np.int64] | None = None


def given(label: tf.Tensor | None) -> list[tf.Tensor]:
    """Return the arguments of a source's functions after the first: the label, if the model has labels."""
    return [] if label is None else [label]


def source_of_run(
    run: str | Path, data: str | Path | None = None, *, checkpoint: Checkpoint | None = None, quiet: bool = False
) -> ExportSource:
    """Return the model and the test images of a run; see `cvae_train.load_run` for ``checkpoint``.

    Raises:
        InputError: the run has no such checkpoint, or its images are missing or have another fingerprint.
    """
    result = load_run(run, checkpoint)
    folder = RunFolder(result.path)
    course = folder.read_course()
    lineage = {} if course.start is None else {"start": course.to_json()["start"], "freeze": course.freeze}
    _, source = folder.read_config()
    config, binarize_at = result.config, result.config.binarize_at
    test_labels = None
    if config.model.labels:
        dataset = folder.load_dataset(data, quiet=quiet)
        assert dataset.labels is not None
        test_images = draw_binary(dataset.test) if config.binarize == "dynamic" else dataset.test
        test_labels = dataset.labels.test
    else:
        test_images = folder.load_test(data, quiet=quiet)
    prior = result.model.prior
    return ExportSource(
        info=ModelInfo(
            image_shape=config.model.image_shape,
            latent_dim=config.model.latent_dim,
            filters=config.model.convolutions,
            likelihood=config.model.likelihood,
            preprocessing=Preprocessing(scale=255, binarize_at=binarize_at),
            rng=RNG_NAME,
            architecture=None if config.model.architecture == "notebook" else config.model.architecture,
            prior=None if prior is None else "learned",
            labels=config.model.labels or None,
        ),
        preprocess=lambda images: preprocess(images, binarize_at),
        # A float between two pixel values is rounded to the nearer one.
        preprocess_float=lambda images: preprocess(tf.round(images * 255.0), binarize_at),
        encode=result.model.encode,
        decode=result.model.pixel_parameters,
        test_images=test_images,
        test_labels=test_labels,
        calibration_images=lambda: folder.load_train(data, quiet=quiet),
        training={
            "config": {**config.to_json(), **lineage},
            "data": Path(source.source).name,
            "test_images": source.test_images,
            "epoch": result.epoch,
            "checkpoint": checkpoint or ("best" if course.has_best(result.history) else "last"),
        },
        latents=None if prior is None else result.model.latents,
        prior_density=None if prior is None else result.model.prior_density,
    )
