"""Tiny graphs for tests of passes."""

import dataclasses
import logging

import numpy as np
import onnx
import onnx_ir as ir
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from cvae_export.passes import run_passes
from cvae_runtime.sessions import open_session


def parse(body, opset=18, **constants):
    """Parse a model from ONNX text without its header, and arrays of its constants."""
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {body}')
    proto.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()
    )
    return proto


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Layer:
    """A ConvTranspose and the element-wise operator after it."""

    channels: int
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    extra: tuple[int, int] = (0, 0)
    bias: bool = True
    behind: str = "Identity ({})"

    def sizes(self, sizes):
        """Sizes of its output, for an input of these sizes."""
        axes = zip(self.strides, sizes, self.kernel, self.extra, self.pads[:2], self.pads[2:], strict=True)
        return [s * (n - 1) + k + e - begin - end for s, n, k, e, begin, end in axes]


BEHIND = [
    "Identity ({})",
    "Relu ({})",
    "LeakyRelu <alpha = 0.3> ({})",
    "Clip ({}, low, high)",
    "HardSigmoid ({})",
    "Softmax <axis = 1> ({})",
]


def decoder(channels, sizes, *layers):
    """A model of successive transposed convolutions."""
    body, constants, shape = "", {"low": np.float32(-0.5), "high": np.float32(0.75)}, [channels, *sizes]
    for n, layer in enumerate(layers):
        given, bias = f"x{n}", f", b{n}" if layer.bias else ""
        settings = f"strides = {[*layer.strides]}, pads = {[*layer.pads]}, output_padding = {[*layer.extra]}"
        body += f"v{n} = ConvTranspose <{settings}> ({given}, w{n}{bias}) x{n + 1} = {layer.behind.format(f'v{n}')} "
        constants |= {f"w{n}": normal(shape[0], layer.channels, *layer.kernel), f"b{n}": normal(layer.channels)}
        shape = [layer.channels, *layer.sizes(shape[1:])]
    signature = f"(float[batch,{channels},{sizes[0]},{sizes[1]}] x0) => (float[batch,{shape[0]},{shape[1]},{shape[2]}] x{len(layers)})"
    return parse(f"decoder {signature} {{ {body} }}", **constants)


def two(draw, elements):
    return draw(st.tuples(elements, elements))


@st.composite
def upsampling_layers(draw, sizes, multiples=False):
    """Random valid layers: different kernels and strides along the axes, pads wider than the kernel.

    With ``multiples``, output sizes are multiples of the strides.
    """
    kernel, strides = two(draw, st.integers(1, 5)), two(draw, st.integers(1, 4))
    extra = tuple(draw(st.integers(0, stride - 1)) for stride in strides)
    whole = Layer(1, kernel, strides, extra=extra).sizes(sizes)
    least = strides if multiples else (1, 1)
    begin = [draw(st.integers(0, w - a)) for w, a in zip(whole, least, strict=True)]
    left = [w - b for w, b in zip(whole, begin, strict=True)]
    end = [n % a + a * draw(st.integers(0, n // a - 1)) for n, a in zip(left, least, strict=True)]
    pads = (*begin, *end)
    return Layer(
        draw(st.integers(1, 3)), kernel, strides, pads, extra, draw(st.booleans()), draw(st.sampled_from(BEHIND))
    )


@st.composite
def transposed_convolutions(draw):
    """A single layer of any configuration."""
    sizes = two(draw, st.integers(1, 5))
    return decoder(draw(st.integers(1, 3)), sizes, draw(upsampling_layers(sizes)))


@st.composite
def upsampled_images(draw):
    """A layer that upsamples to multiples of its strides, then one of stride 1."""
    sizes = two(draw, st.integers(2, 4))
    first = draw(upsampling_layers(sizes, multiples=True).filter(lambda layer: layer.strides != (1, 1)))
    between = first.sizes(sizes)
    kernel = two(draw, st.integers(1, 4))
    whole = Layer(1, kernel).sizes(between)
    begin = [draw(st.integers(0, min(w - 1, 4))) for w in whole]
    end = [draw(st.integers(0, min(w - 1 - b, 4))) for w, b in zip(whole, begin, strict=True)]
    last = Layer(draw(st.sampled_from([1, 3])), kernel, pads=(*begin, *end), bias=draw(st.booleans()))
    return decoder(
        draw(st.integers(1, 3)), sizes, dataclasses.replace(first, behind=draw(st.sampled_from(BEHIND[1:5]))), last
    )


def rewritten(proto, *passes):
    """Run passes on a model and check the result in full; also return the names of the passes that changed it."""
    model = ir.from_proto(proto)
    names = run_passes(model, passes)
    result = ir.to_proto(model)
    onnx.checker.check_model(result, full_check=True)
    return result, names


def operators(proto):
    return [node.op_type for node in proto.graph.node]


def attributes(node):
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def inputs_of(proto, batch, seed=0):
    """Seeded values for the inputs of a model, whose first axis is the batch."""
    rng = np.random.default_rng([seed, batch])
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = {}
    for value in proto.graph.input:
        if value.name not in constants:
            shape = [batch, *(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:])]
            bytes_ = value.type.tensor_type.elem_type == onnx.TensorProto.UINT8
            values = rng.integers(0, 256, shape) if bytes_ else rng.standard_normal(shape)
            inputs[value.name] = values.astype(np.uint8 if bytes_ else np.float32)
    return inputs


def evaluate(proto, inputs):
    """Return the outputs of onnx's reference evaluator."""
    return ReferenceEvaluator(proto).run(None, inputs)


def run(proto, inputs):
    """Return the outputs of ONNX Runtime."""
    return open_session(proto.SerializeToString()).run(None, inputs)


def assert_close(found, expected, relative=1e-5):
    """Assert that outputs agree, relative to the largest value of each."""
    assert [array.shape for array in found] == [array.shape for array in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=relative * max(1.0, np.abs(other).max()))


def assert_same(result, proto, evaluators=(evaluate, run)):
    """Assert that two models have the same output names and outputs, for one item and several, in both evaluators."""
    assert [value.name for value in result.graph.output] == [value.name for value in proto.graph.output]
    for batch in (1, 3):
        inputs = inputs_of(proto, batch)
        expected = run(proto, inputs)
        for evaluator in evaluators:
            assert_close(evaluator(result, inputs), expected)


def assert_left_alone(proto, rewrite, caplog, *reasons):
    """Assert that a pass changes nothing and logs these reasons, one for each node; the node is called "it"."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "cvae_export"):
        result, names = rewritten(proto, rewrite)
    assert (operators(result), names) == (operators(proto), [])
    messages = [record.message for record in caplog.records]
    assert messages == [f"{type(rewrite).__name__} leaves it as it is: {reason}" for reason in reasons]
