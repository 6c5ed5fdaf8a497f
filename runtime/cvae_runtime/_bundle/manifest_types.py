"""The parts of a manifest. Made by scripts/manifest.py from manifest.schema.json; change the schema."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from .manifest_methods import DescribesGraphs, WritesJson

Target = Literal["portable", "cpu"]
"""The providers that a graph is for.

Examples:
    >>> {graph.target for graph in cvae.read_bundle().manifest.graphs}
    {'portable'}
"""
Prior = Literal["learned"]
"""The distribution of latents, if it is not N(0, I).

Examples:
    >>> cvae.read_bundle().manifest.model.prior
    'learned'
"""
Precision = Literal["float32", "float16", "int8"]
"""The precision of a graph's weights.

Examples:
    >>> {graph.precision for graph in cvae.read_bundle().manifest.graphs}
    {'float32'}
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
        (40, ('probs',))
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
        >>> cvae.read_bundle().manifest.graphs[0].inputs[0]
        TensorInfo(name='images', dtype='uint8', shape=('batch', 28, 28, 1))
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
class ImageSet:
    """Images that a calibration used.

    Attributes:
        count: number of images.
        sha256: SHA-256 of their pixels, uint8 in the shape of the model, in the order of the files, in hex.

    Examples:
        >>> bundle.ImageSet(count=99, sha256=64 * "0").count
        99
    """

    count: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Background:
    """The background model of a likelihood ratio.

    Attributes:
        sha256: SHA-256 of the manifest of its bundle, in hex.

    Examples:
        >>> bundle.Background(sha256=cvae.read_bundle().sha256).sha256 == cvae.load().sha256
        True
    """

    sha256: str


@dataclasses.dataclass(frozen=True)
class Detector:
    """The calibration of a detector, whose graph computes scores, p-values, alarms and maps.

    Attributes:
        score: elbo, reconstruction, error, kl, typicality or likelihood-ratio; later versions may add names.
        draws: k, the draws of the posterior for each image: posterior noise 0 ... k - 1 of seed 0.
        false_alarms: highest rate of false alarms, averaged over calibration sets: an image raises an alarm if its
            p-value is at most this.
        threshold: the calibration score that the score of an alarm exceeds.
        count: n, the number of calibration scores.
        scores: scores of the calibration images, float32, ascending.
        map_threshold: value of a smoothed map above which a pixel belongs to a conspicuous region, in nats.
        seed: seed that split the good images; from 0 to 2^53 - 1.
        fit: good images on which score, median, map and map_threshold were chosen.
        calibration: good images of the calibration scores, none of which is in fit.
        median: median ELBO of the images in fit, in nats, of the score typicality; absent for the others.
        background: the background model of the score likelihood-ratio; absent for the others.

    Examples:
        >>> cvae.read_bundle().manifest.detector is None  # cvae-calibrate adds one
        True
    """

    score: str
    draws: int
    false_alarms: float
    threshold: float
    count: int
    scores: tuple[float, ...]
    map_threshold: float
    seed: int
    fit: ImageSet
    calibration: ImageSet
    median: float | None = None
    background: Background | None = None


@dataclasses.dataclass(frozen=True)
class DerivedFile:
    """A file in the format of another program, which cvae-runtime does not open.

    Attributes:
        kind: format of the file, such as safetensors.
        file: name of the file in the bundle's folder.
        bytes: size of the file.
        sha256: SHA-256 of the file, in hex.
        from_: name of the file that it was made from.

    Examples:
        >>> [file.file for file in cvae.read_bundle().manifest.files]
        ['golden.safetensors']
    """

    kind: str
    file: str
    bytes: int
    sha256: str
    from_: str


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
        files: files in the formats of other programs, made from files of the bundle; absent if there are none.
        detector: the calibration of the graph of role detector; absent for bundles that cvae-calibrate did not write.

    Examples:
        >>> manifest = cvae.read_bundle().manifest
        >>> manifest.model.image_shape, sorted({graph.role for graph in manifest.graphs})
        ((28, 28, 1), ['decoder', 'encoder', 'prior', 'prior_density'])
    """

    model: ModelInfo
    training: Training | None
    graphs: tuple[GraphInfo, ...]
    golden: FileInfo
    versions: Mapping[str, str]
    files: tuple[DerivedFile, ...] | None = None
    detector: Detector | None = None
