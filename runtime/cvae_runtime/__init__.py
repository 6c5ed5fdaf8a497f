"""Run a convolutional variational autoencoder through ONNX Runtime, without TensorFlow.

    import cvae_runtime as cvae
    model = cvae.load()                    # the MNIST model of the package
    images = model.generate(64, seed=0)    # float32 (64, 28, 28, 1), in [0, 1]

Importing this imports no ONNX Runtime; the first `load` does. It sets ORT_DISABLE_TELEMETRY=1, unless it has a value:
ONNX Runtime's official builds report their use over the network otherwise.
"""

from ._arrays import as_images, npy_bytes, npz_bytes, npz_names, picture_shape, read_npy, read_npz, spans
from ._bundle import BUNDLE_LAYOUT, Bundle, packaged_bundle, read_bundle
from ._cores import allowed_cores
from ._cut import evenly_spaced, look_at_cut
from ._elbo import (
    EVALUATION_SEED,
    PROBABILITY_FLOOR,
    bernoulli_log_likelihood,
    discretized_logistic_log_likelihood,
    discretized_logistic_mixture_log_likelihood,
    gaussian_kl,
    gaussian_kl_per_dimension,
    log_likelihood,
    reparameterize,
    targets_of,
)
from ._errors import (
    BundleError,
    CvaeError,
    InputError,
    IntegrityError,
    MissingExtraError,
    ProviderError,
    TargetExistsError,
)
from ._extras import require
from ._file_kind import PICTURE_FORMATS, file_kind
from ._files import move_file, refuse_existing, refuse_special, write_file
from ._folders import make_folder, new_folder, refuse_existing_folder
from ._golden import Golden, GoldenCase, GoldenLatents, parse_golden
from ._hold import hold_folder
from ._idx import read_idx
from ._image_files import encoded_shape, fit_picture, read_images, read_picture
from ._json import parse_json
from ._layout import Layout, check_replaceable, remove_temporary
from ._manifest import (
    MANIFEST_NAME,
    GoldenInfo,
    GraphInfo,
    Manifest,
    ModelInfo,
    Precision,
    Preprocessing,
    Target,
    TensorInfo,
    Training,
    Verified,
    parse_manifest,
)
from ._memory import available_memory
from ._model import Model, load
from ._picture_folder import PICTURE_SUFFIXES, describe_passed_over, find_pictures
from ._pictures import encode_gif, encode_png, picture_grid, to_uint8
from ._printable import printable_values
from ._providers import PROVIDERS
from ._random import RNG_NAME, check_seed, posterior_noise, prior_latents
from ._score import Posterior, Scores, score_images
from ._self_check import GoldenResult, check_golden
from ._telemetry import silence as _silence
from ._web import check_page, is_single_file, write_page

_silence()

__all__ = [
    "BUNDLE_LAYOUT",
    "EVALUATION_SEED",
    "MANIFEST_NAME",
    "PICTURE_FORMATS",
    "PICTURE_SUFFIXES",
    "PROBABILITY_FLOOR",
    "PROVIDERS",
    "RNG_NAME",
    "Bundle",
    "BundleError",
    "CvaeError",
    "Golden",
    "GoldenCase",
    "GoldenInfo",
    "GoldenLatents",
    "GoldenResult",
    "GraphInfo",
    "InputError",
    "IntegrityError",
    "Layout",
    "Manifest",
    "MissingExtraError",
    "Model",
    "ModelInfo",
    "Posterior",
    "Precision",
    "Preprocessing",
    "ProviderError",
    "Scores",
    "Target",
    "TargetExistsError",
    "TensorInfo",
    "Training",
    "Verified",
    "allowed_cores",
    "as_images",
    "available_memory",
    "bernoulli_log_likelihood",
    "check_golden",
    "check_page",
    "check_replaceable",
    "check_seed",
    "describe_passed_over",
    "discretized_logistic_log_likelihood",
    "discretized_logistic_mixture_log_likelihood",
    "encode_gif",
    "encode_png",
    "encoded_shape",
    "evenly_spaced",
    "file_kind",
    "find_pictures",
    "fit_picture",
    "gaussian_kl",
    "gaussian_kl_per_dimension",
    "hold_folder",
    "is_single_file",
    "load",
    "log_likelihood",
    "look_at_cut",
    "make_folder",
    "move_file",
    "new_folder",
    "npy_bytes",
    "npz_bytes",
    "npz_names",
    "packaged_bundle",
    "parse_golden",
    "parse_json",
    "parse_manifest",
    "picture_grid",
    "picture_shape",
    "posterior_noise",
    "printable_values",
    "prior_latents",
    "read_bundle",
    "read_idx",
    "read_images",
    "read_npy",
    "read_npz",
    "read_picture",
    "refuse_existing",
    "refuse_existing_folder",
    "refuse_special",
    "remove_temporary",
    "reparameterize",
    "require",
    "score_images",
    "spans",
    "targets_of",
    "to_uint8",
    "write_file",
    "write_page",
]
