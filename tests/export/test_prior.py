"""Bundles with a learned prior: format 2."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_export import ExportConfig, compare_bundle, export
from cvae_runtime import BundleError, prior_latents
from cvae_runtime.bundle import parse_manifest
from cvae_train import Dataset, evaluate, train

EXTRAS = ("scorer", "sampler", "reconstructor")


@pytest.fixture(scope="module")
def run(tiny_config, tiny_data, tiny_archive, tmp_path_factory):
    """A run whose prior is far from N(0, I)."""
    model = dataclasses.replace(tiny_config.model, prior="learned")
    config = dataclasses.replace(tiny_config, model=model, epochs=8, learning_rate=3e-2)
    data = Dataset(tiny_data.train, tiny_data.test, str(tiny_archive))
    return train(data, config, tmp_path_factory.mktemp("runs") / "prior", quiet=True)


@pytest.fixture(scope="module")
def result(run, tmp_path_factory):
    return export(run.path, tmp_path_factory.mktemp("bundles") / "prior", ExportConfig(extras=EXTRAS), quiet=True)


@pytest.fixture(scope="module")
def model(result):
    with cvae.load(result.path, threads=2) as model:
        yield model


def test_manifest(result):
    manifest = json.loads((result.path / "manifest.json").read_text())
    assert (manifest["format"], manifest["model"]["prior"]) == (2, "learned")
    tensors = {
        graph["role"]: [(t["name"], t["dtype"], t["shape"]) for t in (*graph["inputs"], *graph["outputs"])]
        for graph in manifest["graphs"]
    }
    assert tensors["prior"] == [("noise", "float32", ["batch", 3]), ("z", "float32", ["batch", 3])]
    assert tensors["prior_density"] == [
        ("z", "float32", ["batch", 3]),
        ("log_prob", "float32", ["batch"]),
        ("noise", "float32", ["batch", 3]),
    ]


def test_golden_vectors_have_both_roles(result):
    found = {item.file: item for item in cvae.check_golden(cvae.read_bundle(result.path))}
    assert {"prior.onnx", "prior_density.onnx"} <= found.keys()
    assert all(item.agrees for item in found.values())
    assert found["prior_density.onnx"].atol == 1e-3


def test_samples_are_draws_of_the_prior(model, run, session, sampler):
    noise = prior_latents(7, 0, 6, 3) * np.float32(0.8)
    z = run.model.latents(noise).numpy()
    assert np.abs(z - noise).max() > 0.1
    np.testing.assert_allclose(session("prior", noise=noise)[0], z, rtol=0, atol=1e-4)
    np.testing.assert_allclose(model.latents(6, seed=7, temperature=0.8), z, rtol=0, atol=1e-4)
    images = model.generate(6, seed=7, temperature=0.8)
    np.testing.assert_allclose(images, run.model.sample(noise), rtol=0, atol=1e-4)
    of_sampler = sampler(6, seed=7, temperature=0.8)
    np.testing.assert_allclose(of_sampler, images, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (7, 2), (400, 1), (64, 3)])
def test_streams_keep_their_bits(result, batch, threads):
    with cvae.load(result.path, threads=1) as model:
        expected = np.concatenate(list(model.stream(700, seed=3, first=11)))
    with cvae.load(result.path, threads=threads) as model:
        assert np.array_equal(np.concatenate(list(model.stream(700, seed=3, first=11, batch=batch))), expected)


def test_scores(model, run, session, tiny_data):
    scores = model.score(tiny_data.test, samples=4)
    evaluation = evaluate(run.model, tiny_data.test, "static", samples=4)
    one = model.score(tiny_data.test)
    assert one.elbo.mean() == pytest.approx(evaluation.elbo, abs=1e-4)
    assert one.kl.mean() == pytest.approx(evaluation.kl, abs=1e-4)
    assert scores.iw_bound.mean() == pytest.approx(evaluation.iw_bound, abs=1e-4)
    np.testing.assert_allclose(scores.elbo, scores.reconstruction - scores.kl)
    noise = cvae.posterior_noise(0, 0, 4 * len(tiny_data.test), 3).reshape(-1, 4, 3).swapaxes(0, 1)
    elbo, bound = session("scorer", images=tiny_data.test, noise=np.ascontiguousarray(noise))
    np.testing.assert_allclose(elbo, scores.elbo, rtol=0, atol=1e-3)
    np.testing.assert_allclose(bound, scores.iw_bound, rtol=0, atol=1e-3)


def test_exploring(model, run):
    grid = model.manifold([0, 2], steps=3)
    noise = np.zeros((9, 3), np.float32)
    quantiles = np.float32([-1.6448536, 0.0, 1.6448536])
    noise[:, 0], noise[:, 2] = np.repeat(quantiles, 3), np.tile(quantiles, 3)
    np.testing.assert_allclose(grid.reshape(9, 8, 8, 1), run.model.sample(noise), rtol=0, atol=1e-4)
    (a, b), steps = model.latents(2, seed=1), 4
    between = model.interpolate(a, b, steps=steps)
    np.testing.assert_allclose(between[1], model.decode((a + (b - a) / 3)[np.newaxis])[0], rtol=0, atol=1e-5)
    zero = run.model.latents(np.zeros((1, 3), np.float32)).numpy()
    assert model.rank_dimensions() == model.rank_dimensions(zero[0])


def test_closed_model(result):
    model = cvae.load(result.path)
    model.close()
    for call in (lambda: model.latents(1), lambda: model.generate(1), lambda: model.manifold([0, 1], steps=2)):
        with pytest.raises(cvae.InputError):
            call()


def test_extreme_temperature(model):
    images = model.generate(2, temperature=1e20)
    assert 0.0 <= images.min() <= images.max() <= 1.0


def test_receipt_and_copies(model):
    assert sorted(model.receipt()["graphs"]) == ["decoder", "encoder", "prior", "prior_density"]
    with pickle.loads(pickle.dumps(model)) as copy:
        assert np.array_equal(copy.generate(3), model.generate(3))


def test_descriptions(model):
    assert "bernoulli, learned prior; cpu" in repr(model)
    assert '<th style="text-align: left">prior</th>' in model._repr_html_()


def test_compared_with_its_run(run, result):
    roles = {comparison.graph.role for comparison in compare_bundle(run.path, result.path, quiet=True)}
    assert roles == {"encoder", "decoder", "prior", "prior_density", *EXTRAS}


@pytest.fixture
def fields(result):
    return json.loads((result.path / "manifest.json").read_text())


def refused(fields):
    with pytest.raises(BundleError) as caught:
        parse_manifest(json.dumps(fields), "manifest.json")
    return str(caught.value)


def test_readers_of_format_1_refuse_it(fields):
    # They compare the number, which is therefore 2, and stop: they would draw from N(0, I).
    assert fields["format"] == 2
    assert refused({**fields, "format": 1}) == (
        "manifest.json: format: expected 2, for a learned prior, found 1; export the bundle again"
    )
    assert refused({**fields, "format": 3}) == (
        "manifest.json: expected format 1 or 2, found 3; use the version of cvae-toolkit that wrote it, or export the "
        "bundle again"
    )


@pytest.mark.parametrize("role", ["prior", "prior_density"])
def test_its_graphs_are_required(role, fields):
    fields["graphs"] = [graph for graph in fields["graphs"] if graph["role"] != role]
    assert refused(fields) == (
        f"manifest.json: graphs: expected a portable float32 {role}, for a learned prior, found none; export the bundle "
        f"again"
    )


def test_unknown_priors_are_refused(fields):
    fields["model"]["prior"] = "vamp"
    assert refused(fields) == (
        'manifest.json: model.prior: expected one of learned, found "vamp"; export the bundle again'
    )
