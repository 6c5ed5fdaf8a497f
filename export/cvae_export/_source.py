"""What is exported: a trained model and the images that prove its graphs, wherever it comes from."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime.bundle import ModelInfo, Preprocessing
from cvae_runtime.random import RNG_NAME
from cvae_train import RunFolder, load_run, preprocess


@dataclasses.dataclass(frozen=True)
class ExportSource:
    """A model to be exported.

    Attributes:
        info: what the manifest says of it.
        preprocess: raw pixels, uint8 (N, H, W, C), to what the network sees, float32 of the same shape.
        preprocess_float: the same of pixels in [0, 1], float32.
        encode: what the network sees to mean and logvar, float32 (N, L) each.
        decode: latents float32 (N, L) to the decoder's outputs by name, float32 (N, H, W, C) each, the parameters of a
            mixture (N, H, W, C, K).
        test_images: uint8 (N, H, W, C), or None where there are none: then no ELBO is measured.
        calibration_images: gives uint8 training images, for graphs that need to know the ranges of values.
        training: the manifest's, but for the ELBO, by its keywords; None for a model from elsewhere.
    """

    info: ModelInfo
    preprocess: Callable[[tf.Tensor], tf.Tensor]
    preprocess_float: Callable[[tf.Tensor], tf.Tensor]
    encode: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    decode: Callable[[tf.Tensor], Mapping[str, tf.Tensor]]
    test_images: NDArray[np.uint8] | None
    calibration_images: Callable[[], NDArray[np.uint8]] | None
    training: Mapping[str, Any] | None


def source_of_run(run: str | Path, data: str | Path | None = None, *, quiet: bool = False) -> ExportSource:
    """The model of a finished run, with the images that it was tested on.

    Raises:
        InputError: no finished run, no data, or data of another fingerprint.
    """
    result = load_run(run)
    folder = RunFolder(result.path)
    _, source = folder.read_config()
    test_images = folder.load_test(data, quiet=quiet)
    config, binarize_at = result.config, result.config.binarize_at
    return ExportSource(
        info=ModelInfo(
            image_shape=config.model.image_shape,
            latent_dim=config.model.latent_dim,
            filters=config.model.filters,
            likelihood=config.model.likelihood,
            preprocessing=Preprocessing(scale=255, binarize_at=binarize_at),
            rng=RNG_NAME,
        ),
        preprocess=lambda images: preprocess(images, binarize_at),
        # Where a float lies between two pixels it counts as the nearer one.
        preprocess_float=lambda images: preprocess(tf.round(images * 255.0), binarize_at),
        encode=result.model.encode,
        decode=result.model.pixel_parameters,
        test_images=test_images,
        calibration_images=lambda: folder.load_train(data, quiet=quiet),
        training={
            "config": config.to_json(),
            "data": Path(source.source).name,
            "test_images": source.test_images,
        },
    )
