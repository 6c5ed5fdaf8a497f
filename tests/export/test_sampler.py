"""The sampler's graph draws the runtime's random numbers, in ONNX Runtime and in onnx's reference evaluator."""

import functools

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from cvae_export._build import _Builder
from cvae_export._config import ExportConfig
from cvae_export._sampler import latents_graph
from cvae_export._verify import run_onnx
from cvae_runtime import prior_latents

SEEDS = st.integers(0, (1 << 64) - 1)


def inputs(seed, first, count, temperature=1.0):
    return {
        "seed": np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32),
        "first": np.array(first, np.int64),
        "count": np.array(count, np.int64),
        "temperature": np.array(temperature, np.float32),
    }


@functools.cache
def sessions(latent_dim):
    graph = latents_graph(latent_dim)
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session, ReferenceEvaluator(graph)


def assert_the_host_s(seed, first, count, latent_dim):
    for session in sessions(latent_dim):
        (z,) = session.run(["z"], inputs(seed, first, count))
        assert (z.dtype, z.shape) == (np.dtype(np.float32), (count, latent_dim))
        np.testing.assert_allclose(z, prior_latents(seed, first, count, latent_dim), rtol=0, atol=1e-6)


@given(SEEDS, st.integers(0, 1 << 60), st.integers(1, 9), st.integers(1, 8))
def test_latents_are_the_host_s(seed, first, count, latent_dim):
    assert_the_host_s(seed, first, count, latent_dim)


@pytest.mark.parametrize(
    ("seed", "first", "latent_dim", "begins", "last"),
    [
        (0, 0, 50, "bf8860bf bf477a81 3d04b4ec", "3f835570"),
        (7, 40, 50, "3e17c6a5 bdef29a9 3f065bb4", "bdb97b47"),
        (0x0123456789ABCDEF, 2**40, 3, "bdb34c65 bf2efc6a bf839799", "bf839799"),
    ],
)
def test_latents_are_those_of_the_specification(seed, first, latent_dim, begins, last):
    words = [int(word, 16) for word in [*begins.split(), last]]
    expected = np.array(words, np.uint32).view(np.float32)
    for session in sessions(latent_dim):
        (z,) = session.run(["z"], inputs(seed, first, 1))
        np.testing.assert_allclose(z[0, [0, 1, 2, -1]], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("latent_dim", [1, 3, 50])
def test_last_latent_and_counters_across_words(latent_dim):
    pairs = -(-latent_dim // 2)
    assert_the_host_s((1 << 64) - 1, (1 << 63) // pairs - 1, 1, latent_dim)
    assert_the_host_s(5, (1 << 32) // pairs - 2, 4, latent_dim)


def test_no_samples_are_an_empty_array():
    for session in sessions(3):
        assert session.run(["z"], inputs(0, 5, 0))[0].shape == (0, 3)


def test_a_temperature_multiplies_in_float32():
    session, _ = sessions(3)
    (z,), (cold,) = (session.run(["z"], inputs(1, 2, 3, temperature)) for temperature in (1.0, 0.7))
    np.testing.assert_array_equal(cold, z * np.float32(0.7))


@pytest.fixture(scope="module")
def builder(reference):
    return lambda opset: _Builder(reference, ExportConfig(opset=opset), lambda *_: None)


@pytest.mark.parametrize(("asked", "found"), [(13, 18), (18, 18), (21, 21)])
def test_sampler_is_the_decoder_of_its_latents(builder, asked, found):
    sampler, decoder = (builder(asked).portable(role) for role in ("sampler", "decoder"))
    proto = onnx.load_from_string(sampler.data)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", found)]
    expected = run_onnx(decoder.data)({"z": prior_latents(9, 2**33, 5, 3) * np.float32(0.5)})["probs"]
    for run in (run_onnx(sampler.data), lambda feed: {"probs": ReferenceEvaluator(proto).run(["probs"], feed)[0]}):
        np.testing.assert_allclose(run(inputs(9, 2**33, 5, 0.5))["probs"], expected, rtol=0, atol=1e-6)


def test_sampler_has_only_standard_operators(builder):
    nodes = onnx.load_from_string(builder(15).portable("sampler").data).graph.node
    decoder = onnx.load_from_string(builder(15).portable("decoder").data).graph.node
    assert {node.domain for node in nodes} == {""}
    assert {node.op_type for node in nodes} - {node.op_type for node in decoder} == {
        "BitShift", "BitwiseOr", "BitwiseXor", "Cast", "Concat", "Cos", "Div", "Gather", "Log", "Mul", "Range", "Sin", "Sqrt", "Unsqueeze"
    }  # fmt: skip
