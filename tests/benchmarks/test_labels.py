import dataclasses
import re

import numpy as np
import pytest

import cvae_runtime
from benchmarks import _cli, labels
from benchmarks._document import read_document
from benchmarks._intervals import wilson
from benchmarks._moments import slant, stroke_width
from benchmarks._notebook import BUNDLE as NOTEBOOK
from benchmarks.labels import Figure
from cvae_export import ExportConfig, export
from cvae_train import import_tensorflow, train
from tests.judge_file import write_judge

import_tensorflow()


@pytest.fixture(scope="module")
def bundle(labelled_config, labelled_data, labelled_archive, tmp_path_factory):
    data = dataclasses.replace(labelled_data, source=str(labelled_archive))
    config = dataclasses.replace(labelled_config, epochs=20)
    run = train(data, config, tmp_path_factory.mktemp("runs") / "labelled", quiet=True)
    target = tmp_path_factory.mktemp("bundles") / "labelled"
    return export(run.path, target, ExportConfig(("portable",)), quiet=True).path


@pytest.fixture(scope="module")
def weights(labelled_data):
    """Those of a linear classifier: the images of a class minus all others."""
    train, of = labelled_data.train.reshape(40, -1) / 255.0, labelled_data.labels.train
    templates = np.stack([train[of == index].mean(axis=0) - train.mean(axis=0) for index in range(3)], axis=1)
    return (templates / 255.0).astype(np.float32)


@pytest.fixture
def judge(weights, tmp_path):
    return write_judge(tmp_path / "judge.onnx", weights=weights)


def test_figures(bundle, judge, weights, labelled_archive, labelled_data, tmp_path, capsys):
    options = ["--judge", str(judge), "--images", str(labelled_archive), "--json", str(tmp_path / "r.json")]
    small = ["--samples", "600", "--draws", "2", "--classified", "5"]
    assert _cli.main(["labels", str(bundle), *options, *small]) == 0
    said = capsys.readouterr()

    def named(images):
        return (((images >= 128) * 255.0).reshape(len(images), -1) @ weights).argmax(axis=1)

    test, truth = labelled_data.test, labelled_data.labels.test
    with cvae_runtime.load(bundle, provider="cpu") as model:
        wanted = np.arange(600) % 3
        drawn = model.generate(600, labels=wanted.tolist(), dtype="uint8")
        other = (truth + np.random.default_rng(0).integers(1, 3, 13)) % 3
        restyled = cvae_runtime.to_uint8(model.restyle(test, other.tolist()))
        few = [0, 3, 6, 9, 12]
        found = model.classify(test[few], samples=2).argmax(axis=1)
        styles = [model.generate(200, label=index) for index in range(3)]
    counts = {
        "samples": (int((named(drawn) == wanted).sum()), 600),
        "restyled": (int((named(restyled) == other).sum()), 13),
        "classify": (int((found == truth[few]).sum()), 5),
    }
    document = read_document(tmp_path / "r.json")
    classes, style = document.questions["labels"]
    entries = {entry.name: {point.at: point.rounds[0] for point in entry.points} for entry in classes.entries}
    assert entries["the model"] == pytest.approx({name: 100 * n / of for name, (n, of) in counts.items()})
    assert entries["low end of the 95% interval"] == pytest.approx(
        {name: 100 * wilson(n, of)[0] for name, (n, of) in counts.items()}
    )
    assert entries["target"] == {"samples": 98.0, "restyled": 95.0, "classify": 97.0}
    for name, moment in (("slant", slant), ("stroke width", stroke_width)):
        correlations = np.corrcoef([moment(images) for images in styles])
        assert style.entry("the model").point(name).rounds[0] == pytest.approx(
            correlations[np.triu_indices(3, 1)].mean(), abs=1e-4
        )
        assert style.entry("target").point(name).rounds == (0.5,)
    lines = said.out.splitlines()
    share = 100 * counts["samples"][0] / 600
    assert any(
        line.startswith(f"| samples that the judge names rightly, 600 | {share:.2f}% |") for line in squeezed(lines)
    )
    assert (
        "- Correlations: over 200 samples of each class with the same noise, mean over the pairs of classes." in lines
    )
    assert any(re.fullmatch(r"- classify: 2 draws, 5 images x 3 classes, \d+ seconds\.", line) for line in lines)
    assert re.search(r"^classify: 5 images, 2 draws for each class: about \d+ seconds$", said.err, re.MULTILINE)
    assert "right classes: %" not in said.out  # the text has the table


def squeezed(lines):
    return [re.sub(" +", " ", line) for line in lines]


def test_rows_of_the_table():
    figure = Figure.of_share("samples", "samples", np.array([True] * 98 + [False] * 2))
    assert figure.cells() == ["samples, 100", "98.00%", "93.00 to 99.45", "98%", "met"]
    assert Figure("slant", "slant", 0.456, 0.4, 0.5).cells() == ["slant", "+0.46", "+0.40 to +0.50", "0.5", "missed"]
    assert Figure("test images", "test", 99.0, 98.0, 99.5).cells()[3:] == ["-", "-"]


@pytest.fixture
def refusal(capsys, judge, labelled_archive):
    """A function that asks the question; returns the exit code and the error."""

    def ask(bundle, judge=judge, images=labelled_archive):
        code = _cli.main(["labels", str(bundle), "--judge", str(judge), "--images", str(images)])
        return code, capsys.readouterr().err.splitlines()[-1]

    return ask


def test_models_without_labels(refusal):
    message = f"{NOTEBOOK}: expected a model with labels, found one without; train it with cvae-train --labels"
    assert refusal(NOTEBOOK) == (1, f"python -m benchmarks labels: {message}")


@pytest.mark.parametrize("labelled", [True, False])
def test_images_of_other_classes(refusal, bundle, tiny_archive, labelled_data, tmp_path, labelled):
    path = tiny_archive
    if labelled:
        path = tmp_path / "other.npz"
        train, test = (
            np.array(["a", "b", "c"])[part] for part in (labelled_data.labels.train, labelled_data.labels.test)
        )
        np.savez(path, x_train=labelled_data.train, x_test=labelled_data.test, y_train=train, y_test=test)
    message = (
        f"{path}: expected the classes of the model, 2, 10, x, found {'a, b, c' if labelled else 'none'}; pass images "
        f"with these classes with --images"
    )
    assert refusal(bundle, images=path) == (1, f"python -m benchmarks labels: {message}")


def test_judges_of_other_classes(refusal, bundle, tmp_path):
    path = write_judge(tmp_path / "two.onnx")
    message = (
        f"{path}: expected the input images, uint8 (batch, 8, 8, 1), and the output logits of 3 classes, found "
        f"{{'images': ('tensor(uint8)', (8, 8, 1))}} and {{'features': 2, 'logits': 2}}; name a classifier of the "
        f"model's classes"
    )
    assert refusal(bundle, judge=path) == (1, f"python -m benchmarks labels: {message}")


def test_samples_that_are_all_equal(tmp_path):
    for values in (np.ones((3, 9)), np.full((3, 9), np.nan)):
        with pytest.raises(cvae_runtime.InputError) as caught:
            labels._correlation("slant", values, tmp_path)
        assert str(caught.value) == (
            f"{tmp_path}: expected samples that differ, found empty or equal ones; train the model longer"
        )
