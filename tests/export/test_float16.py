import dataclasses

import numpy as np
import onnx
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from benchmarks._notebook import BUNDLE as NOTEBOOK
from cvae_export import ConversionError
from cvae_export._convert import convert, finish
from cvae_export._float16 import to_float16
from cvae_export._functions import FUNCTIONS, outputs_of
from cvae_export._graph import Graph
from cvae_export._verify import run_onnx
from cvae_export.passes import PORTABLE
from cvae_runtime import posterior_noise, prior_latents, read_bundle
from cvae_runtime.bundle import Verified
from cvae_runtime.elbo import bernoulli_log_likelihood, gaussian_kl, reparameterize, targets_of
from cvae_train import CVAE, load_data, preprocess

PRODUCTS = {"Conv", "ConvTranspose", "MatMul"}


@pytest.fixture(scope="module")
def rgb_source(source, rgb_config):
    """An untrained colour model whose decoder has several outputs."""
    tf.keras.utils.set_random_seed(0)
    model = rgb_config.model
    info = dataclasses.replace(
        source.info, image_shape=model.image_shape, latent_dim=model.latent_dim, likelihood=model.likelihood
    )
    return dataclasses.replace(source, info=info, decode=CVAE(model).pixel_parameters)


@pytest.fixture(scope="module")
def notebook():
    return read_bundle(NOTEBOOK)


def binarized_at(source, threshold):
    return dataclasses.replace(source, preprocess=lambda images: preprocess(images, threshold))


def exported(source, role):
    metadata = {"cvae.role": role, "cvae.likelihood": source.info.likelihood}
    return finish(convert(FUNCTIONS[role](source), 15), PORTABLE, outputs_of(role, source), metadata)[0]


def all_grey_values(source):
    return np.arange(256, dtype=np.uint8).reshape(-1, *source.info.image_shape)


def inputs(source, role):
    if role == "encoder":
        return {"images": all_grey_values(source)}
    return {"z": prior_latents(0, 0, 5, source.info.latent_dim)}


@pytest.fixture(scope="module", params=["encoder", "encoder of grey values", "decoder", "decoder of colours"])
def case(request, source, rgb_source):
    """A role's float32 graph and inputs for it."""
    role = request.param.split()[0]
    variants = {"encoder of grey values": binarized_at(source, None), "decoder of colours": rgb_source}
    chosen = variants.get(request.param, source)
    return exported(chosen, role), inputs(chosen, role)


def test_all_but_the_arithmetic_stays(case):
    graph, _ = case
    half = to_float16(graph)
    before, after = (
        Graph("decoder", "portable", "float16", data, ()).describe(Verified({}, None, None)) for data in (graph, half)
    )
    assert dataclasses.replace(after, bytes=before.bytes, sha256=before.sha256) == before
    before, after = onnx.load_from_string(graph), onnx.load_from_string(half)
    assert after.metadata_props == before.metadata_props
    assert (after.producer_name, after.graph.name) == (before.producer_name, before.graph.name)
    assert {node.domain for node in after.graph.node} == {""}
    added = [node.op_type for node in after.graph.node if node.name not in {node.name for node in before.graph.node}]
    assert set(added) == {"Cast"}


def test_weights_are_float16(case):
    graph = onnx.load_from_string(to_float16(case[0])).graph
    types = {initializer.name: initializer.data_type for initializer in graph.initializer}
    products = [node for node in graph.node if node.op_type in PRODUCTS]
    assert len(products) >= 3
    assert {types[name] for node in products for name in node.input[1:]} == {TensorProto.FLOAT16}


@pytest.mark.parametrize("batch", [1, 3])
def test_outputs_are_close_in_both_evaluators(case, batch):
    graph, arrays = case
    arrays = {name: array[:batch] for name, array in arrays.items()}
    half = to_float16(graph, [arrays])
    names = [output.name for output in onnx.load_from_string(graph).graph.output]
    evaluated = dict(zip(names, ReferenceEvaluator(half).run(names, arrays), strict=True))
    for name, expected in run_onnx(graph)(arrays).items():
        for found in (run_onnx(half)(arrays)[name], evaluated[name]):
            assert (found.dtype, found.shape) == (np.float32, expected.shape)
            assert 0.0 < np.abs(found - expected).max() < 1e-2 * np.abs(expected).max()


@pytest.mark.parametrize("threshold", [None, 1, 128, 255])
def test_every_grey_value_is_preprocessed_as_in_float32(source, threshold):
    graph = exported(binarized_at(source, threshold), "encoder")
    images = all_grey_values(source)

    def preprocessed(data):
        proto = onnx.load_from_string(data)
        proto.graph.output.append(helper.make_tensor_value_info(seen, TensorProto.FLOAT, None))
        return run_onnx(proto.SerializeToString())({"images": images})[seen].reshape(images.shape)

    half = to_float16(graph)
    casts = [node for node in onnx.load_from_string(half).graph.node if node.output[0].endswith("_float16")]
    seen = casts[0].input[0]  # the network's input
    np.testing.assert_array_equal(preprocessed(half), preprocessed(graph))
    np.testing.assert_allclose(preprocessed(half), preprocess(images, threshold), rtol=1e-6)


def two_products(weight):
    proto = onnx.parser.parse_model(
        """
        <ir_version: 8, opset_import: ["": 15]>
        products (float[batch, 1] x) => (float[batch, 1] y) {
            large = MatMul (x, up)
            positive = Relu (large)
            y = MatMul (positive, down)
        }
        """
    )
    weights = {"up": weight, "down": 1.0 / weight}
    proto.graph.initializer.extend(
        numpy_helper.from_array(np.array([[value]], np.float32), name) for name, value in weights.items()
    )
    return proto.SerializeToString()


@pytest.mark.parametrize("weight", [65504.5, -70000.0])
def test_a_weight_beyond_the_range_is_an_error(weight):
    to_float16(two_products(65504.0))
    with pytest.raises(ConversionError) as caught:
        to_float16(two_products(weight))
    largest = "65504.5" if weight > 0 else "70000"
    assert str(caught.value) == (f"float16 holds values up to 65504, found {largest} in 'up'; leave that precision out")


@pytest.mark.parametrize("value", [330.0, -330.0, np.nan])
def test_an_activation_beyond_the_range_is_an_error(value):
    graph, fits = two_products(200.0), {"x": np.array([[320.0], [-320.0]], np.float32)}
    half = to_float16(graph, [fits])
    np.testing.assert_allclose(run_onnx(half)(fits)["y"], [[320.0], [0.0]], rtol=1e-3)
    with pytest.raises(ConversionError) as caught:
        to_float16(graph, [fits, {"x": np.array([[value]], np.float32)}])
    assert str(caught.value) == (
        f"float16 holds values up to 65504, found {abs(value * 200):g} in 'large'; leave that precision out"
    )


def test_scales_of_resize_stay_in_float32():
    weights = np.random.default_rng(0).standard_normal((2, 2, 3, 3)).astype(np.float32)
    proto = onnx.parser.parse_model(
        """
        <ir_version: 8, opset_import: ["": 15]>
        upsampled (float[batch, 2, 4, 4] x) => (float[batch, 2, 4, 4] y) {
            wide = Conv (x, weights)
            large = Resize <mode = "nearest"> (wide, , scales)
            y = Conv (large, weights)
        }
        """
    )
    scales = np.array([1, 1, 3, 3], np.float32)
    proto.graph.initializer.extend(
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(scales, "scales")]
    )
    half = to_float16(proto.SerializeToString())
    types = {initializer.name: initializer.data_type for initializer in onnx.load_from_string(half).graph.initializer}
    assert types == {"weights_float16": TensorProto.FLOAT16, "scales": TensorProto.FLOAT}
    x = {"x": np.random.default_rng(1).standard_normal((3, 2, 4, 4)).astype(np.float32)}
    expected = run_onnx(proto.SerializeToString())(x)["y"]
    np.testing.assert_allclose(run_onnx(half)(x)["y"], expected, atol=1e-2 * np.abs(expected).max())


def test_checker_failure_is_an_error():
    proto = onnx.parser.parse_model(
        """
        <ir_version: 8, opset_import: ["": 15]>
        casting (float[batch, 2] x, float[2, 2] w) => (float[batch, 2] y) {
            a = MatMul (x, w)
            b = Cast <to = 1> (a)
            y = MatMul (b, w)
        }
        """
    )
    with pytest.raises(ConversionError, match=r"^cannot convert to float16: .*; leave that precision out$"):
        to_float16(proto.SerializeToString())


@st.composite
def networks(draw):
    """Small random graphs: every node takes one or two earlier values, any values are outputs."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    nodes, values = [], ["x"]
    for number in range(draw(st.integers(1, 10))):
        kind = draw(st.sampled_from(["MatMul", "Add", "Sum", "Relu", "Sigmoid"]))
        first, second = draw(st.sampled_from(values)), draw(st.sampled_from(values))
        taken = {"MatMul": [first, "w"], "Add": [first, "b"], "Sum": [first, second]}.get(kind, [first])
        nodes.append(helper.make_node(kind, taken, [f"v{number}"], name=f"n{number}"))
        values.append(f"v{number}")
    names = sorted(draw(st.sets(st.sampled_from(values[1:]), min_size=1)))
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in ["x", *names]]
    arrays = {"w": rng.standard_normal((4, 4)) / 2, "b": rng.standard_normal(4)}
    initializers = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "network", tensors[:1], tensors[1:], initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return proto, {"x": rng.standard_normal((3, 4)).astype(np.float32)}


@given(networks())
def test_graphs_of_any_shape_keep_their_outputs(network):
    proto, arrays = network
    half = to_float16(proto.SerializeToString(), [arrays])
    after = onnx.load_from_string(half)
    assert (after.graph.input, after.graph.output) == (proto.graph.input, proto.graph.output)
    assert all(node.input[1] == "w_float16" for node in after.graph.node if node.op_type == "MatMul")
    found = run_onnx(half)(arrays)
    for name, expected in run_onnx(proto.SerializeToString())(arrays).items():
        np.testing.assert_allclose(found[name], expected, atol=1e-2 * max(1.0, np.abs(expected).max()))


def test_notebooks_network_in_float16(notebook):
    test = load_data().test[:500]
    noise = posterior_noise(0, 0, len(test), 50)

    def elbo(encoder, decoder):
        codes = run_onnx(encoder)({"images": test})
        probs = run_onnx(decoder)({"z": reparameterize(codes["mean"], codes["logvar"], noise)})["probs"]
        assert (probs.astype(np.float16) != probs).any()  # the sigmoid has more precision than float16
        return (bernoulli_log_likelihood(targets_of(test, 128), probs) - gaussian_kl(**codes)).mean()

    encoder, decoder = (notebook.files[f"{role}.onnx"] for role in ("encoder", "decoder"))
    half_encoder = to_float16(encoder, [{"images": test}])
    half_decoder = to_float16(decoder, [{"z": prior_latents(0, 0, 500, 50)}])
    assert len(half_encoder) < 0.51 * len(encoder)
    assert len(half_decoder) < 0.51 * len(decoder)
    before = elbo(encoder, decoder)
    for pair in ((half_encoder, decoder), (encoder, half_decoder), (half_encoder, half_decoder)):
        assert 0.0 < abs(elbo(*pair) - before) < 0.02
