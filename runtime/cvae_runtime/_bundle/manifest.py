"""The manifest of a bundle, format 1, as frozen dataclasses; the exporter writes manifests with them too.

``manifest.schema.json`` states the same rules for other languages; a test checks that both reject the same manifests.
Unknown keys are ignored, so that later versions can add some.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from .._errors import BundleError
from .._system import parse_json
from .decode import Rule, decode_object, excerpt

FORMAT = 1
MANIFEST_NAME = "manifest.json"
"""The name of the manifest in a bundle."""

# The decoder's outputs for each known likelihood: float32 [batch, H, W, C] each; a mixture's parameters are
# [batch, H, W, C, K].
DECODER_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "bernoulli": ("probs",),
    "discretized-logistic": ("probs", "log_scale"),
    "discretized-logistic-mixture": ("probs", "location", "log_scale", "mixture_logits"),
}

_MOST_GRAPHS = 256  # in a bundle; cvae-export writes up to 20

Target = Literal["portable", "cpu"]
"""The runtimes that a graph is made for: any, or ONNX Runtime's CPU provider."""
Precision = Literal["float32", "float16", "int8"]
"""The precision of a graph's weights and products."""


def _matching(pattern: str, words: str) -> Rule:
    return Rule(words, lambda text: re.fullmatch(pattern, text) is not None)


_Positive = Annotated[int, Rule("at least 1", lambda number: number >= 1)]
_Pixel = Annotated[int, Rule("1 to 255", lambda number: 1 <= number <= 255)]
# Without a separator and a leading dot, a name cannot leave the bundle's folder.
_FileName = Annotated[str, _matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "a plain file name")]
_Sha256 = Annotated[str, _matching(r"[0-9a-f]{64}", "64 hex digits")]


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of raw pixels inside the encoder's graph.

    Attributes:
        scale: divisor of the pixels, if they are not binarized.
        binarize_at: smallest pixel value that becomes 1; None if pixels are not binarized.
    """

    scale: _Positive
    binarize_at: _Pixel | None


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """The model's shapes, likelihood, preprocessing and random numbers.

    Attributes:
        image_shape: (H, W, C), the shape of an image.
        latent_dim: L, the number of latent dimensions.
        filters: number of channels of each convolution of the encoder.
        likelihood: p(x|z): "bernoulli", "discretized-logistic" or "discretized-logistic-mixture"; later
            versions may add names.
        preprocessing: the preprocessing inside the encoder.
        rng: name of the random numbers that define the samples, such as "threefry2x32-20/box-muller".
    """

    image_shape: tuple[_Positive, _Positive, _Positive]
    latent_dim: _Positive
    filters: tuple[_Positive, ...]
    likelihood: str
    preprocessing: Preprocessing
    rng: str

    @property
    def decoder_outputs(self) -> tuple[str, ...]:
        """Names of the decoder's outputs that the likelihood needs; ("probs",) for an unknown likelihood."""
        return DECODER_OUTPUTS.get(self.likelihood, ("probs",))


@dataclasses.dataclass(frozen=True)
class Training:
    """The training run that made the weights.

    Attributes:
        config: the run's configuration.
        data: name of the data set.
        test_images: number of test images.
        test_elbo: mean ELBO of the test images, in nats per image.
        test_elbo_stderr: standard error of ``test_elbo``; None for a single image.
    """

    config: Mapping[str, Any]
    data: str
    test_images: _Positive
    test_elbo: float
    test_elbo_stderr: float | None


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """An input or output of a graph.

    Attributes:
        name: its name in the graph.
        dtype: NumPy's name, such as "float32".
        shape: a number for each fixed dimension, and a name for each dimension of any size.
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
    """

    max_abs_difference: Mapping[str, float]
    elbo_change: float | None
    speed_ratio: float | None


@dataclasses.dataclass(frozen=True)
class GraphInfo:
    """A graph: one ``.onnx`` file of the bundle.

    Attributes:
        role: "encoder", "decoder", or an optional role.
        target: "portable" for any provider, or "cpu".
        precision: "float32", "float16" or "int8".
        file: name of the file in the bundle's folder.
        bytes: size of the file.
        sha256: SHA-256 of the file, in hex.
        opset, ir_version: versions of ONNX that the graph needs.
        passes: names of the graph rewrites that the export applied.
        inputs, outputs: the graph's tensors.
        verified: the export's measurements.
    """

    role: str
    target: Target
    precision: Precision
    file: _FileName
    bytes: _Positive
    sha256: _Sha256
    opset: _Positive
    ir_version: _Positive
    passes: tuple[str, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    verified: Verified


@dataclasses.dataclass(frozen=True)
class GoldenInfo:
    """The file of golden vectors: its name, size in bytes, and SHA-256 in hex."""

    file: _FileName
    bytes: _Positive
    sha256: _Sha256


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The content of ``manifest.json``.

    Attributes:
        model: shapes, likelihood, preprocessing and random numbers.
        training: the training run; None without a run of cvae-train or without test images.
        graphs: every graph. A portable float32 encoder and decoder are required.
        golden: the file of golden vectors.
        versions: version of each package that took part in the export, by name.
    """

    model: ModelInfo
    training: Training | None
    graphs: tuple[GraphInfo, ...]
    golden: GoldenInfo
    versions: Mapping[str, str]

    def to_json(self) -> str:
        """Return the text of ``manifest.json``."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=2, allow_nan=False) + "\n"


def parse_manifest(text: str | bytes, source: str) -> Manifest:
    """Parse the text of a ``manifest.json``.

    Args:
        text: JSON.
        source: name of the file in error messages.

    Raises:
        BundleError: the text is not JSON, has another format version, or lacks a field or has an invalid one.
    """
    try:
        value = parse_json(text)
    except ValueError as error:
        raise BundleError(f"{source}: expected JSON: {error}; export the bundle again") from error
    if not isinstance(value, dict) or "format" not in value:
        raise BundleError(f'{source}: expected an object with "format": {FORMAT}; this is not a bundle\'s manifest')
    if value["format"] != FORMAT or isinstance(value["format"], bool):
        raise BundleError(
            f"{source}: expected format {FORMAT}, found {excerpt(value['format'])}; "
            f"use the version of cvae-toolkit that wrote it, or export the bundle again"
        )
    graphs = value.get("graphs")
    if isinstance(graphs, list) and len(graphs) > _MOST_GRAPHS:
        raise BundleError(
            f"{source}: graphs: expected at most {_MOST_GRAPHS}, found {len(graphs):,}; export the bundle again"
        )
    manifest = decode_object(Manifest, value, source, "")
    for role in ("encoder", "decoder"):
        if not any((g.role, g.target, g.precision) == (role, "portable", "float32") for g in manifest.graphs):
            raise BundleError(
                f"{source}: graphs: expected a portable float32 {role}, found none; export the bundle again"
            )
    needed = manifest.model.decoder_outputs
    for n, graph in enumerate(manifest.graphs):
        names = [tensor.name for tensor in graph.outputs]
        if graph.role == "decoder" and not set(needed).issubset(names):
            raise BundleError(
                f"{source}: graphs[{n}].outputs: expected {' and '.join(needed)}, for the likelihood "
                f"{manifest.model.likelihood!r}, found {', '.join(names) or 'none'}; export the bundle again"
            )
    return manifest
