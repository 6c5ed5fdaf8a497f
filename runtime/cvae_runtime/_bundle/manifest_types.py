"""The parts of a manifest. Made by scripts/manifest.py from manifest.schema.json; change the schema."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from .manifest_methods import DescribesGraphs, WritesJson

Target = Literal["portable", "cpu"]
"""The providers that a graph is for.

Examples:
    >>> sorted({graph.target for graph in cvae.read_bundle().manifest.graphs})
    ['cpu', 'portable']
"""
Prior = Literal["learned"]
"""The distribution of latents, if it is not N(0, I).

Examples:
    >>> cvae.read_bundle().manifest.model.prior is None
    True
"""
Precision = Literal["float32", "float16", "int8"]
"""The precision of a graph's weights.

Examples:
    >>> sorted({graph.precision for graph in cvae.read_bundle().manifest.graphs})
    ['float32', 'int8']
"""


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of raw pixels inside the encoder's graph.

    Attributes:
        scale: divisor of the pixels, if they are not binarized.
        binarize_at: smallest pixel value that becomes 1; None if pixels are not binarized.

    Examples:
        >>> cvae.read_bundle().manifest.model.preprocessing
        Preprocessing(scale=255, binarize_at=128)
    """

    scale: int
    binarize_at: int | None


@dataclasses.dataclass(frozen=True)
class ModelInfo(DescribesGraphs):
    """The model's shapes, likelihood, preprocessing and random numbers.

    Attributes:
        image_shape: (H, W, C), the shape of an image.
        latent_dim: L, the number of latent dimensions.
        filters: number of channels of each convolution of the encoder, or at 1/2, 1/4, ... of the image's side if the
            architecture is residual.
        likelihood: p(x|z): bernoulli, discretized-logistic or discretized-logistic-mixture; later versions may add
            names.
        preprocessing: the preprocessing inside the encoder.
        rng: name of the random numbers that define the samples, such as threefry2x32-20/box-muller.
        architecture: name of the network, such as residual; absent for the notebook's network and for models from other
            projects. Later versions may add names.
        labels: names of the classes that the graphs' input label chooses, by index; the number of classes stands for no
            label. Absent for models without labels.
        prior: learned if the graphs prior and prior_density define p(z); absent for N(0, I).

    Examples:
        >>> model = cvae.read_bundle().manifest.model
        >>> model.latent_dim, model.decoder_outputs
        (50, ('probs',))
    """

    image_shape: tuple[int, int, int]
    latent_dim: int
    filters: tuple[int, ...]
    likelihood: str
    preprocessing: Preprocessing
    rng: str
    architecture: str | None = None
    labels: tuple[str, ...] | None = None
    prior: Prior | None = None


@dataclasses.dataclass(frozen=True)
class Training:
    """The training run that made the weights.

    Attributes:
        config: the run's configuration.
        data: name of the data set.
        test_images: number of test images.
        test_elbo: mean ELBO of the test images, in nats per image.
        test_elbo_stderr: standard error of test_elbo; None for a single image.
        epoch: epoch of the run whose weights the graphs have, counted from 1; absent in older bundles.
        checkpoint: checkpoint of the run that has these weights: best, of the epoch of best validation ELBO, or last,
            of the last complete epoch; absent in older bundles. Later versions may add names.

    Examples:
        >>> cvae.read_bundle().manifest.training.test_images
        10000
    """

    config: Mapping[str, Any]
    data: str
    test_images: int
    test_elbo: float
    test_elbo_stderr: float | None
    epoch: int | None = None
    checkpoint: str | None = None


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """An input or output of a graph.

    Attributes:
        name: its name in the graph.
        dtype: NumPy's name, such as float32.
        shape: a number for each fixed dimension, and a name for each dimension of any size.

    Examples:
        >>> cvae.read_bundle().manifest.graphs[0].inputs
        (TensorInfo(name='images', dtype='uint8', shape=('batch', 28, 28, 1)),)
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclasses.dataclass(frozen=True)
class Verified:
    """The export's measurements of a graph against the trained model.

    Attributes:
        max_abs_difference: largest absolute difference over the test set, by output.
        elbo_change: change of the test ELBO, in nats per image; None without a test set.
        speed_ratio: time of the float32 graph that this graph replaces, divided by the time of this graph; None if not
            measured.

    Examples:
        >>> verified = cvae.read_bundle().manifest.graphs[0].verified
        >>> max(verified.max_abs_difference.values()) < 1e-4
        True
    """

    max_abs_difference: Mapping[str, float]
    elbo_change: float | None
    speed_ratio: float | None


@dataclasses.dataclass(frozen=True)
class GraphInfo:
    """A graph: one .onnx file of the bundle.

    Attributes:
        role: encoder, decoder, or an optional role.
        target: portable for any provider, or cpu.
        precision: float32, float16 or int8.
        file: name of the file in the bundle's folder.
        bytes: size of the file.
        sha256: SHA-256 of the file, in hex.
        opset: version of ONNX's operators that the graph needs.
        ir_version: version of ONNX's file format that the graph needs.
        passes: names of the graph rewrites that the export applied.
        inputs: the graph's inputs.
        outputs: the graph's outputs.
        verified: the export's measurements.

    Examples:
        >>> graph = cvae.read_bundle().manifest.graphs[0]
        >>> graph.file, graph.role, graph.precision
        ('encoder.onnx', 'encoder', 'float32')
    """

    role: str
    target: Target
    precision: Precision
    file: str
    bytes: int
    sha256: str
    opset: int
    ir_version: int
    passes: tuple[str, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    verified: Verified


@dataclasses.dataclass(frozen=True)
class FileInfo:
    """A file of the bundle that is not a graph.

    Attributes:
        file: name of the file in the bundle's folder.
        bytes: size of the file.
        sha256: SHA-256 of the file, in hex.

    Examples:
        >>> cvae.read_bundle().manifest.golden.file
        'golden.json'
    """

    file: str
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest(WritesJson):
    """The content of manifest.json, format 1 or 2.

    Attributes:
        model: shapes, likelihood, preprocessing and random numbers.
        training: the training run; None without a run of cvae-train or without test images.
        graphs: every graph. A portable float32 encoder and decoder are required.
        golden: the file of golden vectors.
        versions: version of each package that took part in the export, by name.

    Examples:
        >>> manifest = cvae.read_bundle().manifest
        >>> manifest.model.image_shape, sorted({graph.role for graph in manifest.graphs})
        ((28, 28, 1), ['decoder', 'encoder'])
    """

    model: ModelInfo
    training: Training | None
    graphs: tuple[GraphInfo, ...]
    golden: FileInfo
    versions: Mapping[str, str]
