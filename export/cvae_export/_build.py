"""Build the graphs of a bundle, and keep those that are accurate and fast enough.

The portable float32 graph of every role is required: if one is inaccurate, the export fails. All other graphs are
optional: a graph that is inaccurate, or not faster than the graph that it replaces, is skipped with the reason.

The rewrites of a graph are measured too: each one is left out in turn, and stays out if the graph is faster without it.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnx

from cvae_runtime import InputError
from cvae_runtime.bundle import ModelInfo, Precision, Target

from ._config import PASSES, ROLES, ROLES_OF_PRIOR, ExportConfig
from ._convert import ConversionError, convert, finish
from ._float16 import to_float16
from ._functions import FUNCTIONS, outputs_of
from ._graph import Graph
from ._int8 import CALIBRATION_IMAGES, NotQuantizable, to_int8
from ._progress import Progress
from ._reference import Reference
from ._sampler import SAMPLER_OPSET, sampler
from ._speed import speed_ratio
from ._verify import BATCHES, BUDGETS, Comparison, check, compare, runs_of
from .passes import CPU, CPU_OPSET, LAYOUT, PORTABLE, Pipeline, select_passes

# How many times faster a graph must be than the graph that it replaces.
LEAST_SPEED: Mapping[Precision, float] = {"float32": 1.05, "float16": 1.3, "int8": 1.3}
_PRUNE_SPEED = 1.02  # leave a rewrite out if the graph is this many times faster without it; less may be noise


class TooSlow(Exception):  # a reason to skip the graph, not an error
    """A graph is not faster than the graph that it replaces."""


@dataclasses.dataclass(frozen=True)
class SkippedGraph:
    """A requested graph that is not written, and the reason.

    Examples:
        >>> cvae_export.SkippedGraph("decoder_cpu.onnx", "it is the same graph as decoder.onnx").reason
        'it is the same graph as decoder.onnx'
    """

    file: str
    reason: str


def count_graphs(config: ExportConfig, info: ModelInfo) -> int:
    """Return the number of graphs that `build` builds."""
    return len(_required(config, info)) + len(ROLES) * len(_optional_graphs(config))


def build(
    reference: Reference, config: ExportConfig, progress: Progress = lambda _file, _step: None
) -> tuple[list[Comparison], list[SkippedGraph]]:
    """Build the requested graphs and compare them with the model.

    Args:
        reference: the model's own outputs.
        config: which graphs to build.
        progress: called with a graph's file and each step of building it.

    Returns:
        The comparisons of the graphs to write, and the skipped graphs.

    Raises:
        InputError: 8 bits are requested without images to measure ranges on.
        ConversionError: the opset lacks an operator.
        ParityError: a float32 graph differs from the model by more than its tolerance.
    """
    builder = _Builder(reference, config, progress)
    if "int8" in config.precisions:
        builder.read_calibration_images()  # here, since the comparison of the other graphs takes minutes
    kept = [builder.compare(builder.portable(role)) for role in _required(config, reference.source.info)]
    check(kept)
    skipped = []
    for portable in kept[: len(ROLES)]:
        fastest = portable.graph
        for target, precision in _optional_graphs(config):
            offer = builder.build_optional(portable.graph, fastest, target, precision)
            if isinstance(offer, SkippedGraph):
                skipped.append(offer)
                continue
            kept.append(offer)
            if precision == "float32":
                fastest = offer.graph
    return kept, skipped


def _required(config: ExportConfig, info: ModelInfo) -> Sequence[str]:
    """Return the roles whose portable float32 graph is written."""
    return (*ROLES, *(() if info.prior is None else ROLES_OF_PRIOR), *dict.fromkeys(config.extras))


def _optional_graphs(config: ExportConfig) -> Sequence[tuple[Target, Precision]]:
    """Return the optional graphs; graphs that others are compared with come first."""
    offers: list[tuple[Target, Precision]] = []
    if "cpu" in config.targets:
        offers.append(("cpu", "float32"))
    if "int8" in config.precisions:
        offers.append(("cpu", "int8"))
    if "float16" in config.precisions:
        offers.append(("portable", "float16"))
    return offers


class _Builder:
    def __init__(self, reference: Reference, config: ExportConfig, progress: Progress) -> None:
        self._reference = reference
        self._config = config
        self._progress = progress
        self._passes = PASSES if config.passes is None else tuple(config.passes)

    def read_calibration_images(self) -> None:
        """Read the training images that show the ranges of activations.

        Raises:
            InputError: there are none.
        """
        assert self._calibration.images.size

    def portable(self, role: str) -> Graph:
        """Build the portable float32 graph of a role."""
        plain = self._plain(role, self._config.opset)
        return Graph(role, "portable", "float32", *self._finish(role, plain, select_passes(PORTABLE, self._passes)))

    def compare(self, graph: Graph) -> Comparison:
        """Compare a graph with the model."""
        self._progress(graph.file, "comparing with the model")
        budget = BUDGETS[graph.precision]
        if graph.precision == "float32":
            budget = dataclasses.replace(budget, atol=self._config.atol)
        return compare(graph, runs_of(graph), self._reference.expected(graph.role), self._reference.elbos, budget)

    def build_optional(
        self, portable: Graph, fastest: Graph, target: Target, precision: Precision
    ) -> Comparison | SkippedGraph:
        """Build an optional graph and compare it, or return why it is skipped.

        Args:
            portable: the portable graph of the same role.
            fastest: the fastest float32 graph of the same role.
            target, precision: of the graph to build.

        Raises:
            ParityError: a float32 graph differs from the model by more than its tolerance.
        """
        graph = Graph(portable.role, target, precision, b"", ())
        self._progress(graph.file, "building")
        try:
            data, passes = self._write(portable, precision, lambda data: self._check_speed(graph, data, fastest))
            if precision == "float32" and set(passes) == set(portable.passes):
                return SkippedGraph(graph.file, f"it is the same graph as {portable.file}")
            speed = self._check_speed(graph, data, fastest)
        except (NotQuantizable, ConversionError, TooSlow) as error:
            return SkippedGraph(graph.file, str(error))
        graph = dataclasses.replace(graph, data=data, passes=passes)
        comparison = dataclasses.replace(self.compare(graph), speed_ratio=speed)
        if precision == "float32":
            check([comparison])
        if comparison.all_pass:
            return comparison
        change = comparison.elbo_change
        if change is not None and not abs(change) <= comparison.elbo_tolerance:
            reason = f"it changes the test ELBO by {change:+.3f} nats, more than {comparison.elbo_tolerance:g}"
        else:
            reason = f"it differs from the model by {max(comparison.differences.values()):.1e}, more than its tolerance"
        return SkippedGraph(graph.file, reason)

    def _write(
        self, portable: Graph, precision: Precision, check_speed: Callable[[bytes], object]
    ) -> tuple[bytes, tuple[str, ...]]:
        role, expected = portable.role, self._reference.expected(portable.role)
        if precision == "float16":
            return to_float16(portable.data, expected.batches(max(BATCHES))), portable.passes
        plain = self._plain(role, max(self._config.opset, CPU_OPSET))
        if precision == "int8":
            calibration = self._calibration.expected(role)
            return to_int8(
                plain, calibration, self._passes, lambda proto: self._finish(role, proto, ())[0], check_speed
            )
        pipeline = select_passes(CPU, self._passes)
        if self._config.passes is None:
            pipeline = self._prune_slow_passes(role, plain, pipeline)
        return self._finish(role, plain, pipeline)

    def _prune_slow_passes(self, role: str, plain: onnx.ModelProto, pipeline: Pipeline) -> Pipeline:
        """Return a pipeline without the target's own rewrites that make the graph slower."""
        graph = Graph(role, "cpu", "float32", *self._finish(role, plain, pipeline))
        for rewrite in pipeline:
            if rewrite in LAYOUT or type(rewrite).__name__ not in graph.passes:
                continue
            without = tuple(other for other in pipeline if other is not rewrite)
            data, passes = self._finish(role, plain, without)
            other = dataclasses.replace(graph, data=data, passes=passes)
            speed = self._speed(other, graph)
            if speed is not None and speed > _PRUNE_SPEED:
                self._progress(graph.file, f"faster without {type(rewrite).__name__}, which is left out")
                graph, pipeline = other, without
        return pipeline

    def _speed(self, graph: Graph, other: Graph) -> float | None:
        """Return how many times faster a graph is than another one of its role; None without its hardware."""
        provider = "cuda" if graph.precision == "float16" else "cpu"
        expected = self._reference.expected(graph.role)
        return speed_ratio(graph, other, expected, self._reference.source.info, provider)

    def _check_speed(self, graph: Graph, data: bytes, fastest: Graph) -> float | None:
        """Return how many times faster a graph's data is than the fastest float32 graph; None without its hardware.

        Raises:
            TooSlow: it is less than `LEAST_SPEED` times as fast, and the configuration does not keep slow graphs.
        """
        least = LEAST_SPEED[graph.precision]
        speed = self._speed(dataclasses.replace(graph, data=data), fastest)
        if speed is not None and speed < least and not self._config.keep_slow:
            raise TooSlow(f"it is {speed:.2f}x as fast as {fastest.file}, less than {least:g}x; --keep-slow writes it")
        return speed

    @cached_property
    def _calibration(self) -> Reference:
        """The model's outputs for evenly spaced training images."""
        source = self._reference.source
        advice = "pass the images that the model was trained on with --data, or leave out int8"
        if source.calibration_images is None:
            raise InputError(f"precision int8: expected training images to measure ranges on, found none; {advice}")
        try:
            images = source.calibration_images()
        except InputError as error:
            raise InputError(f"{error}. Precision int8 needs the training images; {advice}") from error
        taken = np.linspace(0, len(images) - 1, min(len(images), CALIBRATION_IMAGES)).astype(np.int64)
        labels = source.info.labels  # all, and "no label", in turn: they shift activations
        of_images = None if labels is None else np.arange(len(taken)) % (len(labels) + 1)
        return Reference(dataclasses.replace(source, test_images=np.asarray(images[taken]), test_labels=of_images))

    @cached_property
    def _metadata(self) -> dict[str, Any]:
        model = self._reference.source.info
        info = dataclasses.asdict(model)
        return {
            "cvae.format": 1 if model.prior is None and model.labels is None else 2,
            **{f"cvae.{key}": value for key, value in info.items() if value is not None},
        }

    def _plain(self, role: str, opset: int) -> onnx.ModelProto:
        source = self._reference.source
        if role == "sampler":
            opset = max(opset, SAMPLER_OPSET)
            prior = None if source.latents is None else self._plain("prior", opset)
            return sampler(self._plain("decoder", opset), source.info.latent_dim, prior)
        return convert(FUNCTIONS[role](source), opset)

    def _finish(self, role: str, proto: onnx.ModelProto, passes: Pipeline) -> tuple[bytes, tuple[str, ...]]:
        outputs = outputs_of(role, self._reference.source)
        return finish(proto, passes, outputs, {**self._metadata, "cvae.role": role})
