"""Intermediate values of a graph for given inputs."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ._reference import Arrays, Run
from ._verify import run_onnx


def run_for(model: ir.Model, names: Sequence[str]) -> Run:
    """Return a function from inputs to the named values of a graph.

    Args:
        model: the graph; not modified.
        names: names of values that it computes.
    """
    copy = ir.from_proto(ir.to_proto(model))
    by_name = {value.name: value for node in copy.graph for value in node.outputs}
    copy.graph.outputs[:] = [by_name[name] for name in names]
    return run_onnx(ir.to_proto(copy).SerializeToString())


def activations(model: ir.Model, names: Sequence[str], inputs: Arrays) -> Mapping[str, NDArray[np.float32]]:
    """Return the named values of a graph for inputs; see `run_for`."""
    return run_for(model, names)(inputs)
