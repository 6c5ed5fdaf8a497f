"""Intermediate values of a graph for given inputs."""

from collections.abc import Sequence

import onnx_ir as ir

from ._reference import Run
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
