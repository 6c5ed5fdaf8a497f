"""Colour models from training to scores: every part handles all decoder outputs."""

import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

import cvae_runtime
from cvae_export import export
from cvae_export._config import OPSETS
from cvae_export._convert import convert, finish
from cvae_export._functions import FUNCTIONS
from cvae_export.passes import PORTABLE
from cvae_runtime import check_golden, posterior_noise, prior_latents
from cvae_runtime.elbo import gaussian_kl, log_likelihood, reparameterize, targets_of
from cvae_train import Dataset, evaluate, train
from cvae_train._config import COMPONENTS

OUTPUTS = {
    "discretized-logistic": ("probs", "log_scale"),
    "discretized-logistic-mixture": ("probs", "location", "log_scale", "mixture_logits"),
}


@pytest.fixture(scope="module", params=OUTPUTS)
def likelihood(request):
    return request.param


@pytest.fixture(scope="module")
def outputs(likelihood):
    """Names of the decoder's outputs."""
    return OUTPUTS[likelihood]


@pytest.fixture(scope="module")
def trained(likelihood, rgb_config, rgb_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rgb")
    np.savez(folder / "set.npz", x_train=rgb_data.train, x_test=rgb_data.test)
    data = Dataset(rgb_data.train, rgb_data.test, str(folder / "set.npz"))
    model = dataclasses.replace(rgb_config.model, likelihood=likelihood)
    return train(data, dataclasses.replace(rgb_config, model=model, epochs=10), folder / "run", quiet=True)


@pytest.fixture(scope="module")
def exported(trained):
    return export(trained.path, trained.path.parent / "bundle")


def test_manifest_lists_decoder_outputs(exported, likelihood, outputs):
    model = exported.manifest.model
    assert (model.likelihood, model.image_shape, model.preprocessing.binarize_at) == (likelihood, (8, 8, 3), None)
    decoder = exported.manifest.graphs[1]
    assert [(t.name, t.dtype, t.shape) for t in decoder.outputs] == [
        (name, "float32", ("batch", 8, 8, 3, *((COMPONENTS,) if "mixture" in likelihood and name != "probs" else ())))
        for name in outputs
    ]
    assert set(decoder.verified.max_abs_difference) == set(outputs)
    assert abs(decoder.verified.elbo_change) < 1e-3
    props = {p.key: json.loads(p.value) for p in onnx.load(exported.path / "decoder.onnx").metadata_props}
    assert props["cvae.likelihood"] == likelihood


def test_golden_vectors_hold_all_outputs(exported, outputs):
    results = check_golden(cvae_runtime.read_bundle(exported.path))
    assert [(r.file, r.output) for r in results if r.file == "decoder.onnx"] == [("decoder.onnx", n) for n in outputs]
    assert all(result.agrees for result in results)


def test_runtime_matches_the_trained_model(exported, trained, rgb_data):
    with cvae_runtime.load(exported.path, provider="cpu") as model:
        samples, again = model.generate(9), model.reconstruct(rgb_data.test)
        between = model.interpolate(rgb_data.test[0], rgb_data.test[1], steps=3)
        z = prior_latents(0, 0, 9, 4)
        np.testing.assert_array_equal(model.decode(z), samples)
    np.testing.assert_allclose(samples, trained.model.sample(z), atol=1e-5)
    mean, _ = trained.model.encode(rgb_data.test / np.float32(255))
    np.testing.assert_allclose(again, trained.model.sample(mean), atol=1e-5)
    assert (samples.shape, again.shape, between.shape) == ((9, 8, 8, 3), (13, 8, 8, 3), (3, 8, 8, 3))
    for images in (samples, again, between):
        assert (images.min() >= 0.0, images.max() <= 1.0, images.std() > 0.02) == (True, True, True)


def test_every_part_has_the_same_elbo(exported, trained, rgb_data):
    with cvae_runtime.load(exported.path, provider="cpu") as model:
        scores = model.score(rgb_data.test)
        tighter = model.score(rgb_data.test, samples=20).iw_bound.mean()
    elbo = scores.elbo.mean()
    evaluation = evaluate(trained.model, rgb_data.test, "none", samples=20)
    assert elbo == pytest.approx(trained.history[-1].elbo, rel=1e-5)
    assert elbo == pytest.approx(exported.manifest.training.test_elbo, rel=1e-6)
    assert elbo == pytest.approx(evaluation.elbo, rel=1e-6)
    assert evaluation.bits_per_dimension == pytest.approx(-elbo / (192 * np.log(2)), rel=1e-6)
    assert tighter > elbo
    assert evaluation.iw_bound == pytest.approx(tighter, rel=1e-6)


def test_the_verified_elbo_is_the_definition(reference, trained, rgb_data, likelihood):
    mean, logvar = (t.numpy() for t in trained.model.encode(rgb_data.test / np.float32(255)))
    z = reparameterize(mean, logvar, posterior_noise(0, 0, 13, 4))
    parameters = {name: array.numpy() for name, array in trained.model.pixel_parameters(z).items()}
    log_p = log_likelihood(targets_of(rgb_data.test, None), parameters, likelihood)
    assert reference.elbos.mean() == pytest.approx((log_p - gaussian_kl(mean, logvar)).mean(), rel=1e-6)


@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset_matches_tensorflow_with_plain_operators(source, outputs, opset):
    function = FUNCTIONS["decoder"](source)
    graph, _ = finish(convert(function, opset), PORTABLE, outputs, {"cvae.role": "decoder"})
    plain = {"Add", "ConvTranspose", "MatMul", "Mul", "Relu", "Reshape", "Sigmoid", "Slice", "Split", "Transpose"}
    plain |= {"Abs", "Clip", "Div", "Exp", "Log", "Max", "Min", "Neg", "ReduceSum", "Softmax", "Sub"}  # for the mixture
    nodes = onnx.load_from_string(graph).graph.node
    assert {(node.domain, node.op_type) for node in nodes} <= {("", name) for name in plain}
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    for batch in (1, 5):
        z = prior_latents(0, 0, batch, 4)
        expected = function(z=tf.constant(z))
        for name, array in zip(outputs, session.run(outputs, {"z": z}), strict=True):
            np.testing.assert_allclose(array, expected[name], atol=1e-5)
