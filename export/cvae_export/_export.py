"""Export a trained model as a verified bundle."""

import dataclasses
import hashlib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from cvae_runtime import prior_latents
from cvae_runtime.bundle import (
    BUNDLE_LAYOUT,
    FileInfo,
    Golden,
    GoldenCase,
    GoldenLatents,
    Manifest,
    Training,
)
from cvae_runtime.files import refuse_existing_folder
from cvae_runtime.system import require
from cvae_train import Checkpoint, Dataset

from ._build import SkippedGraph, build, count_graphs
from ._config import GOLDEN_ATOL, DecoderOutput, ExportConfig, Range
from ._keras_source import source_of_models
from ._other_formats import derived_file, other_formats
from ._progress import show_progress
from ._reference import Reference
from ._source import ExportSource, source_of_run
from ._verify import Comparison, MeanElbo, run_onnx, table
from ._write import write_bundle

GOLDEN_NAME = "golden.json"
SAFETENSORS_NAME = "golden.safetensors"  # the same vectors in another format

_GOLDEN_ATOL_OF_FEW_BITS = 0.05  # instead of GOLDEN_ATOL
_GOLDEN_ATOL_OF_DENSITY = 1e-3  # nats

_PACKAGES = ("cvae-toolkit", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")


@dataclasses.dataclass(frozen=True, repr=False)
class ExportResult:
    """An exported bundle.

    Attributes:
        path: the bundle's folder.
        manifest: the bundle's manifest.
        comparisons: each graph compared with the model.
        skipped: requested graphs that were not written, with the reasons.
        elbo: the model's ELBO over the test set; None without test images.

    Examples:
        >>> result = cvae_export.export("runs/0001", "my-model", overwrite=True, quiet=True)
        >>> sorted({graph.role for graph in result.manifest.graphs}), result.elbo.count
        (['decoder', 'encoder'], 13)
    """

    path: Path
    manifest: Manifest
    comparisons: Sequence[Comparison]
    skipped: Sequence[SkippedGraph]
    elbo: MeanElbo | None

    def table(self) -> str:
        """Return the comparisons as lines of text."""
        return table(self.comparisons)

    def __repr__(self) -> str:
        largest = max(max(comparison.differences.values()) for comparison in self.comparisons)
        given = "" if self.manifest.model.labels is None else " given the label"
        elbo = "" if self.elbo is None else f"; test ELBO{given} {self.elbo}"
        files = ", ".join(graph.file for graph in self.manifest.graphs)
        return f"<ExportResult {self.path}: {files}; differences up to {largest:.1e}{elbo}>"


def export(
    run: str | Path,
    target: str | Path,
    config: ExportConfig | None = None,
    *,
    data: str | Path | None = None,
    checkpoint: Checkpoint | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> ExportResult:
    """Export a run as a bundle, verified on its whole test set.

    Args:
        run: the run folder.
        target: the bundle's folder; on an error nothing is written.
        config: which graphs to write; None: the default `ExportConfig`.
        data: the images that the run was trained on, if they have moved since.
        checkpoint: "best" or "last"; see `cvae_train.load_run`, which also loads runs that were stopped.
        overwrite: replace an existing bundle.
        quiet: show no progress.

    Raises:
        InputError: the run has no such checkpoint, or its images are missing or have another fingerprint.
        TargetExistsError: the target exists, and ``overwrite`` is false or it holds anything but a bundle.
        ConversionError: the opset lacks an operator.
        MissingExtraError: LiteRT is not installed, which compares its files.
        ParityError: a graph differs from the trained model, or another file from its graph, by more than its tolerance.

    Examples:
        >>> result = cvae_export.export("runs/0001", "small-digits", quiet=True)
        >>> cvae.load("small-digits").generate(3).shape
        (3, 8, 8, 1)
    """
    refuse_existing_folder(Path(target), BUNDLE_LAYOUT, overwrite)
    source = source_of_run(run, data, checkpoint=checkpoint, quiet=quiet)
    return _export(source, Path(target), config or ExportConfig(), overwrite=overwrite, quiet=quiet)


def export_models(
    encoder: Any,
    decoder: Any,
    target: str | Path,
    config: ExportConfig | None = None,
    *,
    decoder_output: DecoderOutput = "auto",
    input_range: Range | None = None,
    binarize_at: int | None = None,
    data: str | Path | Dataset | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> ExportResult:
    """Export any Keras encoder and decoder as a bundle, verified on seeded inputs or on your images.

    Args:
        encoder: maps images float32 (N, H, W, C) to mean and logvar (N, L). A Keras model, or the path of a ``.keras``
            file or SavedModel folder. Its outputs are mean and logvar, in this order or with these names, or one
            output (N, 2L) that concatenates both. A third output, a sample, is left out.
        decoder: maps latents float32 (N, L) to images (N, H, W, C). A Keras model or a path, like the encoder.
        target: the bundle's folder; on an error nothing is written.
        config: which graphs to write; None: the default `ExportConfig`.
        decoder_output: "logits", "probs", or the decoder's values for pixels 0 and 255, such as (-1, 1); values beyond
            are clipped. "auto" infers it from the last activation.
        input_range: the encoder's input values for pixels 0 and 255; None: inferred from its first layers.
        binarize_at: the smallest pixel value that becomes 255; smaller ones become 0. None: no binarization.
        data: images of the encoder's shape: what `cvae_train.load_data` takes, or its result. The graphs are verified
            on their test part, and the ELBO is measured on it.
        overwrite: replace an existing bundle.
        quiet: show no progress.

    Raises:
        InputError: a model cannot be loaded or used, the two models do not fit each other or the images, or the
            options contradict their first and last layers.
        TargetExistsError, ConversionError, MissingExtraError, ParityError: as `export`.

    Examples:
        >>> from keras import Input, Sequential, layers
        >>> encoder = Sequential([Input((8, 8, 1)), layers.Flatten(), layers.Dense(4)])  # mean and logvar
        >>> decoder = Sequential([Input((2,)), layers.Dense(64, "sigmoid"), layers.Reshape((8, 8, 1))])
        >>> result = cvae_export.export_models(encoder, decoder, "keras-model", input_range=(0, 1), quiet=True)
        >>> cvae.load("keras-model").generate(3).shape
        (3, 8, 8, 1)
    """
    refuse_existing_folder(Path(target), BUNDLE_LAYOUT, overwrite)
    source = source_of_models(
        encoder,
        decoder,
        decoder_output=decoder_output,
        input_range=input_range,
        binarize_at=binarize_at,
        data=data,
        quiet=quiet,
    )
    return _export(source, Path(target), config or ExportConfig(), overwrite=overwrite, quiet=quiet)


def _export(source: ExportSource, target: Path, config: ExportConfig, *, overwrite: bool, quiet: bool) -> ExportResult:
    if "tflite" in config.also:  # here, since the graphs take minutes
        require("ai_edge_litert", "tflite")
    with show_progress(count_graphs(config, source.info), quiet=quiet) as progress:
        reference = Reference(source)
        comparisons, skipped = build(reference, config, progress)
    elbo = None if reference.elbos is None else MeanElbo.of(reference.elbos)
    vectors = _golden_vectors(comparisons, reference)
    golden, tensors = vectors.to_json().encode(), vectors.to_safetensors()
    others = {derived_file("safetensors", SAFETENSORS_NAME, tensors, GOLDEN_NAME): tensors}
    others |= other_formats([comparison.graph for comparison in comparisons], vectors, source, config)
    manifest = Manifest(
        model=source.info,
        training=None
        if source.training is None or elbo is None
        else Training(**source.training, test_elbo=elbo.mean, test_elbo_stderr=elbo.stderr),
        graphs=tuple(comparison.graph.describe(comparison.verified) for comparison in comparisons),
        golden=FileInfo(GOLDEN_NAME, len(golden), hashlib.sha256(golden).hexdigest()),
        files=tuple(others),
        versions={name: metadata.version(name) for name in _PACKAGES},
    )
    files = {comparison.graph.file: comparison.graph.data for comparison in comparisons}
    files |= {GOLDEN_NAME: golden} | {info.file: data for info, data in others.items()}
    write_bundle(target, manifest, files, overwrite=overwrite)
    return ExportResult(target, manifest, comparisons, skipped, elbo)


def _golden_vectors(comparisons: Sequence[Comparison], reference: Reference) -> Golden:
    """Return golden vectors: a few inputs and outputs of every graph, and latents of extreme seeds and indices."""
    latent_dim = reference.source.info.latent_dim
    cases = []
    for comparison in comparisons:
        graph = comparison.graph
        inputs = reference.golden_inputs(graph.role)
        outputs = run_onnx(graph.data)(inputs)
        largest = max(float(np.abs(array).max()) for array in outputs.values())
        # Graphs in fewer bits also round differently on other processors; saturated integers are further off.
        atol = (GOLDEN_ATOL if graph.precision == "float32" else _GOLDEN_ATOL_OF_FEW_BITS) * max(1.0, largest)
        # Integer grey levels may differ by 1 where a value is on the edge between two.
        level = max(float(np.issubdtype(array.dtype, np.integer)) for array in outputs.values())
        atol = _GOLDEN_ATOL_OF_DENSITY if graph.role == "prior_density" else max(atol, level)
        cases.append(GoldenCase(graph.file, inputs, outputs, atol))
    corners = [(0, 0, 2, latent_dim), (7, 40, 1, latent_dim), (0x0123456789ABCDEF, 2**40, 1, 3)]
    rng = [GoldenLatents(*corner, prior_latents(*corner)) for corner in corners]
    return Golden(tuple(cases), tuple(rng))
