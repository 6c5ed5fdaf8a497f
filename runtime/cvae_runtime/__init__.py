"""Run a convolutional variational autoencoder through ONNX Runtime, without TensorFlow.

    import cvae_runtime as cvae
    model = cvae.load()                    # the packaged MNIST model
    images = model.generate(64, seed=0)    # float32 (64, 28, 28, 1), in [0, 1]

The first `load` imports ONNX Runtime; importing this package does not. The import sets ORT_DISABLE_TELEMETRY=1 unless
the variable has a value, because official builds of ONNX Runtime send telemetry to Microsoft.

The examples below begin with ``import cvae_runtime as cvae`` and ``import numpy as np``.
"""

from ._bundle import Bundle, packaged_bundle, read_bundle
from ._engine import PROVIDERS, check_golden
from ._engine import disable_telemetry as _disable_telemetry
from ._errors import (
    BundleError,
    CvaeError,
    InputError,
    IntegrityError,
    MissingExtraError,
    ProviderError,
    TargetExistsError,
)
from ._images import encode_gif, encode_png, picture_grid, read_images, to_uint8
from ._math import posterior_noise, prior_latents
from ._model import Model, load
from ._score import Posterior, Scores

_disable_telemetry()

__all__ = [
    "PROVIDERS",
    "Bundle",
    "BundleError",
    "CvaeError",
    "InputError",
    "IntegrityError",
    "MissingExtraError",
    "Model",
    "Posterior",
    "ProviderError",
    "Scores",
    "TargetExistsError",
    "check_golden",
    "encode_gif",
    "encode_png",
    "load",
    "packaged_bundle",
    "picture_grid",
    "posterior_noise",
    "prior_latents",
    "read_bundle",
    "read_images",
    "to_uint8",
]
