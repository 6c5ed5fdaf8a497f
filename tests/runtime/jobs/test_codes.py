"""Columns of images: codes, ELBO, importance-weighted bound."""

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_runtime._jobs.codes import code_batch, code_columns


@pytest.mark.parametrize("samples", [1, 3])
def test_columns_are_the_codes_and_the_scores(samples, tiny_model, tiny):
    columns = code_columns(tiny_model, tiny.images, 40, samples=samples, seed=7)
    posterior, scores = tiny_model.encode(tiny.images), tiny_model.score(tiny.images, samples=samples, seed=7, first=40)
    expected = {"mean": posterior.mean, "logvar": posterior.logvar, "elbo": scores.elbo}
    if samples > 1:
        expected["iw_bound"] = scores.iw_bound
    assert {name: (column.dtype, column.shape) for name, column in columns.items()} == {
        name: (column.dtype, column.shape) for name, column in expected.items()
    }
    for name, column in expected.items():
        np.testing.assert_array_equal(columns[name], column, err_msg=name)


@pytest.mark.parametrize("likelihood", ["discretized-logistic", "discretized-logistic-mixture"])
def test_likelihoods_of_levels_have_bits_per_dimension(likelihood, bundles, tmp_path, tiny):
    with cvae.load(bundles.write(tmp_path / "levels", likelihood=likelihood), provider="cpu") as model:
        columns = code_columns(model, tiny.images, 0, samples=2)
    assert list(columns) == ["mean", "logvar", "elbo", "bits_per_dimension", "iw_bound"]
    np.testing.assert_allclose(columns["bits_per_dimension"], columns["elbo"] / -(4 * 4 * np.log(2.0)), rtol=1e-12)


def test_columns_do_not_depend_on_batches(packaged_model):
    images = cvae.to_uint8(packaged_model.generate(100, seed=3))
    whole = code_columns(packaged_model, images, 7)
    part = code_columns(packaged_model, images[33:50], 40)
    for name, column in part.items():
        np.testing.assert_allclose(column, whole[name][33:50], rtol=1e-5, atol=1e-5, err_msg=name)
    elsewhere = code_columns(packaged_model, images[33:50], 41)
    assert (elsewhere["elbo"] != part["elbo"]).all()
    np.testing.assert_array_equal(elsewhere["mean"], part["mean"])


def test_images_are_encoded_once(tiny_model, tiny, monkeypatch):
    calls, encode = [], cvae.Model._encode
    counting = lambda model, images, labels: calls.append(len(images)) or encode(model, images, labels)  # noqa: E731
    monkeypatch.setattr(cvae.Model, "_encode", counting)
    code_columns(tiny_model, tiny.images, 0)
    assert calls == [11]


def test_a_batch_is_some_mib_of_whole_micro_batches():
    assert [code_batch(shape) for shape in [(28, 28, 1), (64, 64, 3), (512, 512, 3)]] == [2656, 160, 32]
