"""Runs with dynamic and fixed binarization, from training to evaluation."""

import dataclasses
import json

import numpy as np
import pytest

from cvae_runtime.random import derived_key
from cvae_train import Dataset, RunFolder, draw_binary, evaluate, load_run, train
from cvae_train._cli_evaluate import command
from tests.train.runs import same_weights, untimed


@pytest.fixture(scope="module")
def config(tiny_config):
    return dataclasses.replace(tiny_config, epochs=2, binarize="dynamic", validation_fraction=0.25)


@pytest.fixture(scope="module")
def run(config, tiny_data, tiny_archive, tmp_path_factory):
    """A finished run with dynamic binarization."""
    data = Dataset(tiny_data.train, tiny_data.test, str(tiny_archive))
    return train(data, config, tmp_path_factory.mktemp("runs") / "run", quiet=True)


def test_a_run_loads_what_it_was_tested_on(run, tiny_data):
    folder = RunFolder(run.path)
    np.testing.assert_array_equal(folder.load_test(), draw_binary(tiny_data.test))
    np.testing.assert_array_equal(folder.load_train(), draw_binary(tiny_data.train, derived_key(5, 1, 1)))


def test_images_elsewhere_are_drawn_as_well(run, tiny_data, tmp_path):
    np.savez(tmp_path / "moved.npz", x_train=tiny_data.train, x_test=tiny_data.test)
    folder = RunFolder(run.path)
    np.testing.assert_array_equal(folder.load_test(tmp_path / "moved.npz"), folder.load_test())
    np.testing.assert_array_equal(folder.load_train(tmp_path / "moved.npz"), folder.load_train())


def test_the_evaluation_is_of_the_history(run):
    found = evaluate(run.model, RunFolder(run.path).load_test(), "dynamic", samples=1)
    assert found.elbo == pytest.approx(run.kept.elbo, rel=1e-5)
    assert (found.reconstruction, found.kl) == pytest.approx((run.kept.reconstruction, run.kept.kl), rel=1e-5)


def test_other_runs_are_tested_on_the_same_pixels(run, config, tiny_data, tmp_path):
    other = dataclasses.replace(config, seed=6, epochs=1, validation_fraction=0.0)
    result = train(tiny_data, other, tmp_path / "other", quiet=True)
    found = evaluate(result.model, RunFolder(run.path).load_test(), "dynamic", samples=1)
    assert found.elbo == pytest.approx(result.history[-1].elbo, rel=1e-5)


def test_an_interrupted_run_resumes_to_the_undisturbed_one(run, config, tiny_data, resumed):
    found = resumed(tiny_data, config)
    assert untimed(found.history) == untimed(run.history)
    assert same_weights(found.model, run.model)
    assert load_run(found.path).config == config


def test_cvae_evaluate_draws_the_test_images(console, run):
    code, err = console(command, "cvae-evaluate", run.path, "--samples", 2)
    assert code == 0
    assert "13 test images, pixels drawn by their grey levels; nats per image" in err.splitlines()
    written = json.loads((run.path / "evaluation.json").read_text())
    assert written["binarize"] == "dynamic"
    assert written["elbo"] == pytest.approx(run.kept.elbo, rel=1e-5)
    assert written["baselines"] is not None


def test_fixed_pixels_train_as_static_ones(config, tiny_data, tmp_path):
    pixels = Dataset(draw_binary(tiny_data.train), draw_binary(tiny_data.test))
    fixed, static = (
        train(pixels, dataclasses.replace(config, epochs=1, binarize=binarize), tmp_path / binarize, quiet=True)
        for binarize in ("fixed", "static")
    )
    assert untimed(fixed.history) == untimed(static.history)
    assert same_weights(fixed.model, static.model)
