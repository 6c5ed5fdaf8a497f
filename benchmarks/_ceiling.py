"""How fast could a network be? As fast as this machine multiplies matrices, if nothing but its products took time."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

import cvae_runtime
from cvae_runtime._providers import PROVIDERS
from cvae_train import ModelConfig
from cvae_train._config import KERNEL, STRIDE

from ._harness import Measure
from ._worker import measure

SIZE = 2048


def multiply_adds(config: ModelConfig) -> Mapping[str, int]:
    """The nominal multiply-adds an image by task: every weight at every position, nothing saved, padding included."""
    taps = KERNEL**2
    height, width, channels = config.image_shape
    sides, encoder, features = np.array([height, width]), 0, channels
    for filters in config.filters:
        sides = (sides - KERNEL) // STRIDE + 1
        encoder += math.prod(sides) * taps * features * filters
        features = filters
    encoder += config.encoded_size * 2 * config.latent_dim

    sides, features = np.array(config.base_shape), config.filters[0]
    decoder = config.latent_dim * math.prod(sides) * features
    for filters in reversed(config.filters):
        decoder += math.prod(sides) * taps * features * filters
        sides, features = sides * STRIDE, filters
    decoder += math.prod(sides) * taps * features * channels
    return {"encoding": int(encoder), "decoding": int(decoder), "reconstruction": int(encoder + decoder)}


def ceiling(operations: int) -> Measure:
    """Times of batches that take so many multiply-adds an image, if they were done like those of a large product.

    The product is float32, SIZE x SIZE by SIZE x SIZE, in ONNX Runtime with a thread a core.
    """
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    factors = np.random.default_rng(0).standard_normal((2, SIZE, SIZE), np.float32)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [SIZE, SIZE]) for name in "xy")
    weights = numpy_helper.from_array(factors[1], "weights")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "weights"], ["y"])], "product", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cvae_runtime.allowed_cores()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[PROVIDERS["cpu"]])
    found = session.run(None, {"x": factors[0]})[0]
    assert np.allclose(found[0], factors[0][0] @ factors[1], atol=1e-2)

    def at(batch: int, seconds: float) -> Sequence[float]:
        times: Sequence[float] = measure(lambda: session.run(None, {"x": factors[0]}), seconds)["times"]
        return [time * batch * operations / SIZE**3 for time in times]

    return at
