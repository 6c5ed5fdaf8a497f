"""What values a graph's activations take on calibration inputs."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
import onnxruntime
from numpy.typing import NDArray

from ._reference import Arrays


def activations(model: ir.Model, names: Sequence[str], inputs: Arrays) -> Mapping[str, NDArray[np.float32]]:
    """The values of these names in a graph, for named inputs.

    Args:
        model: it is left as it is.
        names: of values that it computes.
        inputs: as the graph takes them.
    """
    copy = ir.from_proto(ir.to_proto(model))
    by_name = {value.name: value for node in copy.graph for value in node.outputs}
    copy.graph.outputs[:] = [by_name[name] for name in names]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    graph = ir.to_proto(copy).SerializeToString()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(list(names), dict(inputs)), strict=True))
