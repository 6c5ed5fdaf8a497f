"""Builds the graphs of a bundle, and keeps those that hold their budget and pay.

A portable float32 graph of every role is what a bundle is: if one is off, nothing is exported. All others are offers: one
that is off, or that is not faster than the graph it would stand in for, is left out with the reason.

Which rewrites pay is measured here, too: from the ones that apply to a graph, each is left out in turn, and stays out if the
graph is faster without it.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnx

from cvae_runtime import InputError
from cvae_runtime.bundle import Precision, Target

from ._config import PASSES, ROLES, ExportConfig
from ._convert import ConversionError, convert, finish
from ._float16 import to_float16
from ._functions import FUNCTIONS, outputs_of
from ._graph import Graph
from ._int8 import CALIBRATION_IMAGES, NotQuantizable, to_int8
from ._reference import Reference
from ._sampler import SAMPLER_OPSET, sampler
from ._speed import speed_ratio, works
from ._verify import BATCHES, BUDGETS, Comparison, check, compare, runs_of
from .passes import CPU, CPU_OPSET, LAYOUT, PORTABLE, Pipeline, chosen

# How many times faster a graph must be than the one that it stands in for.
LEAST_SPEED: Mapping[Precision, float] = {"float32": 1.05, "float16": 1.3, "int8": 1.3}
_PAYS = 1.02  # a graph without a rewrite must be faster by so much for the rewrite to stay out: more than chance

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class SkippedGraph:
    """A graph that was asked for and is not written."""

    file: str
    reason: str


def build(
    reference: Reference, config: ExportConfig, say: Say = lambda _: None
) -> tuple[list[Comparison], list[SkippedGraph]]:
    """All graphs that the config ask for, compared with the model.

    Args:
        reference: the model's own outputs.
        config: what is asked for.
        say: is told what is being done.

    Raises:
        InputError: 8 bits are asked for and there are no images to find ranges with.
        ConversionError: the opset lacks an operator.
        ParityError: a float32 graph is off.
    """
    if "int8" in config.precisions and reference.source.calibration_images is None:
        raise InputError(
            "precision int8 needs images to measure the ranges of values on, and there are none; say --data"
        )
    builder = _Builder(reference, config, say)
    kept = [builder.compare(builder.portable(role)) for role in (*ROLES, *dict.fromkeys(config.extras))]
    check(kept)
    skipped = []
    for portable in kept[: len(ROLES)]:
        fastest = portable.graph
        for target, precision in _offers(config):
            offer = builder.offer(portable.graph, fastest, target, precision)
            if isinstance(offer, SkippedGraph):
                skipped.append(offer)
                continue
            kept.append(offer)
            if precision == "float32":
                fastest = offer.graph
    return kept, skipped


def _offers(config: ExportConfig) -> Sequence[tuple[Target, Precision]]:
    """Graphs beside the portable float32 ones, those first that others are compared with."""
    offers: list[tuple[Target, Precision]] = []
    if "cpu" in config.targets:
        offers.append(("cpu", "float32"))
    if "int8" in config.precisions:
        offers.append(("cpu", "int8"))
    if "float16" in config.precisions:
        offers.append(("portable", "float16"))
    return offers


class _Builder:
    def __init__(self, reference: Reference, config: ExportConfig, say: Say = lambda _: None) -> None:
        self._reference = reference
        self._config = config
        self._say = say
        self._passes = PASSES if config.passes is None else tuple(config.passes)

    def portable(self, role: str) -> Graph:
        """The portable float32 graph of a role."""
        plain = self._plain(role, self._config.opset)
        return Graph(role, "portable", "float32", *self._finish(role, plain, chosen(PORTABLE, self._passes)))

    def compare(self, graph: Graph) -> Comparison:
        """A graph against the model."""
        self._say(f"{graph.file}: comparing with the model")
        budget = BUDGETS[graph.precision]
        if graph.precision == "float32":
            budget = dataclasses.replace(budget, atol=self._config.atol)
        return compare(graph, runs_of(graph), self._reference.expected(graph.role), self._reference.elbos, budget)

    def offer(self, portable: Graph, fastest: Graph, target: Target, precision: Precision) -> Comparison | SkippedGraph:
        """A graph beside the portable one, or why there is none.

        Args:
            portable: of the same role.
            fastest: of the same role, in float32.
            target, precision: of the graph.

        Raises:
            ParityError: a float32 graph is off.
        """
        graph = Graph(portable.role, target, precision, b"", ())
        self._say(f"{graph.file}: building")
        try:
            data, passes = self._write(portable, precision)
        except (NotQuantizable, ConversionError) as error:
            return SkippedGraph(graph.file, str(error))
        if precision == "float32" and set(passes) == set(portable.passes):
            return SkippedGraph(graph.file, f"no rewrite makes it another graph than {portable.file}")
        graph = dataclasses.replace(graph, data=data, passes=passes)
        speed = self._speed(graph, fastest)
        least = LEAST_SPEED[precision]
        if speed is not None and speed < least and not self._config.keep_slow:
            return SkippedGraph(
                graph.file, f"it is {speed:.2f} times as fast as {fastest.file}, less than {least:g}; see --keep-slow"
            )
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

    def _write(self, portable: Graph, precision: Precision) -> tuple[bytes, tuple[str, ...]]:
        role, expected = portable.role, self._reference.expected(portable.role)
        if precision == "float16":
            return to_float16(portable.data, expected.batches(max(BATCHES))), portable.passes
        plain = self._plain(role, max(self._config.opset, CPU_OPSET))
        if precision == "int8":
            calibration = self._calibration.expected(role)
            return to_int8(plain, calibration, self._passes, lambda proto: self._finish(role, proto, ())[0])
        pipeline = chosen(CPU, self._passes)
        if self._config.passes is None:
            pipeline = self._prune_slow_passes(role, plain, pipeline)
        return self._finish(role, plain, pipeline)

    def _prune_slow_passes(self, role: str, plain: onnx.ModelProto, pipeline: Pipeline) -> Pipeline:
        """A pipeline without the rewrites of this target without which the graph is faster."""
        expected = self._reference.expected(role)
        graph, applied = self._finish(role, plain, pipeline)
        for rewrite in pipeline:
            if rewrite in LAYOUT or type(rewrite).__name__ not in applied:
                continue
            without = tuple(other for other in pipeline if other is not rewrite)
            other, others = self._finish(role, plain, without)
            if speed_ratio(other, graph, expected) > _PAYS:
                self._say(f"{role}: faster without {type(rewrite).__name__}, which is left out")
                graph, applied, pipeline = other, others, without
        return pipeline

    def _speed(self, graph: Graph, fastest: Graph) -> float | None:
        """How many times faster than the fastest float32 graph; None where the hardware that it is for is not at hand."""
        provider = "cuda" if graph.precision == "float16" else "cpu"
        if not works(provider, graph.data):
            return None
        return speed_ratio(graph.data, fastest.data, self._reference.expected(graph.role), provider)

    @cached_property
    def _calibration(self) -> Reference:
        """The model's outputs of training images, taken evenly."""
        source = self._reference.source
        assert source.calibration_images is not None  # as `build` has seen
        images = source.calibration_images()
        taken = np.linspace(0, len(images) - 1, min(len(images), CALIBRATION_IMAGES)).astype(np.int64)
        return Reference(dataclasses.replace(source, test_images=np.asarray(images[taken])))

    @cached_property
    def _metadata(self) -> dict[str, Any]:
        info = dataclasses.asdict(self._reference.source.info)
        return {"cvae.format": 1, **{f"cvae.{key}": value for key, value in info.items()}}

    def _plain(self, role: str, opset: int) -> onnx.ModelProto:
        source = self._reference.source
        if role == "sampler":
            decoder = self._plain("decoder", max(opset, SAMPLER_OPSET))
            return sampler(decoder, source.info.latent_dim)
        return convert(FUNCTIONS[role](source), opset)

    def _finish(self, role: str, proto: onnx.ModelProto, passes: Pipeline) -> tuple[bytes, tuple[str, ...]]:
        outputs = outputs_of(role, self._reference.source)
        return finish(proto, passes, outputs, {**self._metadata, "cvae.role": role})
