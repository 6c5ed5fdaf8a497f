"""An 8-bit graph: rewritten for it, equalized, and rounded within the ranges that keep most of the ELBO."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from ._calibrate import activations
from ._equalize import equalize
from ._quantize import Range, is_heavy, quantize, sources
from ._reference import Arrays, Expected
from ._verify import run_onnx
from .passes import LAYOUT, ROWS, chosen, run_passes

CALIBRATION_IMAGES = 2000

# What is clipped, in percent of an activation's values: rare large ones would make all others coarse. Which is best differs from
# model to model; the one with the highest ELBO on the calibration images is taken.
_KEPT = np.array([99.3, 99.6, 99.8, 99.9, 99.95, 100.0])
_BATCH = 250


class NotQuantizable(Exception):  # a reason, not a fault
    """A graph that has no layer for 8 bits, with the reason."""


def to_int8(
    proto: onnx.ModelProto,
    expected: Expected,
    names: Collection[str],
    finish: Callable[[onnx.ModelProto], bytes],
) -> tuple[bytes, tuple[str, ...]]:
    """Write a graph in 8 bits.

    Args:
        proto: the plain float32 graph.
        expected: what it must compute, of calibration images.
        names: of the rewrites that may run.
        finish: makes a graph a file.

    Returns:
        The file, and the names of what changed it.

    Raises:
        NotQuantizable: no layer of it can be in 8 bits.
    """
    inputs = expected.inputs(0, min(CALIBRATION_IMAGES, expected.count))
    model = ir.from_proto(proto)
    applied = run_passes(model, chosen(LAYOUT, names))
    equalize(model, inputs)
    applied += run_passes(model, chosen(ROWS, names))
    values = _values(model, inputs)
    if not values:
        raise NotQuantizable("no layer of it can be computed in 8 bits")

    def rounded(kept: Sequence[float]) -> bytes:
        ranges = {
            layer: found.range(percent) for percent, found in zip(kept, values, strict=True) for layer in found.layers
        }
        candidate = ir.from_proto(ir.to_proto(model))
        quantize(candidate, ranges)
        return finish(ir.to_proto(candidate))

    return rounded(_best(len(values), lambda kept: _elbo(rounded(kept), expected))), (*applied, "Equalize", "Quantize")


@dataclasses.dataclass(frozen=True)
class _Values:
    """What goes into heavy layers, sampled: the names of the layers, and the values that percents of lie within."""

    layers: Sequence[str]
    low: Mapping[float, float]
    high: Mapping[float, float]

    def range(self, percent: float) -> Range:
        return Range(self.low[percent], self.high[percent])


def _values(model: ir.Model, inputs: Arrays) -> list[_Values]:
    """What goes into heavy layers, those that share a source together: it is rounded once."""
    groups: list[tuple[set[str], list[str]]] = []
    for node in model.graph:
        if is_heavy(node):
            names, layers = {str(value.name) for value in sources(node)}, [str(node.name)]
            for group in [group for group in groups if group[0] & names]:
                groups.remove(group)
                names, layers = names | group[0], [*group[1], *layers]
            groups.append((names, layers))
    found = activations(model, sorted(set().union(*(names for names, _ in groups))), inputs) if groups else {}
    result = []
    for names, layers in groups:
        together = np.concatenate([found[name].ravel() for name in sorted(names)])
        low, high = (
            dict(zip(_KEPT, np.percentile(together, kept).tolist(), strict=True)) for kept in (100.0 - _KEPT, _KEPT)
        )
        result.append(_Values(layers, low, high))
    return result


def _best(count: int, quality: Callable[[Sequence[float]], float]) -> Sequence[float]:
    """What is kept of each of so many activations: the best for all alike, then each by itself."""
    best = max(([percent] * count for percent in _KEPT), key=quality)
    for n in range(count):
        best = max(([*best[:n], percent, *best[n + 1 :]] for percent in _KEPT), key=quality)
    return best


def _elbo(graph: bytes, expected: Expected) -> float:
    """The mean ELBO of the calibration images."""
    assert expected.elbos is not None
    return float(expected.elbos(expected.run(run_onnx(graph), _BATCH)).mean())
