import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cvae_train import CVAE, EpochRecord, Evaluation, Labels, ModelConfig, evaluate
from cvae_train._evaluate import embedding
from cvae_train._panel import draw_panel, manifold_latents, traversal_latents

HISTORY = [EpochRecord(epoch, -90.0 / epoch, -60.0, 30.0, -95.0, 1.0, 1.0) for epoch in (1, 2, 3)]


def test_traversals_vary_the_dimensions_of_highest_kl():
    start = np.arange(7, dtype=np.float32) / 10
    walks = traversal_latents(start, [0.0, 5.0, 1.0, 4.0, 2.0, 3.0, 0.5]).reshape(5, 10, 7)
    for walk, dimension in zip(walks, [1, 3, 5, 4, 2], strict=True):
        np.testing.assert_allclose(walk[:, dimension], np.linspace(-3, 3, 10), rtol=1e-6)
        others = np.delete(np.arange(7), dimension)
        assert (walk[:, others] == start[others]).all()


def test_the_manifold_runs_over_the_prior_s_quantiles():
    latents = manifold_latents().reshape(20, 20, 2)
    edge = 1.6448536
    np.testing.assert_allclose(latents[0, 0], [-edge, edge], rtol=1e-6)  # top left
    np.testing.assert_allclose(latents[-1, -1], [edge, -edge], rtol=1e-6)
    assert (np.diff(latents[0, :, 0]) > 0).all()
    assert (latents[0, :, 1] == latents[0, 0, 1]).all()


def test_the_panel_of_pictures_in_colour_is_in_colour(rgb_config, rgb_data):
    model = CVAE(rgb_config.model)
    evaluation = Evaluation(13, "none", -900.0, 9.0, -890.0, 10.0, 880.0, 9.0, 500, [2.5] * 4, 4, 1.5, 20.0, 0.9, 6.76)
    with Image.open(io.BytesIO(draw_panel(model, rgb_data.test, None, HISTORY, 2, evaluation))) as picture:
        reconstructions = np.asarray(picture.convert("RGB"), np.int16)[:400, 480:960]
    # The originals' blobs are orange on blue; Matplotlib's frame and text are grey.
    orange, blue = (
        reconstructions[..., 0] - reconstructions[..., 2] > 100,
        reconstructions[..., 2] - reconstructions[..., 0] > 50,
    )
    assert orange.sum() > 500
    assert blue.sum() > 1000


@pytest.mark.parametrize("count", [1, 2])
def test_the_panel_of_one_or_two_images(rgb_config, rgb_data, monkeypatch, count):
    shown = {}
    monkeypatch.setattr("cvae_train._panel._show", lambda _, images, columns, title: shown.update({title: (len(images), columns)}))  # fmt: skip
    active = None if count == 1 else 4
    evaluation = Evaluation(
        count, "none", -900.0, None, -890.0, 10.0, 880.0, None, 5, [2.5] * 4, active, 1.5, 20.0, 0.9, 6.76
    )
    assert draw_panel(CVAE(rgb_config.model), rgb_data.test[:count], None, HISTORY[:1], 1, evaluation).startswith(
        b"\x89PNG"
    )
    assert shown["reconstructions"] == (2 * count, count)


@pytest.mark.parametrize("latent_dim", [1, 2, 6])
def test_the_panel_is_drawn_for_any_latent_size(latent_dim):
    model = CVAE(ModelConfig(image_shape=(8, 8, 1), latent_dim=latent_dim, filters=(4,)))
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
    kls = [1.0] * latent_dim
    evaluation = Evaluation(4, "static", -80.0, 0.25, -50.0, 30.0, 78.0, 0.2, 500, kls, latent_dim, 1.5, 20.0, 0.9)
    with Image.open(io.BytesIO(draw_panel(model, images, 128, HISTORY, 3, evaluation))) as picture:
        assert (picture.format, picture.size) == ("PNG", (1440, 864))
        assert np.asarray(picture.convert("L")).std() > 20


@pytest.fixture
def drawn(monkeypatch):
    """A function that draws a panel; returns its axes, row by row, and its size in pixels."""

    def draw(*arguments):
        found = []
        monkeypatch.setattr(
            "cvae_train._panel.draw", lambda size, paint: (found.append(size), paint(figure := Figure(size)), figure)[2]
        )
        return draw_panel(*arguments).axes, found[0]

    return draw


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_latents_by_class(given, second, drawn, labelled_config, tiny_config, labelled_data, monkeypatch):
    monkeypatch.setattr(
        embedding,
        "_by_neighbours",
        lambda x: embedding.Embedding("t-SNE", x[:, :2]) if second else None,
    )
    model = CVAE((labelled_config if given else tiny_config).model)
    labels = labelled_data.labels
    evaluation = evaluate(model, labelled_data.test, "static", samples=1, labels=labels)
    axes, size = drawn(model, labelled_data.test, 128, HISTORY, 3, evaluation, labels)
    assert (len(axes), size) == (8, (16.0, 7.2))
    means = model.encode((labelled_data.test >= 128).astype(np.float32))[0].numpy()  # without a label
    (first, *_) = embedding.embed(means)
    latents, below = axes[3], axes[7]
    without = " without the label" if given else ""
    assert latents.get_title() == f"latents{without}: {first.method}"
    assert [text.get_text() for text in latents.get_legend().get_texts()] == ["2", "10", "x"]
    for index, line in enumerate(latents.lines):
        np.testing.assert_allclose(
            np.transpose(line.get_data()), first.points[labels.test == index], rtol=1e-4, atol=1e-5
        )
    if second:
        assert below.get_title() == f"latents{without}: t-SNE"
    else:
        assert below.get_title() == f"ELBO of each class{' given the label' if given else ''}"
        np.testing.assert_allclose(
            [bar.get_width() for bar in below.patches], [each.elbo for each in evaluation.per_class]
        )
    titles = [each.get_title() for each in axes]
    assert ("reconstructions given the label" in titles, "reconstructions" in titles) == (given, not given)
    assert titles[2] == f"test ELBO{' given the label' if given else ''} -30.00 after epoch 3"
    assert titles[5].endswith("dimensions are active given the label") is given


def test_more_classes_than_a_legend_holds(drawn, tiny_config, tiny_data):
    labels = Labels(tuple(map(str, range(30))), np.arange(40) % 30, np.arange(13) * 2)
    model = CVAE(tiny_config.model)
    evaluation = evaluate(model, tiny_data.test, "static", samples=1, labels=labels)
    axes, _ = drawn(model, tiny_data.test, 128, HISTORY, 3, evaluation, labels)
    assert (axes[3].get_legend(), len(axes[3].collections[0].get_offsets())) == (None, 13)
    assert [label.get_text() for label in axes[7].get_yticklabels()] == [str(2 * n) for n in range(13)]
