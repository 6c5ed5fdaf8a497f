"""`ExportSource` of an external pair of Keras models, an encoder and a decoder."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cvae_runtime import InputError, prior_latents
from cvae_runtime.bundle import ModelInfo, Preprocessing
from cvae_runtime.random import RNG_NAME
from cvae_train import Dataset, load_data

from ._config import OUTPUT_KINDS, DecoderOutput, Range
from ._input_range import input_range_of
from ._keras_adapters import (
    adapt_decoder,
    adapt_encoder,
    check_logvar,
    check_reconstructions,
    check_roles,
    graph_of_encoder,
    image_shape_of,
    latent_dim_of,
)
from ._network import network_of
from ._reference import grey_images
from ._source import ExportSource

_TRIAL_LATENTS = 64  # latents for the decoder's trial run
_TRIAL_IMAGES = 256  # test images to check the ranges with


def source_of_models(
    encoder: Any,
    decoder: Any,
    *,
    decoder_output: DecoderOutput = "auto",
    input_range: Range | None = None,
    binarize_at: int | None = None,
    data: str | Path | Dataset | None = None,
    quiet: bool = False,
) -> ExportSource:
    """Return the source of a pair of Keras models; for the arguments see `cvae_export.export_models`.

    Raises:
        InputError: a model cannot be loaded or used, or the two models do not fit each other or the images.
    """
    if isinstance(decoder_output, str):
        if decoder_output not in OUTPUT_KINDS:
            raise InputError(
                f"decoder_output: expected {', '.join(OUTPUT_KINDS)} or two numbers, found {decoder_output!r}"
            )
    else:
        _check_range("decoder_output", decoder_output)
    if input_range is not None:
        _check_range("input_range", input_range)
    if binarize_at is not None and not 1 <= binarize_at <= 255:
        raise InputError(f"binarize_at: expected a threshold from 1 to 255, found {binarize_at}")
    encoding, decoding = network_of(encoder, "encoder"), network_of(decoder, "decoder")
    check_roles(encoding, decoding)
    image_shape, latent_dim = image_shape_of(encoding), latent_dim_of(decoding)
    decode, kind = adapt_decoder(decoding, prior_latents(0, 0, _TRIAL_LATENTS, latent_dim), image_shape, decoder_output)

    def to_input(levels: Any, ends: Range) -> tf.Tensor:
        return _preprocessing(ends, binarize_at)(levels)

    graph = graph_of_encoder(encoding)
    pixels = input_range_of(encoding, graph, input_range, (0.0, 1.0) if isinstance(kind, str) else kind, to_input)
    preprocess = _preprocessing(pixels, binarize_at)
    grey = grey_images(image_shape)
    dark_to_bright = grey[np.linspace(0, len(grey) - 1, 4).astype(np.int64)]
    encode = adapt_encoder(encoding, preprocess(dark_to_bright), latent_dim)
    check_logvar(encoding, graph)
    dataset = _load(data, image_shape, quiet=quiet)
    if dataset is not None:
        check_reconstructions(encoding, decoding, dataset.test[:_TRIAL_IMAGES], to_input, pixels, kind)
    return ExportSource(
        info=ModelInfo(
            image_shape=image_shape,
            latent_dim=latent_dim,
            filters=(),
            likelihood="bernoulli",
            preprocessing=Preprocessing(scale=255, binarize_at=binarize_at),
            rng=RNG_NAME,
        ),
        preprocess=preprocess,
        preprocess_float=lambda images: preprocess(tf.round(images * 255.0)),
        encode=encode,
        decode=decode,
        test_images=None if dataset is None else dataset.test,
        calibration_images=None if dataset is None else lambda: dataset.train,
        training=None,
    )


def _check_range(name: str, pixels: Range) -> None:
    low, high = pixels
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"{name}: expected the values of pixels 0 and 255, such as 0, 1; found {low:g}, {high:g}")


def _preprocessing(input_range: Range, binarize_at: int | None) -> Callable[[Any], tf.Tensor]:
    """Return a function that maps pixels 0 to 255 to the network's input: binarized if requested, then rescaled."""
    low, high = input_range
    scale = (high - low) / (255.0 if binarize_at is None else 1.0)

    def preprocess(pixels: Any) -> tf.Tensor:
        values = tf.cast(pixels, tf.float32)
        if binarize_at is not None:
            values = tf.cast(values >= float(binarize_at), tf.float32)
        if scale != 1.0:
            values *= scale
        return values if low == 0.0 else values + low

    return preprocess


def _load(data: str | Path | Dataset | None, image_shape: tuple[int, int, int], *, quiet: bool) -> Dataset | None:
    if data is None:
        return None
    dataset = data if isinstance(data, Dataset) else load_data(data, quiet=quiet)
    if dataset.image_shape != image_shape:
        raise InputError(
            f"{dataset.source}: expected images of {image_shape}, the encoder's input, found {dataset.image_shape}; "
            f"pass other images, or leave out --data"
        )
    return dataset
