import types

import numpy as np
import pytest

from cvae_train._evaluate import embedding as module
from cvae_train._evaluate.embedding import embed


@pytest.fixture
def installed(monkeypatch):
    """A function that chooses which libraries are installed, as stand-ins; returns the arguments of their calls."""

    def install(*names):
        calls = []

        def reducer(name):
            def make(**options):
                calls.append((name, options))
                return types.SimpleNamespace(fit_transform=lambda x: np.ones((len(x), 2), np.float32))

            return make

        modules = {
            "umap": types.SimpleNamespace(UMAP=reducer("umap")),
            "sklearn.manifold": types.SimpleNamespace(TSNE=reducer("sklearn")),
        }
        monkeypatch.setattr(module, "find_spec", lambda name: name if name in names else None)
        monkeypatch.setattr(module.importlib, "import_module", modules.__getitem__)
        return calls

    return install


@pytest.fixture
def latents():
    """Points with standard deviations 1, 5, 3 and 0.1 along the axes."""
    return np.random.default_rng(0).normal(2.0, (1.0, 5.0, 3.0, 0.1), (400, 4)).astype(np.float32)


def test_pca(installed, latents):
    installed()
    (found,) = embed(latents)
    assert found.points.shape == (400, 2)
    for column, dimension in enumerate((1, 2)):
        correlation = np.corrcoef(found.points[:, column], latents[:, dimension])[0, 1]
        assert correlation > 0.98  # with the sign of the latents
    np.testing.assert_allclose(found.points.mean(axis=0), 0.0, atol=1e-6)
    values = np.linalg.eigvalsh(np.cov(latents, rowvar=False))
    assert found.method == f"PCA, {values[-2:].sum() / values.sum():.0%} of the variance"


def test_latents_that_are_all_equal(installed):
    installed()
    (found,) = embed(np.ones((3, 5), np.float32))
    assert (found.method, np.abs(found.points).max()) == ("PCA, 100% of the variance", 0.0)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_few_dimensions_stay_as_they_are(installed, dimensions):
    installed("umap", "sklearn")
    latents = np.arange(50.0 * dimensions).reshape(50, dimensions)
    (found,) = embed(latents)
    assert (found.method, found.points.shape) == ("latent dimensions", (50, 2))
    np.testing.assert_array_equal(found.points[:, :dimensions], latents)


def test_umap_takes_precedence(installed, latents):
    calls = installed("umap", "sklearn")
    assert [each.method for each in embed(latents)] == ["PCA, 97% of the variance", "UMAP"]
    assert calls == [("umap", {"n_components": 2, "random_state": 0, "n_jobs": 1})]


@pytest.mark.parametrize(("count", "perplexity"), [(400, 30.0), (31, 10.0)])
def test_t_sne(installed, latents, count, perplexity):
    calls = installed("sklearn")
    second = embed(latents[:count])[1]
    assert (second.method, second.points.shape) == ("t-SNE", (count, 2))
    assert calls == [("sklearn", {"perplexity": perplexity, "init": "pca", "random_state": 0})]


def test_few_points_have_too_few_neighbours(installed, latents):
    calls = installed("umap", "sklearn")
    assert (len(embed(latents[:19])), calls) == (1, [])
