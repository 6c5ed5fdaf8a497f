import json

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx
from onnx.reference import ReferenceEvaluator

from cvae_export import ConversionError
from cvae_export._cli import _OPSETS
from cvae_export._config import OPSETS, ExportConfig
from cvae_export._convert import _check_signature, convert, finish
from cvae_export._functions import FUNCTIONS
from cvae_export._tf2onnx_patches import HANDLERS
from cvae_export.passes import PORTABLE
from cvae_runtime import InputError

OUTPUTS = {"encoder": ("mean", "logvar"), "decoder": ("probs",)}


@pytest.fixture(scope="module")
def functions(source):
    return {role: FUNCTIONS[role](source) for role in OUTPUTS}


def inputs(role, batch):
    rng = np.random.default_rng(batch)
    if role == "encoder":
        return {"images": rng.integers(0, 256, (batch, 8, 8, 1), np.uint8)}
    return {"z": rng.standard_normal((batch, 3)).astype(np.float32)}


def graph_of(functions, role, opset):
    return finish(convert(functions[role], opset), PORTABLE, OUTPUTS[role], {"cvae.role": role})


@pytest.mark.parametrize("role", OUTPUTS)
@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset_matches_tensorflow(functions, role, opset):
    graph, _ = graph_of(functions, role, opset)
    proto = onnx.load_from_string(graph)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", opset)]
    sessions = (onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]), ReferenceEvaluator(proto))
    for batch in (1, 5):
        arrays = inputs(role, batch)
        expected = functions[role](**{name: tf.constant(array) for name, array in arrays.items()})
        for session in sessions:
            for name, array in zip(OUTPUTS[role], session.run(OUTPUTS[role], arrays), strict=True):
                np.testing.assert_allclose(array, expected[name], atol=2e-6)


def test_default_opset_needs_no_newer_ir_version_than_8(functions):
    assert onnx.load_from_string(graph_of(functions, "decoder", 15)[0]).ir_version == 8


@pytest.mark.parametrize("role", OUTPUTS)
def test_names_batch_axis_and_metadata_are_for_embedders(functions, role):
    graph, passes = graph_of(functions, role, 15)
    proto = onnx.load_from_string(graph)
    tensors = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    assert tensors == (
        {"images": ["batch", 8, 8, 1], "mean": ["batch", 3], "logvar": ["batch", 3]}
        if role == "encoder"
        else {"z": ["batch", 3], "probs": ["batch", 8, 8, 1]}
    )
    assert [value.name for value in proto.graph.output] == list(OUTPUTS[role])
    assert {entry.key: json.loads(entry.value) for entry in proto.metadata_props} == {"cvae.role": role}
    assert proto.producer_name == "cvae-toolkit"
    assert passes == (
        ("HoistTransposes", "ThresholdAsRelus", "ExplicitSplits")
        if role == "encoder"
        else ("BiasIntoConvolution", "DenseLayout", "SymmetricPads")
    )


@pytest.mark.parametrize("role", OUTPUTS)
def test_portable_graphs_use_old_plain_operators(functions, role):
    nodes = onnx.load_from_string(graph_of(functions, role, 15)[0]).graph.node
    plain = {"Add", "Cast", "Conv", "ConvTranspose", "MatMul", "Relu", "Reshape", "Sigmoid", "Slice", "Split", "Sub", "Transpose"}  # fmt: skip
    assert {node.op_type for node in nodes} <= plain
    assert {node.domain for node in nodes} == {""}
    for node in nodes:
        pads = [list(attribute.ints) for attribute in node.attribute if attribute.name == "pads"]
        assert all(pad[:2] == pad[2:] for pad in pads), node.name


@pytest.mark.parametrize("opset", [12, 22])
def test_opsets_out_of_range_are_refused(opset):
    with pytest.raises(InputError) as caught:
        ExportConfig(opset=opset)
    assert str(caught.value) == f"opset: expected 13 to 21, found {opset}"


def test_the_command_line_knows_the_same_opsets():
    assert (OPSETS.start, OPSETS.stop - 1) == _OPSETS == (13, 21)


def test_an_operator_that_onnx_lacks_is_a_conversion_error():
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="z")])
    def unsupported(z):
        return {"probs": tf.raw_ops.Betainc(a=z, b=z, x=z)}

    with pytest.raises(ConversionError) as caught:
        convert(unsupported, 15)
    assert str(caught.value) == "expected operators that ONNX has, found Betainc; use another layer"


def test_newer_operators_are_named_with_their_opsets():
    body = "(float[N, 3] z) => (float[N, 3] probs) { x = Mish (z) y = Relu (x) probs = Gelu (y) }"
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 15]> decoder {body}')
    with pytest.raises(ConversionError) as caught:
        finish(proto, (), ("probs",), {"cvae.role": "decoder"})
    assert str(caught.value) == (
        "expected operators of opset 15 or older, found Gelu (opset 20), Mish (opset 18); pass --opset 20"
    )


@pytest.mark.parametrize(("opset", "refused"), [(17, True), (18, False)])
def test_a_bitwise_operator_needs_opset_18(opset, refused):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.uint32, name="seed")])
    def function(seed):
        return {"bits": tf.bitwise.bitwise_xor(seed, seed)}

    def finished():
        return finish(convert(function, opset), (), ("bits",), {"cvae.role": "sampler"})

    if refused:
        with pytest.raises(ConversionError, match=r"found BitwiseXor \(opset 18\); pass --opset 18$"):
            finished()
    else:
        assert [node.op_type for node in onnx.load_from_string(finished()[0]).graph.node] == ["BitwiseXor"]


@pytest.mark.parametrize("role", OUTPUTS)
def test_conversion_is_reproducible(functions, role):
    first = graph_of(functions, role, 15)
    tf2onnx.utils.make_name("")  # advances the counter of names
    assert graph_of(functions, role, 15) == first
    names = [node.name for node in onnx.load_from_string(first[0]).graph.node]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (["z"], ["probs"], "expected a graph with the inputs z, found kernel, z"),
        (["z", "kernel"], ["probs", "location"], "expected a graph with the outputs location, probs, found probs"),
    ],
)
def test_a_graph_has_the_inputs_and_outputs_of_its_function(inputs, outputs, message):
    body = "(float[N, 3] z, float[3, 3] kernel) => (float[N, 3] probs) { probs = MatMul (z, kernel) }"
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 15]> decoder {body}')
    with pytest.raises(ConversionError) as caught:
        _check_signature(proto, inputs, outputs)
    assert str(caught.value) == f"{message}; pass a model whose outputs depend on its input alone"


def test_handler_failure_is_an_error(monkeypatch, caplog):
    def fails(*_):
        raise ValueError("kernel must be a constant")

    monkeypatch.setitem(HANDLERS, "Softsign", (fails, []))

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="z")])
    def function(z):
        return {"probs": tf.nn.softsign(z)}

    with pytest.raises(ConversionError) as caught:
        convert(function, 15)
    assert str(caught.value) == (
        "cannot be converted to opset 15: kernel must be a constant; try another --opset, or other layers"
    )
    assert caplog.messages == []
