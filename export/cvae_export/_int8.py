"""Write a graph in 8 bits: rewrite it, equalize channels, and choose the ranges with the highest ELBO."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from ._calibrate import run_for
from ._equalize import equalize
from ._quantize import Range, is_heavy, quantize, sources
from ._reference import Arrays, Expected
from ._verify import run_onnx
from .passes import LAYOUT, ROWS, run_passes, select_passes

CALIBRATION_IMAGES = 2000

# Upper percentiles of an activation's values; values beyond are clipped, since rare large ones make all others coarse.
# The best one differs between models: the one with the highest ELBO on the calibration images is used.
_PERCENTILES = np.array([99.3, 99.6, 99.8, 99.9, 99.95, 100.0])
_BATCH = 250
_MOST_IN_TURN = 8  # activations whose percentiles are chosen one by one; more share one percentile


class NotQuantizable(Exception):  # a reason to skip the graph, not an error
    """A graph has no layer that can be computed in 8 bits."""


def to_int8(
    proto: onnx.ModelProto,
    expected: Expected,
    names: Collection[str],
    finish: Callable[[onnx.ModelProto], bytes],
    check_speed: Callable[[bytes], object] = lambda _: None,
) -> tuple[bytes, tuple[str, ...]]:
    """Convert a graph to 8 bits.

    Args:
        proto: the plain float32 graph.
        expected: the model's outputs for calibration images.
        names: names of the rewrites that may run.
        finish: converts a graph to a file.
        check_speed: called with a graph of the same speed before the ranges are chosen, which takes minutes; may raise.

    Returns:
        The file, and the names of the rewrites that changed the graph.

    Raises:
        NotQuantizable: no layer can be computed in 8 bits.
    """
    inputs = expected.inputs(0, min(CALIBRATION_IMAGES, expected.count))
    model = ir.from_proto(proto)
    applied = run_passes(model, select_passes(LAYOUT, names))
    equalize(model, inputs)
    applied += run_passes(model, select_passes(ROWS, names))
    values = _input_percentiles(model, inputs)
    if not values:
        raise NotQuantizable("none of its layers can be computed in 8 bits")

    def rounded(kept: Sequence[float]) -> bytes:
        ranges = {
            layer: found.range(percent) for percent, found in zip(kept, values, strict=True) for layer in found.layers
        }
        candidate = ir.from_proto(ir.to_proto(model))
        quantize(candidate, ranges)
        return finish(ir.to_proto(candidate))

    check_speed(rounded([100.0] * len(values)))
    return rounded(_best_percentiles(len(values), lambda kept: _elbo(rounded(kept), expected))), (
        *applied,
        "Equalize",
        "Quantize",
    )


@dataclasses.dataclass(frozen=True)
class _InputPercentiles:
    """Percentiles of the input values that heavy layers share, and the names of the layers."""

    layers: Sequence[str]
    low: Mapping[float, float]
    high: Mapping[float, float]

    def range(self, percent: float) -> Range:
        return Range(self.low[percent], self.high[percent])


def _input_percentiles(model: ir.Model, inputs: Arrays) -> list[_InputPercentiles]:
    """Return the input percentiles of heavy layers; layers that share a source are one group, rounded once."""
    groups: list[tuple[set[str], list[str]]] = []
    for node in model.graph:
        if is_heavy(node):
            names, layers = {str(value.name) for value in sources(node)}, [str(node.name)]
            for group in [group for group in groups if group[0] & names]:
                groups.remove(group)
                names, layers = names | group[0], [*group[1], *layers]
            groups.append((names, layers))
    found = run_for(model, sorted(set().union(*(names for names, _ in groups))))(inputs) if groups else {}
    result = []
    for names, layers in groups:
        together = np.concatenate([found[name].ravel() for name in sorted(names)])
        low, high = (
            dict(zip(_PERCENTILES, np.percentile(together, kept).tolist(), strict=True))
            for kept in (100.0 - _PERCENTILES, _PERCENTILES)
        )
        result.append(_InputPercentiles(layers, low, high))
    return result


def _best_percentiles(count: int, quality: Callable[[Sequence[float]], float]) -> Sequence[float]:
    """Choose the percentile of each of ``count`` activations: first the best for all, then for each of few in turn."""
    best = max(([percent] * count for percent in _PERCENTILES), key=quality)
    for n in range(count if count <= _MOST_IN_TURN else 0):
        best = max(([*best[:n], percent, *best[n + 1 :]] for percent in _PERCENTILES), key=quality)
    return best


def _elbo(graph: bytes, expected: Expected) -> float:
    """Return the mean ELBO of the calibration images."""
    assert expected.elbos is not None
    return float(expected.elbos(expected.run(run_onnx(graph), _BATCH)).mean())
