import subprocess

import numpy as np
import onnx
import pytest

import cvae_runtime
import cvae_train
from benchmarks import _ceiling, inference
from benchmarks._harness import Field, Race, Rounds
from benchmarks._notebook import BUNDLE
from benchmarks._process import Contender, ContenderError
from benchmarks._worker import measure
from benchmarks.peers import _prepare, inputs, plain_graph

BATCHES = (1, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the peers' files."""
    made = str(tmp_path_factory.mktemp("peers"))
    _prepare.prepare(made, BATCHES)
    return made


@pytest.mark.parametrize("name", [each.name for each in (*inference.PEERS, *inference.OWN)])
def test_peers_compute_the_same_outputs(folder, progress, name):
    contenders = [each for each in inference.contenders(folder) if each.name == name]
    # A reconstruction uses encoder and decoder; peers with an ONNX graph or the Keras model have no own encoder to
    # check.
    written_here = name in ("PyTorch, eager", "JAX, jit", inference.OURS, "LiteRT, XNNPACK")
    with Field(contenders, progress) as field:
        for task in ["encoding", "reconstruction"] if written_here else ["reconstruction"]:
            expected = inference.reference(task, folder, max(BATCHES))
            (entry,) = field.offline(task, BATCHES, expected, inference.ATOL, Rounds(1, 0.0)).offline()
            if entry.status == "skipped":
                pytest.skip(entry.reason)
            assert (entry.status, entry.reason) == ("measured", None)
            assert [point.at for point in entry.points] == [1, 3]


def test_inputs_of_tasks(folder):
    z, images = inputs("decoding", folder, 3), inputs("encoding", folder, 3)
    with cvae_runtime.load(BUNDLE, provider="cpu") as model:
        np.testing.assert_array_equal(z, cvae_runtime.prior_latents(0, 0, 3, model.latent_dim))
        np.testing.assert_array_equal(images, cvae_runtime.to_uint8(model.decode(z)))
    np.testing.assert_array_equal(inputs("reconstruction", folder, 3), images)
    many = inputs("decoding", folder, _prepare.IMAGES + 3)
    np.testing.assert_array_equal(many[_prepare.IMAGES :], z)


def test_plain_graphs_are_not_optimised(folder):
    plain = {node.op_type for node in onnx.load(plain_graph("decoding", folder)).graph.node}
    optimised = {node.op_type for node in onnx.load(BUNDLE / "decoder.onnx").graph.node}
    assert plain - optimised


def test_words_select_peers():
    names = [contender.name for contender in inference.contenders("", ["jax", "XLA"])]
    own = [each.name for each in inference.OWN]
    assert names == ["TensorFlow, XLA", "JAX, jit", *own, _ceiling.PRODUCT, _ceiling.COPY]
    assert len(inference.contenders("")) == len(inference.PEERS) + len(own) + 2


def test_only_fewer_bits_have_a_mean_tolerance():
    for each in (*inference.PEERS, *inference.OWN):
        assert (each.precision != "float32") == (each.mean_atol is not None)


@pytest.mark.parametrize("config", [cvae_train.ModelConfig(), cvae_train.ModelConfig((32, 48, 1), 7, (4, 8, 16))])
def test_multiply_adds_count_every_weight_at_every_position(config):
    model = cvae_train.CVAE(config)
    expected = {"encoding": 0, "decoding": 0}
    for task, part in (("encoding", model.encoder), ("decoding", model.decoder)):
        for layer in part.layers:
            if layer.weights:
                # Kernels are applied at every output of a convolution, at every input of a transposed one, and once in
                # a dense layer.
                shape = (layer.input if "transpose" in layer.name else layer.output).shape[1:-1]
                expected[task] += layer.kernel.shape.num_elements() * int(np.prod(shape))
    found = _ceiling.multiply_adds(config)
    assert found == {**expected, "reconstruction": expected["encoding"] + expected["decoding"]}


def test_multiply_adds_of_the_packaged_decoder():
    assert _ceiling.multiply_adds(cvae_train.ModelConfig())["decoding"] == 4_820_032


def test_bytes_moved():
    # uint8 images, float32 latents, means, logvars and probabilities.
    assert _ceiling.bytes_moved(cvae_train.ModelConfig()) == {
        "encoding": 784 + 4 * 50 + 4 * 50,
        "decoding": 4 * 50 + 4 * 784,
        "reconstruction": 784 + 4 * 784,
    }


def test_ceilings(monkeypatch):
    assert measure(_ceiling.product("8")("decoding", 1), 0.0)[0] > 0
    assert measure(_ceiling.copies("1000")("decoding", 1), 0.0)[0] > 0
    monkeypatch.setattr(_ceiling, "SIZE", 2048)
    product, copy = _ceiling.ceilings(cvae_train.ModelConfig())
    assert product.items["decoding"] == 2048**3 / 4_820_032
    assert copy.items["decoding"] == (1 << 27) / 3336
    assert {product.kind, copy.kind} == {"ceiling"}


def test_ceiling_of_generation_is_decoding(progress):
    found = inference.generation((1, 4), Rounds(2, 0.0), progress)
    assert [(entry.name, entry.kind) for entry in found.entries] == [
        (inference.GENERATE, "ours"),
        (inference.DECODE, "ceiling"),
    ]
    assert found.places == (1, 4)
    assert found.share_of_ceiling(found.entries[0], 4) > 0


def test_the_packaged_model_is_compared_with_the_notebooks_network(progress):
    found = list(inference.packaged((1, 4), Rounds(2, 0.0), progress))
    assert [each.name for each in found] == [
        f"{task}, packaged model" for task in ("decoding", "encoding", "reconstruction", "generation")
    ]
    for each in found:
        assert [(entry.name, entry.kind) for entry in each.entries] == [
            ("packaged model", "ours"),
            ("notebook's network", "peer"),
        ]
        assert each.places == (1, 4)


def test_races_by_threads_are_merged():
    contenders = [Contender("a", ""), Contender("b", ""), Contender("c", "")]
    dead = ContenderError("failed", "exit code 1: no luck")
    one = Race("decoding", contenders, {"a": {64: [[2.0]]}}, {"b": dead, "c": dead})
    two = Race("decoding", contenders, {"a": {1: [[9.0]], 64: [[1.0]]}, "b": {1: [[9.0]], 64: [[4.0]]}}, {"c": dead})
    found = inference.by_threads({1: one, 2: two}, 64)
    assert found.name == "decoding, batch 64, by threads"
    rates = {entry.name: {p.at: p.median for p in entry.points} for entry in found.entries}
    assert rates == {"a": {1: 32.0, 2: 64.0}, "b": {2: 16.0}, "c": {}}
    assert [(entry.status, entry.reason) for entry in found.entries] == [
        *[("measured", None)] * 2,
        ("failed", "exit code 1: no luck"),
    ]


@pytest.mark.parametrize(("most", "expected"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_threads_double_from_one_to_all(most, expected):
    assert inference._doubling(most) == expected


def test_failed_preparation_exits_with_the_reason(monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "No module named 'tf2onnx'")
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_options: failed)
    with pytest.raises(SystemExit, match="the peers' inputs and graphs cannot be made:\nNo module named 'tf2onnx'"):
        inference.prepare("folder", (1,))
