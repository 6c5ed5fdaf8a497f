"""A classifier that judges samples, as an ONNX file."""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHAPE = (8, 8, 1)


def write_judge(path, shape=SHAPE, outputs=("features", "logits"), name="images", weights=None):
    """A linear classifier, by default of two classes: is the left half brighter than the right one?

    ``weights``, (pixels, classes), are the factors of grey levels from 0 to 255.
    """
    pixels = math.prod(shape)
    left = np.zeros(shape, np.float32)
    left[:, : shape[1] // 2] = 1.0 / 255
    if weights is None:
        weights = np.stack([left.ravel(), (1.0 / 255 - left).ravel()], axis=1)
    classes = weights.shape[1]
    nodes = [
        helper.make_node("Cast", [name], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "shape"], ["flat"]),
        *(helper.make_node("MatMul", ["flat", "weights"], [output]) for output in outputs),
    ]
    graph = helper.make_graph(
        nodes,
        "judge",
        [helper.make_tensor_value_info(name, TensorProto.UINT8, ["batch", *shape])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", classes]) for output in outputs],
        [numpy_helper.from_array(np.array([-1, pixels]), "shape"), numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path)
    return path
