"""The sampler: the specified random numbers as a graph of standard operators, in front of a decoder.

It computes `cvae_runtime.prior_latents` in the same order: Threefry-2x32 with 20 rounds in unsigned 32-bit integers,
whose additions are modulo 2^32, then the Box-Muller transform in float64. Counters are below 2^63 and fit in int64.
The 20 rounds are unrolled into 160 operators.
"""

import math

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from ._builder import BATCH, Builder
from ._graph import opset_of

SAMPLER_OPSET = 18  # the first with BitwiseXor and BitwiseOr

_KEY_PARITY = 0x1BD11BDA
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # of even and odd groups of four rounds


def sampler(decoder: onnx.ModelProto, latent_dim: int, prior: onnx.ModelProto | None = None) -> onnx.ModelProto:
    """Return a decoder that draws its own latents.

    Args:
        decoder: takes z float32 (N, L); its opset is at least `SAMPLER_OPSET`.
        latent_dim: L.
        prior: maps noise to z float32 (N, L), if the prior is learned.

    Returns:
        A graph with the inputs of `latents_graph` and the outputs of the decoder.
    """
    latents = latents_graph(latent_dim, opset_of(decoder))
    latents.ir_version = decoder.ir_version
    if prior is not None:
        prior = onnx.compose.add_prefix(prior, "prior/")
        latents = onnx.compose.merge_models(latents, prior, io_map=[("z", prior.graph.input[0].name)])
    merged = onnx.compose.merge_models(
        latents, decoder, io_map=[(latents.graph.output[0].name, decoder.graph.input[0].name)]
    )
    _share_label(merged.graph)
    return merged


def _share_label(graph: onnx.GraphProto) -> None:
    """Give the prior the decoder's input ``label``, if both have one."""
    for place, value in reversed(list(enumerate(graph.input))):
        if value.name == "prior/label":
            del graph.input[place]
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == "prior/label":
                node.input[place] = "label"


def latents_graph(latent_dim: int, opset: int = SAMPLER_OPSET) -> onnx.ModelProto:
    """Return a graph that draws the prior samples ``first .. first + count - 1``.

    Its inputs are ``seed``, uint32 (2,), the low and the high word; ``first`` and ``count``, int64 scalars; and
    ``temperature``, a float32 scalar that multiplies the latents. Its output is ``z``, float32 (count, L).
    """
    seed = _input("seed", ir.DataType.UINT32, [2])
    first, count = (_input(name, ir.DataType.INT64, []) for name in ("first", "count"))
    temperature = _input("temperature", ir.DataType.FLOAT, [])
    build = Builder("latents", opset)
    keys = [build("Gather", seed, np.array([word])) for word in (0, 1)]
    counters = _counters(build, first, count, (latent_dim + 1) // 2)
    z = build("Mul", _normals(build, *_threefry(build, *counters, keys), latent_dim), temperature)
    z.type, z.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape([BATCH, latent_dim])
    return ir.to_proto(build.model([seed, first, count, temperature], {"z": z}))


def _input(name: str, dtype: ir.DataType, shape: list[int]) -> ir.Value:
    return ir.Value(name=name, type=ir.TensorType(dtype), shape=ir.Shape(shape))


def _word(value: int) -> NDArray[np.uint32]:
    return np.array(value, np.uint32)


def _counters(build: Builder, first: ir.Value, count: ir.Value, pairs: int) -> tuple[ir.Value, ir.Value]:
    """Return the low and high words of the counters i * pairs + j of sample i and pair j: uint32 (count, pairs, 1)."""
    # Range starts at 0, since runtimes compute its length in floating point.
    samples = build("Add", first, build("Range", np.array(0), count, np.array(1)))
    firsts = build("Unsqueeze", build("Mul", samples, np.array(pairs)), np.array([1, 2]))
    counters = build("Add", firsts, np.arange(pairs).reshape(pairs, 1))
    # A cast to a narrower integer keeps the low bits; only unsigned numbers can be shifted.
    high = build(
        "BitShift", build("Cast", counters, to=onnx.TensorProto.UINT64), np.array(32, np.uint64), direction="RIGHT"
    )
    low, high = (build("Cast", word, to=onnx.TensorProto.UINT32) for word in (counters, high))
    return low, high


def _threefry(build: Builder, low: ir.Value, high: ir.Value, keys: list[ir.Value]) -> tuple[ir.Value, ir.Value]:
    """Compute Threefry-2x32, see `cvae_runtime._math.random.threefry2x32`; keys are uint32 (1,)."""
    keys = [*keys, build("BitwiseXor", build("BitwiseXor", *keys), _word(_KEY_PARITY))]
    a, b = build("Add", low, keys[0]), build("Add", high, keys[1])
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            a = build("Add", a, b)
            left = build("BitShift", b, _word(rotation), direction="LEFT")
            right = build("BitShift", b, _word(32 - rotation), direction="RIGHT")
            b = build("BitwiseXor", build("BitwiseOr", left, right), a)
        a = build("Add", a, keys[(group + 1) % 3])
        b = build("Add", b, build("Add", keys[(group + 2) % 3], _word(group + 1)))
    return a, b


def _normals(build: Builder, a: ir.Value, b: ir.Value, latent_dim: int) -> ir.Value:
    """Convert words (count, pairs, 1) to normal numbers, float32 (count, latent_dim)."""
    u, v = (build("Cast", word, to=onnx.TensorProto.DOUBLE) for word in (a, b))
    u, v = (build("Div", build("Add", word, np.array(0.5)), np.array(2.0**32)) for word in (u, v))
    radius = build("Sqrt", build("Mul", build("Log", u), np.array(-2.0)))
    angle = build("Mul", v, np.array(2.0 * math.pi))
    pairs = build("Concat", *(build("Mul", radius, build(wave, angle)) for wave in ("Cos", "Sin")), axis=2)
    flat = build("Reshape", build("Cast", pairs, to=onnx.TensorProto.FLOAT), np.array([0, latent_dim + latent_dim % 2]))
    return build("Slice", flat, np.array([0]), np.array([latent_dim]), np.array([1])) if latent_dim % 2 else flat
