"""The packaged model is the one in assets/mnist, and as good as its manifest says."""

import dataclasses
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
    model = dataclasses.replace(result.config.model, labels=())
    assert dataclasses.replace(result.config, model=model) == PRESETS["best"]
    assert result.config.model.labels == tuple("0123456789")
    assert [record.epoch for record in read_history(ASSETS / "history.csv")] == list(range(1, result.config.epochs + 1))
    fields = json.loads((ASSETS / "config.json").read_text())
    assert fields["data"]["source"] == "mnist"
    assert fields["data"]["fingerprint"] == load_data().fingerprint


def test_differences_are_within_tolerances(model):
    assert [graph.file for graph in model.manifest.graphs] == [
        "encoder.onnx",
        "decoder.onnx",
        "prior.onnx",
        "prior_density.onnx",
    ]
    for graph in model.manifest.graphs:
        for name, difference in graph.verified.max_abs_difference.items():
            assert difference < (1e-4 if name == "log_prob" else 1e-5)
        if graph.verified.elbo_change is not None:
            assert abs(graph.verified.elbo_change) < 1e-3


def test_elbo_is_as_recorded_and_better_than_the_notebooks(model):
    data = load_data()
    elbo = model.score(data.test, labels=[int(label) for label in data.labels.test]).elbo.mean()
    assert elbo == pytest.approx(model.manifest.training.test_elbo, abs=1e-3)
    # The history's ELBO comes from logits; this one from probs, clipped at 1e-7, so very wrong pixels cost less.
    assert elbo == pytest.approx(read_history(ASSETS / "history.csv")[-1].elbo, abs=2e-2)
    # Labels are worth up to log 10 = 2.3 nats. Without them the model is still better.
    assert model.score(data.test).elbo.mean() > read_history(HISTORIES / "notebook.csv")[-1].elbo + 10.0


def test_it_tells_digits_apart(model):
    data = load_data()
    found = model.classify(data.test[:200]).argmax(axis=1)
    assert np.mean(found == data.labels.test[:200]) > 0.97


def test_evaluation_is_recorded(model):
    evaluation = json.loads((ASSETS / "evaluation.json").read_text())
    assert evaluation["images"] == 10_000
    assert evaluation["binarize"] == "static"
    assert evaluation["elbo"] == pytest.approx(model.manifest.training.test_elbo, abs=1e-2)
    assert evaluation["samples"] == 500
    assert evaluation["iw_bound"] > evaluation["elbo"]
    data = load_data()
    scores = model.score(data.test[:100], samples=50, labels=[int(label) for label in data.labels.test[:100]])
    assert scores.iw_bound.mean() == pytest.approx(evaluation["iw_bound"], abs=5.0)  # on a hundredth of the images


def test_outputs_match_the_trained_weights(model):
    trained = load_run(ASSETS).model
    label = np.arange(20) % 11  # every class, and none
    noise = cvae_runtime.prior_latents(3, 0, 20, 40)
    labels = [None if index == 10 else int(index) for index in label]
    np.testing.assert_allclose(model.generate(20, seed=3, labels=labels), trained.sample(noise, label), atol=1e-5)
    images = load_data().test[:20]
    mean, logvar = trained.encode((images >= 128).astype(np.float32), label)
    posterior = model.encode(images, labels=labels)
    np.testing.assert_allclose(posterior.mean, mean, atol=1e-5)
    np.testing.assert_allclose(posterior.logvar, logvar, atol=1e-5)
