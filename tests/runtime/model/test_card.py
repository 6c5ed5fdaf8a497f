"""The `repr` of a model and its card in a notebook."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import cvae_runtime as cvae


class Parsed(HTMLParser):
    """The tags, attributes and texts of a card."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts, self.images = set(), [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "img":
            self.images.append(dict(attrs)["src"])

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def table(self):
        return dict(zip(self.texts[::2], self.texts[1::2], strict=True))


FACTS = {
    "model": "tiny",
    "images": "(4, 4, 1), binarized at 128",
    "latent dimensions": "3",
    "likelihood": "bernoulli",
    "trained on": "noise",
    "test ELBO": "-9.50 ± 0.25 nats per image, of 11 images",
    "runs on": "cpu, 2 threads",
    "graphs": "encoder.onnx (float32), decoder.onnx (float32)",
}


def test_a_model_of_levels_has_bits_per_dimension(bundles, tmp_path):
    folder = bundles.write(tmp_path / "levels", likelihood="discretized-logistic-mixture")
    with cvae.load(folder, provider="cpu") as model:
        card = Parsed(model._repr_html_())
    assert list(card.table)[5:7] == ["test ELBO", "bits per dimension"]
    assert card.table["bits per dimension"] == f"{9.5 / (4 * 4 * np.log(2.0)):.3f}"


def test_the_exported_checkpoint(bundles, tiny_bundle):
    bundles.edit(tiny_bundle, lambda manifest: manifest["training"].update(epoch=7, checkpoint="<best>\x1b"))
    with cvae.load(tiny_bundle, provider="cpu", threads=2) as model:
        table = Parsed(model._repr_html_()).table
    assert table == {**FACTS, "weights": r"epoch 7, checkpoint <best>\x1b"}
    assert list(table)[4:7] == ["trained on", "weights", "test ELBO"]


def test_repr(tiny_model, tiny_bundle, monkeypatch):
    assert repr(tiny_model) == "<Model tiny: images (4, 4, 1), 3 latent dimensions, bernoulli; cpu, 2 threads>"
    monkeypatch.chdir(tiny_bundle)
    with cvae.load(".", provider="cpu", threads=1) as model:
        assert repr(model) == "<Model tiny: images (4, 4, 1), 3 latent dimensions, bernoulli; cpu, 1 thread>"
    assert repr(model) == "<Model tiny: images (4, 4, 1), 3 latent dimensions, bernoulli; closed>"


def test_the_repr_of_a_bundle_has_no_file_contents():
    assert len(repr(cvae.read_bundle())) < 10_000


def test_the_card_has_samples_and_facts(tiny_model):
    card = Parsed(tiny_model._repr_html_())
    assert card.table == FACTS
    (source,) = card.images
    png = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    samples = cvae.show(tiny_model.generate(16, seed=0, dtype="uint8"))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), np.asarray(samples))
    assert tiny_model._repr_html_() == tiny_model._repr_html_()


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ('<script>alert("x")</script>', '<script>alert("x")</script>'),
        ("</table>&amp;", "</table>&amp;"),
        ("a\x1b[31m\nb\u202e", r"a\x1b[31m\nb\u202e"),
        ("x" * 201, "x" * 197 + "..."),
    ],
)
def test_texts_of_the_bundle_are_no_markup(texts, shown, bundles, tiny_bundle):
    def change(manifest):
        manifest["training"]["data"] = manifest["model"]["likelihood"] = texts

    bundles.edit(tiny_bundle, change)
    with cvae.load(tiny_bundle, provider="cpu") as model:
        card = Parsed(model._repr_html_())
        assert card.tags == {"div", "img", "table", "tr", "th", "td"}
        assert (card.table["trained on"], card.table["likelihood"]) == (shown, shown)
        assert repr(model).isprintable()


def test_a_card_without_training(bundles, tiny_bundle):
    def change(manifest):
        manifest["training"] = None
        manifest["model"]["preprocessing"]["binarize_at"] = None

    bundles.edit(tiny_bundle, change)
    with cvae.load(tiny_bundle, provider="cpu", threads=2) as model:
        facts = Parsed(model._repr_html_()).table
    known = {name: value for name, value in FACTS.items() if name not in ("trained on", "test ELBO")}
    assert facts == {**known, "images": "(4, 4, 1), 256 levels"}


def test_a_card_without_samples(bundles, tiny_bundle, tmp_path):
    with cvae.load(bundles.write(tmp_path / "dice", rng="<b>"), provider="cpu") as model:
        unknown = model._repr_html_()
    assert Parsed(unknown).texts[0] == (
        "no samples: the bundle specifies the random numbers '<b>', this version knows "
        "'threefry2x32-20/box-muller'; draw latents yourself and decode them"
    )
    assert re.findall("<img|<b>", unknown) == []
    with cvae.load(tiny_bundle, provider="cpu") as model:
        pass
    assert Parsed(model._repr_html_()).texts[0] == "no samples: the model is closed; load it again"
