"""The packaged models are the runs in assets, and as good as their manifests say."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import cvae_runtime
from cvae_train import PRESETS, import_tensorflow, load_data, load_run, read_history

import_tensorflow()

ROOT = Path(__file__).parents[2]
NAMES = ("mnist", "mnist-unlabelled")


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def assets(name):
    return ROOT / "assets" / name


@pytest.fixture(scope="module")
def model(name):
    with cvae_runtime.load(cvae_runtime.packaged_bundle(name), provider="cpu") as model:
        yield model


@pytest.fixture(scope="module")
def digits(model):
    """A function that returns the first test images and the labels that the model takes, None for one without."""
    data = load_data()

    def digits(count):
        return data.test[:count], model.labels and [int(label) for label in data.labels.test[:count]]

    return digits


def test_it_is_a_finished_run_of_the_best_preset(name, assets):
    result = load_run(assets)
    best = PRESETS["best"]
    labels = tuple("0123456789") if name == "mnist" else ()
    assert result.config.model == dataclasses.replace(best.model, labels=labels)
    same = {"model": best.model, "label_dropout": best.label_dropout}  # no part of a model without labels
    assert dataclasses.replace(result.config, **same) == best
    assert not labels or result.config.label_dropout == best.label_dropout
    assert [record.epoch for record in read_history(assets / "history.csv")] == list(range(1, best.epochs + 1))
    fields = json.loads((assets / "config.json").read_text())
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


def test_elbo_is_as_recorded_and_better_than_the_notebooks(model, assets, digits):
    images, labels = digits(10_000)
    elbo = model.score(images, labels=labels).elbo.mean()
    assert elbo == pytest.approx(model.manifest.training.test_elbo, abs=1e-3)
    # The history's ELBO comes from logits; this one from probs, clipped at 1e-7, so very wrong pixels cost less.
    assert elbo == pytest.approx(read_history(assets / "history.csv")[-1].elbo, abs=2e-2)
    # Labels are worth up to log 10 = 2.3 nats. Without them the model is still better.
    assert model.score(images).elbo.mean() > read_history(ROOT / "docs" / "histories" / "notebook.csv")[-1].elbo + 10.0


def test_digits_are_told_apart(name, model, digits):
    if name == "mnist":
        images, labels = digits(200)
        assert np.mean(model.classify(images).argmax(axis=1) == labels) > 0.97


def test_evaluation_is_recorded(name, model, assets, digits):
    evaluation = json.loads((assets / "evaluation.json").read_text())
    assert evaluation["images"] == 10_000
    assert evaluation["binarize"] == "static"
    assert evaluation["elbo"] == pytest.approx(model.manifest.training.test_elbo, abs=1e-2)
    assert evaluation["samples"] == (100 if name == "mnist" else 500)
    assert evaluation["iw_bound"] > evaluation["elbo"]
    images, labels = digits(100)
    scores = model.score(images, samples=50, labels=labels)
    assert scores.iw_bound.mean() == pytest.approx(evaluation["iw_bound"], abs=5.0)  # on a hundredth of the images


def test_outputs_match_the_trained_weights(name, model, assets):
    trained = load_run(assets).model
    label = np.arange(20) % 11  # every class, and none
    labels = [None if index == 10 else int(index) for index in label]
    given, named = ((label,), {"labels": labels}) if name == "mnist" else ((), {})
    noise = cvae_runtime.prior_latents(3, 0, 20, 40)
    np.testing.assert_allclose(model.generate(20, seed=3, **named), trained.sample(noise, *given), atol=1e-5)
    images = load_data().test[:20]
    mean, logvar = trained.encode((images >= 128).astype(np.float32), *given)
    posterior = model.encode(images, **named)
    np.testing.assert_allclose(posterior.mean, mean, atol=1e-5)
    np.testing.assert_allclose(posterior.logvar, logvar, atol=1e-5)
