"""Patches for tf2onnx: missing operators, wrong graphs and needless warnings of external networks."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from tf2onnx import tf_loader, utils


def _erfc(graph: Any, node: Any, name: str, _arguments: Any) -> None:
    """Write 1 - erf(x), the complementary error function of GELU, which tf2onnx lacks."""
    one = _one(graph, node, name)
    node.type = "Erf"
    graph.insert_new_node_on_output("Sub", node.output[0], f"{name}_complement", inputs=[one, node.output[0]])


def _expm1(graph: Any, node: Any, name: str, _arguments: Any) -> None:
    """Write exp(x) - 1, of CELU and variances, which tf2onnx lacks."""
    one = _one(graph, node, name)
    node.type = "Exp"
    graph.insert_new_node_on_output("Sub", node.output[0], f"{name}_minus_one", inputs=[node.output[0], one])


def _log1p(graph: Any, node: Any, name: str, _arguments: Any) -> None:
    """Write log(1 + x), which tf2onnx lacks."""
    one = _one(graph, node, name)
    node.type = "Log"
    graph.insert_new_node_on_input(node, "Add", [node.input[0], one], name=f"{name}_plus_one")


def _one(graph: Any, node: Any, name: str) -> str:
    dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(node.output[0]))
    return str(graph.make_const(f"{name}_one", np.ones((), dtype)).output[0])


HANDLERS: dict[str, Any] = {"Erfc": (_erfc, []), "Expm1": (_expm1, []), "Log1p": (_log1p, [])}

_NOT_IN_FLOAT64 = ("Conv", "ConvTranspose", "AveragePool", "Resize")  # ONNX Runtime has no float64 kernels for them


def fix_short_kernels(proto: onnx.ModelProto) -> None:
    """Write output_padding for transposed convolutions whose kernel is shorter than the stride.

    tf2onnx writes negative pads on both sides, which ONNX does not allow; TensorFlow pads only the end.
    """
    for node in proto.graph.node:
        pads: Any = next((attribute.ints for attribute in node.attribute if attribute.name == "pads"), ())
        if node.op_type == "ConvTranspose" and min(pads, default=0) < 0:
            beyond = np.maximum(-np.reshape(pads, (2, -1)).sum(axis=0), 0)
            pads[:] = np.where(np.tile(beyond, 2) > 0, 0, pads).tolist()
            node.attribute.append(onnx.helper.make_attribute("output_padding", beyond.tolist()))


def fix_float64(proto: onnx.ModelProto) -> None:
    """Compute operators that ONNX Runtime lacks in float64 in float32, between casts."""
    wanted = [node for node in proto.graph.node if node.op_type in _NOT_IN_FLOAT64]
    if not wanted or not _has_float64(proto):
        return
    typed = onnx.shape_inference.infer_shapes(proto).graph
    doubles = {tensor.name for tensor in typed.initializer if tensor.data_type == onnx.TensorProto.DOUBLE}
    for value in (*typed.input, *typed.output, *typed.value_info):
        if value.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE:
            doubles.add(value.name)
    nodes = []
    for node in proto.graph.node:
        narrowed = node in wanted and node.output[0] in doubles
        if narrowed:
            for position, name in enumerate(node.input):
                if name in doubles:
                    node.input[position] = f"{node.name}_in_{position}"
                    nodes.append(_cast(name, node.input[position], onnx.TensorProto.FLOAT))
        nodes.append(node)
        if narrowed:
            widened, node.output[0] = node.output[0], f"{node.name}_out"
            nodes.append(_cast(node.output[0], widened, onnx.TensorProto.DOUBLE))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del proto.graph.node[:]
    proto.graph.node.extend(copies)


def _has_float64(proto: onnx.ModelProto) -> bool:
    return any(tensor.data_type == onnx.TensorProto.DOUBLE for tensor in proto.graph.initializer) or any(
        attribute.name == "to" and attribute.i == onnx.TensorProto.DOUBLE
        for node in proto.graph.node
        for attribute in node.attribute
    )


def _cast(name: str, result: str, dtype: int) -> onnx.NodeProto:
    return onnx.helper.make_node("Cast", [name], [result], name=f"{result}_cast", to=dtype)


def inline_xla_functions(graph: Any, inputs: list[str], outputs: list[str]) -> Any:
    """Inline functions marked for XLA, which Keras uses for grouped convolutions."""
    calls = [node for node in graph.node if "_XlaMustCompile" in node.attr]
    if not calls:
        return graph
    for holder in (*calls, *graph.library.function):
        for hindrance in ("_XlaMustCompile", "_noinline"):
            holder.attr.pop(hindrance, None)
    with tf.Graph().as_default():
        tf.import_graph_def(graph, name="")
        return tf_loader.tf_optimize(inputs, outputs, graph)


class _Failures(logging.Handler):
    """Log handler that collects the exceptions of tf2onnx's operator handlers, which tf2onnx ignores."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Collect the exception of a record."""
        if record.name == "tf2onnx.tfonnx" and record.exc_info and record.exc_info[1] is not None:
            self.errors.append(record.exc_info[1])


@contextmanager
def suppress_tf2onnx_log() -> Iterator[list[BaseException]]:
    """Suppress tf2onnx's log, unless ``-v`` is given: patches fix the causes, or errors report them.

    Yields a list that collects the exceptions of its operator handlers.
    """
    logger, failures = logging.getLogger("tf2onnx"), _Failures()
    propagate = logger.propagate
    logger.propagate = logging.getLogger().isEnabledFor(logging.INFO)
    logger.addHandler(failures)
    try:
        yield failures.errors
    finally:
        logger.removeHandler(failures)
        logger.propagate = propagate
