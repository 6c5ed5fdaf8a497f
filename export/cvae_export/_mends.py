"""What tf2onnx does not know, writes wrongly, or warns of for no reason, where networks from elsewhere need it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from tf2onnx import utils


def _erfc(graph: Any, node: Any, name: str, _arguments: Any) -> None:
    """GELU's complement of the error function, 1 - erf(x), which tf2onnx does not know."""
    dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(node.output[0]))
    one = graph.make_const(f"{name}_one", np.ones((), dtype)).output[0]
    node.type = "Erf"
    graph.insert_new_node_on_output("Sub", node.output[0], f"{name}_complement", inputs=[one, node.output[0]])


HANDLERS: dict[str, Any] = {"Erfc": (_erfc, [])}


def mend_short_kernels(proto: onnx.ModelProto) -> None:
    """Write what lies beyond a transposed convolution whose kernel is shorter than its stride as output_padding.

    tf2onnx writes it as negative pads, on both sides, which ONNX does not know; TensorFlow has it at the end alone.
    """
    for node in proto.graph.node:
        pads: Any = next((attribute.ints for attribute in node.attribute if attribute.name == "pads"), ())
        if node.op_type == "ConvTranspose" and min(pads, default=0) < 0:
            beyond = np.maximum(-np.reshape(pads, (2, -1)).sum(axis=0), 0)
            pads[:] = np.where(np.tile(beyond, 2) > 0, 0, pads).tolist()
            node.attribute.append(onnx.helper.make_attribute("output_padding", beyond.tolist()))


@contextmanager
def hushed() -> Iterator[None]:
    """Keep tf2onnx from warning of what it mends: variables that are written, as the state of an encoder's own draws."""
    logger = logging.getLogger("tf2onnx.tf_loader")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
