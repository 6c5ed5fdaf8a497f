"""Graphs must be plain: what could run for ever, or overflow ONNX Runtime's stack, is refused before it is opened."""

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

import cvae_runtime as cvae
from cvae_runtime._control_flow import refuse_control_flow
from cvae_runtime._external_data import refuse_external_data

BODY = helper.make_graph([], "body", [], [])
SUBGRAPH = (
    "a.onnx: expected a plain graph without control flow, found a node with a graph of its own; export it without"
)
FUNCTIONS = "a.onnx: expected a plain graph without control flow, found functions; export it without"


def model_of(*nodes, **kind):
    opsets = [helper.make_opsetid("", 15), helper.make_opsetid("d", 1)]
    return helper.make_model(helper.make_graph(list(nodes), "g", [], []), opset_imports=opsets, **kind)


def node_with(**attributes):
    return helper.make_node("Any", ["x"], ["y"], **attributes)


def function(name, *calls):
    nodes = [helper.make_node(call, ["x"], ["y"], domain="d") for call in calls]
    return helper.make_function("d", name, ["x"], ["y"], nodes, [helper.make_opsetid("d", 1)])


@pytest.mark.parametrize(
    "attributes",
    [{"body": BODY}, {"branches": [BODY, BODY]}, {"axis": 1, "body": BODY, "name": "a"}],
    ids=["graph", "graphs", "among-others"],
)
def test_a_node_with_a_graph_of_its_own_is_refused(attributes, refuses):
    data = model_of(node_with(), node_with(**attributes), node_with()).SerializeToString()
    refuse_external_data(data, "a.onnx")
    with refuses(cvae.BundleError, SUBGRAPH):
        refuse_control_flow(data, "a.onnx")


@pytest.mark.parametrize("functions", [[function("f", "f")], [function("f"), function("g", "f")]])
def test_functions_are_refused(functions, refuses):
    with refuses(cvae.BundleError, FUNCTIONS):
        refuse_control_flow(model_of(node_with(), functions=functions).SerializeToString(), "a.onnx")


def test_a_graph_in_a_second_part_of_the_message_is_found(refuses):
    # Protobuf merges what stands twice: readers see one graph with the nodes of both.
    data = model_of(node_with()).SerializeToString() + model_of(node_with(body=BODY)).SerializeToString()
    assert len(onnx.load_from_string(data).graph.node) == 2
    with refuses(cvae.BundleError, SUBGRAPH):
        refuse_control_flow(data, "a.onnx")


@given(
    st.lists(st.sampled_from([1, 2.0, "s", [1, 2], helper.make_tensor("t", TensorProto.FLOAT, [1], [1.0])]), max_size=4)
)
def test_plain_nodes_pass(values):
    attributes = {f"a{n}": value for n, value in enumerate(values)}
    refuse_control_flow(model_of(node_with(**attributes), node_with()).SerializeToString(), "a.onnx")


def test_a_bundle_with_an_endless_loop_is_refused_when_it_is_read(bundles, tiny, tmp_path, refuses):
    model = onnx.load_from_string(tiny.decoder())
    model.graph.node.add().CopyFrom(helper.make_node("Loop", ["", ""], [], body=BODY))
    path = bundles.write(tmp_path / "tiny", decoder=model.SerializeToString())
    with refuses(cvae.BundleError, SUBGRAPH.replace("a.onnx", str(path / "decoder.onnx"))):
        cvae.read_bundle(path)
