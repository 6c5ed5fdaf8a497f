"""The packaged model is the one in assets/mnist, and as good as its manifest says."""

import json
from pathlib import Path

import numpy as np
import pytest

import cvae_runtime
from cvae_train import PRESETS, import_tensorflow, load_data, load_run, read_history

import_tensorflow()

ASSETS = Path(__file__).parents[2] / "assets" / "mnist"
HISTORIES = Path(__file__).parents[2] / "docs" / "histories"


@pytest.fixture(scope="module")
def model():
    with cvae_runtime.load(provider="cpu") as model:
        yield model


def test_it_is_a_finished_run_of_the_best_preset():
    result = load_run(ASSETS)
    assert result.config == PRESETS["best"]
    assert [record.epoch for record in read_history(ASSETS / "history.csv")] == list(range(1, result.config.epochs + 1))
    fields = json.loads((ASSETS / "config.json").read_text())
    assert fields["data"]["source"] == "mnist"
    assert fields["data"]["fingerprint"] == load_data().fingerprint


def test_differences_are_within_tolerances(model):
    for graph in model.manifest.graphs:
        if graph.precision == "float32":
            assert max(graph.verified.max_abs_difference.values()) < 1e-5
            assert abs(graph.verified.elbo_change) < 1e-3
        else:
            assert abs(graph.verified.elbo_change) < 0.1


def test_cpu_decoder_is_faster_and_int8_faster_still(model):
    graphs = {graph.file: graph for graph in model.manifest.graphs}
    assert list(graphs) == ["encoder.onnx", "decoder.onnx", "decoder_cpu.onnx", "decoder_cpu_int8.onnx"]
    assert graphs["decoder_cpu.onnx"].verified.speed_ratio > 1.25
    assert graphs["decoder_cpu_int8.onnx"].verified.speed_ratio > 1.3
    assert graphs["decoder_cpu_int8.onnx"].bytes < 200_000


def test_int8_costs_less_than_a_tenth_of_a_nat(model):
    images = load_data().test[:2000]
    with cvae_runtime.load(provider="cpu", precision="int8") as rounded:
        change = rounded.score(images).elbo.mean() - model.score(images).elbo.mean()
    assert -0.15 < change < 0.0  # a fifth of the images; over all of them it is within 0.1


def test_elbo_is_as_recorded_and_better_than_the_notebooks(model):
    elbo = model.score(load_data().test).elbo.mean()
    assert elbo == pytest.approx(model.manifest.training.test_elbo, abs=1e-3)
    # The history's ELBO comes from logits; this one from probs, clipped at 1e-7, so very wrong pixels cost less.
    assert elbo == pytest.approx(read_history(ASSETS / "history.csv")[-1].elbo, abs=2e-2)
    assert elbo > read_history(HISTORIES / "notebook.csv")[-1].elbo + 2.5


def test_evaluation_is_recorded(model):
    evaluation = json.loads((ASSETS / "evaluation.json").read_text())
    assert evaluation["images"] == 10_000
    assert evaluation["binarize"] == "static"
    assert evaluation["elbo"] == pytest.approx(model.manifest.training.test_elbo, abs=1e-2)
    assert evaluation["samples"] == 500
    assert evaluation["iw_bound"] > evaluation["elbo"]
    scores = model.score(load_data().test[:100], samples=50)
    assert scores.iw_bound.mean() == pytest.approx(evaluation["iw_bound"], abs=5.0)  # on a hundredth of the images


def test_outputs_match_the_trained_weights(model):
    trained = load_run(ASSETS).model
    z = cvae_runtime.prior_latents(3, 0, 20, 50)
    np.testing.assert_allclose(model.decode(z), trained.sample(z), atol=1e-5)
    images = load_data().test[:20]
    mean, logvar = trained.encode((images >= 128).astype(np.float32))
    posterior = model.encode(images)
    np.testing.assert_allclose(posterior.mean, mean, atol=1e-5)
    np.testing.assert_allclose(posterior.logvar, logvar, atol=1e-5)
