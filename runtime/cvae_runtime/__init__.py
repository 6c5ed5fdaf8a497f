"""Run a convolutional variational autoencoder through ONNX Runtime, without TensorFlow.

    import cvae_runtime as cvae
    model = cvae.load()                    # the packaged MNIST model
    images = model.generate(64, seed=0)    # float32 (64, 28, 28, 1), in [0, 1]

The first `load` imports ONNX Runtime; importing this package does not. The import sets ORT_DISABLE_TELEMETRY=1 unless
the variable has a value, because official builds of ONNX Runtime send telemetry to Microsoft.
"""

from typing import Any as _Any

from ._bundle import Bundle, packaged_bundle, read_bundle
from ._engine import PROVIDERS, Provider, check_golden
from ._engine import disable_telemetry as _disable_telemetry
from ._engine import distribution_version as _distribution_version
from ._errors import (
    BundleError,
    CvaeError,
    InputError,
    IntegrityError,
    MissingExtraError,
    ParityError,
    ProviderError,
    TargetExistsError,
)
from ._images import encode_gif, encode_png, image_grid, read_images, show, to_uint8
from ._math import posterior_noise, prior_latents
from ._model import Detection, Model, load
from ._score import Posterior, Scores

_disable_telemetry()

__version__: str


def __getattr__(name: str) -> _Any:
    # Reading the version of a distribution takes longer than importing this package.
    if name == "__version__":
        return _distribution_version("cvae-toolkit") or "0+unknown"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "PROVIDERS",
    "Bundle",
    "BundleError",
    "CvaeError",
    "Detection",
    "InputError",
    "IntegrityError",
    "MissingExtraError",
    "Model",
    "ParityError",
    "Posterior",
    "Provider",
    "ProviderError",
    "Scores",
    "TargetExistsError",
    "check_golden",
    "encode_gif",
    "encode_png",
    "image_grid",
    "load",
    "packaged_bundle",
    "posterior_noise",
    "prior_latents",
    "read_bundle",
    "read_images",
    "show",
    "to_uint8",
]
