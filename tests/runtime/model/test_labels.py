"""Models with labels, against NumPy: classes by name and index, scores, classes of images, and wrong labels."""

import pickle

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_runtime._model import index_of
from cvae_runtime.elbo import gaussian_kl

NONE = 3  # index of "no label"


def test_names_and_format(labelled_model, tiny_model):
    assert (labelled_model.labels, labelled_model.manifest.format) == (("2", "10", "x"), 2)
    assert (tiny_model.labels, tiny_model.manifest.format) == (None, 1)


@pytest.mark.parametrize(
    ("chosen", "indices"),
    [
        ({}, [3, 3, 3, 3]),
        ({"label": None}, [3, 3, 3, 3]),
        ({"label": "10"}, [1, 1, 1, 1]),
        ({"label": 2}, [2, 2, 2, 2]),  # an int is an index, though "2" is a name
        ({"label": "2"}, [0, 0, 0, 0]),
        ({"label": np.int64(1)}, [1, 1, 1, 1]),
        ({"labels": ["x", 0, None, "10"]}, [2, 0, 3, 1]),
        ({"labels": ("x", "x", "2", "2")}, [2, 2, 0, 0]),
        ({"labels": np.array([2, 1, 0, 0])}, [2, 1, 0, 0]),
        ({"labels": np.array(["x", "10", "2", "2"])}, [2, 1, 0, 0]),
    ],
)
def test_every_call_takes_classes(chosen, indices, labelled_model, tiny):
    z = cvae.prior_latents(5, 2, 4, 3)
    images, indices = tiny.images[:4], np.array(indices)
    mean, logvar = tiny.encode(images, indices)
    expected = tiny.decode(z, indices)
    np.testing.assert_allclose(labelled_model.generate(4, seed=5, first=2, **chosen), expected, atol=1e-6)
    np.testing.assert_allclose(labelled_model.decode(z, **chosen), expected, atol=1e-6)
    np.testing.assert_array_equal(labelled_model.latents(4, seed=5, first=2, **chosen), z)  # whatever the class
    found = labelled_model.encode(images, **chosen)
    np.testing.assert_allclose(found.mean, mean, atol=1e-5)
    np.testing.assert_allclose(found.logvar, logvar, atol=1e-5)
    np.testing.assert_allclose(labelled_model.reconstruct(images, **chosen), tiny.decode(mean, indices), atol=1e-5)


@pytest.mark.parametrize(("label", "index"), [(None, 3), ("10", 1), (0, 0)])
def test_calls_with_one_class_for_all(label, index, labelled_model, tiny):
    a, b = cvae.prior_latents(1, 0, 2, 3)
    between = labelled_model.interpolate(a, b, steps=3, label=label)
    np.testing.assert_allclose(between, tiny.decode(np.stack([a, (a + b) / 2, b]), np.full(3, index)), atol=1e-6)
    rows = labelled_model.traverse(a, [1], steps=3, span=2.0, label=label)[0]
    z = a + np.float32([[0, -2, 0], [0, 0, 0], [0, 2, 0]])
    np.testing.assert_allclose(rows, tiny.decode(z, np.full(3, index)), atol=1e-6)
    corner = labelled_model.manifold([0, 1], steps=2, label=label)[0, 0]
    np.testing.assert_allclose(
        corner, tiny.decode(np.float32([[-1.6448536, -1.6448536, 0]]), np.array([index]))[0], atol=1e-6
    )


def test_conditioning_changes_samples_and_keeps_their_noise(labelled_model):
    images = [labelled_model.generate(2, seed=1, label=label) for label in (None, "2", "10", "x")]
    assert all(np.abs(a - b).max() > 0.1 for n, a in enumerate(images) for b in images[:n])


@pytest.mark.parametrize("label", [None, "10"])
@pytest.mark.parametrize(("batch", "first"), [(1, 0), (7, 3), (100, 11)])
def test_streams_keep_their_bits(label, batch, first, labelled_model):
    (whole,) = labelled_model.stream(70, seed=3, batch=70, label=label)
    parts = np.concatenate(list(labelled_model.stream(70 - first, seed=3, first=first, batch=batch, label=label)))
    assert np.array_equal(parts, whole[first:])
    np.testing.assert_allclose(whole, labelled_model.generate(70, seed=3, label=label), atol=1e-6)


def scores_by_hand(tiny, images, indices, samples=1):
    """ELBO and importance-weighted bound of images, given their classes."""
    mean, logvar = tiny.encode(images, indices)
    noise = cvae.posterior_noise(0, 0, len(images) * samples, 3).reshape(len(images), samples, 3)
    z = mean[:, np.newaxis] + np.exp(logvar / 2)[:, np.newaxis] * noise
    p = tiny.decode(z.reshape(-1, 3), indices.repeat(samples)).reshape(len(images), samples, -1).clip(1e-7, 1 - 1e-7)
    x = (images.reshape(len(images), 1, -1) >= 128).astype(np.float64)
    log_p_x = np.log(np.where(x == 1, p, 1 - p)).sum(axis=2)
    log_ratio = (-(z**2) / 2 + noise**2 / 2).sum(axis=2) + logvar.sum(axis=1, keepdims=True) / 2
    weights = log_p_x + log_ratio
    bound = np.logaddexp.reduce(weights, axis=1) - np.log(samples)
    return log_p_x.mean(axis=1) - gaussian_kl(mean, logvar), bound


def test_scores_are_given_the_label(labelled_model, tiny):
    labels = ["2", "x", None, "10", 2]
    indices = np.array([0, 2, 3, 1, 2])
    found = labelled_model.score(tiny.images[:5], samples=4, labels=labels)
    elbo, bound = scores_by_hand(tiny, tiny.images[:5], indices, samples=4)
    np.testing.assert_allclose(found.elbo, elbo, rtol=1e-4)
    np.testing.assert_allclose(found.iw_bound, bound, rtol=1e-4)
    without = labelled_model.score(tiny.images[:5]).elbo
    np.testing.assert_allclose(without, scores_by_hand(tiny, tiny.images[:5], np.full(5, NONE))[0], rtol=1e-4)


@pytest.mark.parametrize("samples", [1, 5])
def test_classes_of_images_by_bayes_rule(samples, labelled_model, tiny):
    images = tiny.images[:6]
    found = labelled_model.classify(images, samples=samples)
    likelihoods = np.exp([scores_by_hand(tiny, images, np.full(6, c), samples)[1] for c in range(3)]).T
    np.testing.assert_allclose(found, likelihoods / likelihoods.sum(axis=1, keepdims=True), atol=1e-4)
    assert (found.dtype, found.shape) == (np.float64, (6, 3))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)


def test_classify_takes_the_draws_of_score(labelled_model, tiny):
    whole = labelled_model.classify(tiny.images, seed=4)
    parts = [labelled_model.classify(tiny.images[n : n + 4], seed=4, first=n) for n in (0, 4, 8)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "indices"), [(["10"], [1, 1, 1]), (["x", "2", 1], [2, 0, 1]), (np.array([2]), [2, 2, 2])]
)
def test_restyle_encodes_with_one_class_and_decodes_with_another(labels, indices, labelled_model, tiny):
    images = tiny.images[:3]
    own = labelled_model.classify(images).argmax(axis=1)
    assert len({*own.tolist()}) > 1  # so that the class matters
    for of in (None, [2, "2", None]):
        mean, _ = tiny.encode(images, own if of is None else np.array([2, 0, NONE]))
        found = labelled_model.restyle(images, labels, of=of)
        np.testing.assert_allclose(found, tiny.decode(mean, np.array(indices)), atol=1e-5)


def test_copies_and_descriptions(labelled_model):
    with pickle.loads(pickle.dumps(labelled_model)) as copy:
        assert copy.labels == labelled_model.labels
        assert np.array_equal(copy.generate(3, label="x"), labelled_model.generate(3, label="x"))
    assert repr(labelled_model) == (
        "<Model labelled: images (4, 4, 1), 3 latent dimensions, bernoulli, 3 classes; cpu, 2 threads>"
    )
    card = labelled_model._repr_html_()
    assert '<th style="text-align: left">labels</th><td style="text-align: left">3: 2, 10, x</td>' in card
    assert '<th style="text-align: left">test ELBO given the label</th>' in card


def test_tuning(labelled_bundle):
    with cvae.load(labelled_bundle, provider="cpu", threads=1) as model:
        assert sorted(model.tune(0.01)) == ["decoder", "encoder"]


WRONG = [
    ({"label": "3"}, "label must be one of 2, 10, x; found '3'"),
    ({"label": ""}, "label must be one of 2, 10, x; found ''"),
    ({"label": 3}, "label must be a name, or an index from 0 to 2; found 3"),
    ({"label": -1}, "label must be a name, or an index from 0 to 2; found -1"),
    ({"label": True}, "label must be a name, or an index from 0 to 2; found True"),
    ({"label": 1.0}, "label must be a name, or an index from 0 to 2; found 1.0"),
    ({"label": ["2"]}, "label must be a name, or an index from 0 to 2; found ['2']"),
    (
        {"labels": ["2"]},
        "labels: expected a list of 2 classes, one for each item, found a list of 1; pass one for each",
    ),
    ({"labels": []}, "labels: expected a list of 2 classes, one for each item, found a list of 0; pass one for each"),
    ({"labels": ["2", "3"]}, "labels[1] must be one of 2, 10, x; found '3'"),
    ({"labels": "2x"}, "labels: expected a list of 2 classes, one for each item, found '2x'; pass one for each"),
    ({"labels": 1}, "labels: expected a list of 2 classes, one for each item, found 1; pass one for each"),
    (
        {"labels": np.zeros((2, 1), int)},
        "labels: expected a list of 2 classes, one for each item, found array([[0],\n       [0]]); pass one for each",
    ),
    ({"label": "2", "labels": ["2", "2"]}, "label and labels both choose the classes: give one of them"),
]


@pytest.mark.parametrize(("chosen", "message"), WRONG)
def test_wrong_classes(chosen, message, labelled_model, tiny, refuses):
    calls = (
        lambda: labelled_model.generate(2, **chosen),
        lambda: labelled_model.latents(2, **chosen),
        lambda: labelled_model.decode(np.zeros((2, 3), np.float32), **chosen),
        lambda: labelled_model.encode(tiny.images[:2], **chosen),
        lambda: labelled_model.reconstruct(tiny.images[:2], **chosen),
        lambda: labelled_model.score(tiny.images[:2], **chosen),
    )
    for call in calls:
        with refuses(cvae.InputError, message):
            call()


def test_wrong_classes_where_one_is_for_all(labelled_model, refuses):
    a, b = np.zeros((2, 3), np.float32)
    for call in (
        lambda: labelled_model.stream(2, label="3"),  # the call raises, not the iterator
        lambda: labelled_model.interpolate(a, b, label="3"),
        lambda: labelled_model.traverse(a, [0], label="3"),
        lambda: labelled_model.manifold([0, 1], label="3"),
    ):
        with refuses(cvae.InputError, "label must be one of 2, 10, x; found '3'"):
            call()
    with refuses(cvae.InputError, "labels[0] must be one of 2, 10, x; found '3'"):
        labelled_model.restyle(np.zeros((2, 4, 4, 1), np.uint8), ["3"])
    with refuses(cvae.InputError, "of[1] must be one of 2, 10, x; found '3'"):
        labelled_model.restyle(np.zeros((2, 4, 4, 1), np.uint8), ["2"], of=["2", "3"])
    with refuses(
        cvae.InputError, "of: expected a list of 2 classes, one for each item, found a list of 1; pass one for each"
    ):
        labelled_model.restyle(np.zeros((2, 4, 4, 1), np.uint8), ["2"], of=["2"])
    with refuses(
        cvae.InputError, "labels: expected a list of 2 classes, one for each item, found 'x'; pass one for each"
    ):
        labelled_model.restyle(np.zeros((2, 4, 4, 1), np.uint8), "x")
    with refuses(
        cvae.InputError, "labels: expected a list of 2 classes, one for each item, found a list of 3; pass one for each"
    ):
        labelled_model.restyle(np.zeros((2, 4, 4, 1), np.uint8), ["x", "x", "2"])


def test_models_without_labels_refuse_them(tiny_model, tiny, refuses):
    message = "the model has no labels: leave label and labels out, or train one with cvae-train --labels"
    a, b = np.zeros((2, 3), np.float32)
    for call in (
        lambda: tiny_model.generate(2, label="2"),
        lambda: tiny_model.generate(2, labels=[None, None]),
        lambda: tiny_model.latents(2, label=0),
        lambda: tiny_model.stream(2, label=0),
        lambda: tiny_model.decode(np.zeros((2, 3), np.float32), label=0),
        lambda: tiny_model.encode(tiny.images[:2], labels=[0, 1]),
        lambda: tiny_model.reconstruct(tiny.images[:2], label="2"),
        lambda: tiny_model.score(tiny.images[:2], label="2"),
        lambda: tiny_model.interpolate(a, b, label="2"),
        lambda: tiny_model.traverse(a, [0], label="2"),
        lambda: tiny_model.manifold([0, 1], label="2"),
    ):
        with refuses(cvae.InputError, message):
            call()
    needed = "expected a model with labels, found one without; train one with cvae-train --labels"
    for call in (lambda: tiny_model.restyle(tiny.images[:2], ["2"]), lambda: tiny_model.classify(tiny.images[:2])):
        with refuses(cvae.InputError, needed):
            call()


def test_long_lists_of_names_are_cut(refuses):
    names = [str(n) for n in range(12)]
    with refuses(cvae.InputError, "label must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more; found 'x'"):
        index_of(names, "x")
