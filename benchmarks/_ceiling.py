"""Upper bounds of a network's speed: the rates at which this machine multiplies matrices and copies memory."""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import cvae_runtime
import cvae_runtime.system
from cvae_train import ModelConfig
from cvae_train._config import KERNEL, STRIDE

from ._process import Contender
from ._worker import Factory

PRODUCT, COPY = "the ceiling: float32 products", "the ceiling: memory copies"
SIZE = 2048
COPIED = 1 << 27  # bytes per call: more than caches hold


def multiply_adds(config: ModelConfig) -> Mapping[str, int]:
    """Nominal multiply-adds per image, by task: every weight at every position, padding included."""
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


def bytes_moved(config: ModelConfig) -> Mapping[str, int]:
    """Bytes of an image's input and output, by task: the minimum that must pass through memory."""
    pixels, latent = math.prod(config.image_shape), config.latent_dim
    return {"encoding": pixels + 8 * latent, "decoding": 4 * (latent + pixels), "reconstruction": 5 * pixels}


def ceilings(config: ModelConfig) -> list[Contender]:
    """The upper bounds as contenders, each with the number of images that a call corresponds to."""
    products = {task: SIZE**3 / operations for task, operations in multiply_adds(config).items()}
    copies = {task: COPIED / moved for task, moved in bytes_moved(config).items()}
    return [
        Contender(PRODUCT, "benchmarks._ceiling:product", (str(SIZE),), kind="ceiling", items=products),
        Contender(COPY, "benchmarks._ceiling:copies", (str(COPIED),), kind="ceiling", items=copies),
    ]


def product(side: str) -> Factory:
    """Multiply two square float32 matrices in ONNX Runtime, with one thread per core."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    shape = (int(side), int(side))
    factors = np.random.default_rng(0).standard_normal((2, *shape), np.float32)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    weights = numpy_helper.from_array(factors[1], "weights")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "weights"], ["y"])], "product", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cvae_runtime.system.allowed_cores()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": factors[0]})[0]
    assert np.allclose(found[0], factors[0][0] @ factors[1], atol=1e-2)
    return lambda _task, _batch: lambda: session.run(None, {"x": factors[0]})


def copies(size: str) -> Factory:
    """Copy this number of bytes, a part on each core."""
    cores = cvae_runtime.system.allowed_cores()
    source = np.random.default_rng(0).integers(0, 255, int(size), np.uint8)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, cores), np.array_split(source, cores), strict=True))
    pool = ThreadPoolExecutor(cores)

    def call() -> np.ndarray:
        list(pool.map(lambda pair: np.copyto(*pair), parts))
        return target[:1]

    assert call() == source[:1]
    assert np.array_equal(target, source)
    return lambda _task, _batch: call
