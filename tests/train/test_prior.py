"""Runs with a learned prior."""

import dataclasses

import numpy as np
import pytest

from cvae_runtime import InputError
from cvae_train import ModelConfig, TrainConfig, evaluate, load_run, train
from tests.train.runs import same_weights, untimed


@pytest.fixture(scope="module")
def config(tiny_config):
    model = dataclasses.replace(tiny_config.model, prior="learned")
    return dataclasses.replace(tiny_config, model=model, objective="stl")


@pytest.fixture(scope="module")
def run(config, tiny_data, tmp_path_factory):
    return train(tiny_data, config, tmp_path_factory.mktemp("runs") / "prior", quiet=True)


def test_evaluation_agrees_with_the_history(run, tiny_data):
    found = evaluate(load_run(run.path).model, tiny_data.test, "static", samples=5)
    kept = run.kept
    assert (found.elbo, found.kl, found.reconstruction) == pytest.approx(
        (kept.elbo, kept.kl, kept.reconstruction), abs=1e-5
    )
    assert found.elbo == pytest.approx(found.reconstruction - found.kl)
    assert len(found.kl_per_dimension) == 3
    assert found.iw_bound > found.elbo - 1.0


def test_prior_is_trained(run):
    outs = [variable for variable in run.model.prior.trainable_variables if "out/kernel" in variable.path]
    assert all(np.abs(variable.numpy()).max() > 0 for variable in outs)


@pytest.mark.parametrize("objective", ["elbo", "analytic-kl", "iwae", "dreg"])
def test_objectives_train_it(objective, config, tiny_data, tmp_path):
    samples = 3 if objective in ("iwae", "dreg") else 1
    recipe = dataclasses.replace(config, objective=objective, samples=samples)
    history = train(tiny_data, recipe, tmp_path / "run", quiet=True).history
    assert history[-1].elbo > history[0].elbo


def test_resume(run, config, tiny_data, resumed):
    found = resumed(tiny_data, config, epoch=3)
    assert untimed(found.history) == untimed(run.history)
    assert same_weights(found.model, run.model)


def changed(before, after):
    """The parts of the model whose weights differ."""
    return {
        name
        for name in ("encoder", "decoder", "prior")
        if not all(map(np.array_equal, getattr(before, name).weights, getattr(after, name).weights))
    }


@pytest.mark.parametrize(("freeze", "trained"), [("encoder", {"decoder", "prior"}), ("decoder", {"encoder"})])
def test_prior_belongs_to_the_decoder(freeze, trained, run, config, tiny_data, tmp_path):
    result = train(tiny_data, config, tmp_path / "run", start_from=run.path, freeze=freeze, quiet=True)
    assert changed(run.model, result.model) == trained


def test_starts_from_a_run_without_one(tiny_config, config, tiny_data, tmp_path):
    plain = train(tiny_data, tiny_config, tmp_path / "plain", quiet=True)
    result = train(tiny_data, config, tmp_path / "run", start_from=plain.path, quiet=True)
    assert result.model.prior is not None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prior": "flow"}, "prior must be one of ('normal', 'learned'); found 'flow'"),
        ({"prior": "learned", "latent_dim": 1}, "a learned prior expects a latent_dim of at least 2, found 1"),
    ],
)
def test_wrong_models(settings, message):
    with pytest.raises(InputError) as caught:
        ModelConfig(**settings)
    assert str(caught.value) == message


def test_free_bits_need_a_kl_of_each_dimension():
    with pytest.raises(InputError) as caught:
        TrainConfig(model=ModelConfig(prior="learned"), objective="analytic-kl", free_bits=0.1)
    assert str(caught.value) == (
        "free_bits expects the prior normal, found learned, which has no KL per dimension; leave it out"
    )
