"""Bundles with labels: format 2, with and without a learned prior."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
import tensorflow as tf

import cvae_runtime as cvae
from cvae_export import ExportConfig, compare_bundle, export
from cvae_export._cli import _report, command
from cvae_export._source import source_of_run
from cvae_runtime import prior_latents
from cvae_runtime.bundle import parse_golden
from cvae_train import Dataset, evaluate, train

NAMES, NONE = ("2", "10", "x"), 3
EXTRAS = ("scorer", "sampler", "reconstructor", "decoder_uint8", "encoder_float")


@pytest.fixture(scope="module")
def run(labelled_config, labelled_data, labelled_archive, tmp_path_factory):
    """A run whose prior is far from N(0, I), and whose classes look different."""
    model = dataclasses.replace(labelled_config.model, prior="learned")
    config = dataclasses.replace(labelled_config, model=model, epochs=30, learning_rate=2e-2, label_dropout=0.2)
    data = dataclasses.replace(labelled_data, source=str(labelled_archive))
    return train(data, config, tmp_path_factory.mktemp("runs") / "labelled", quiet=True)


@pytest.fixture(scope="module")
def result(run, tmp_path_factory):
    return export(
        run.path,
        tmp_path_factory.mktemp("bundles") / "labelled",
        ExportConfig(("portable",), extras=EXTRAS),
        quiet=True,
    )


@pytest.fixture(scope="module")
def model(result):
    with cvae.load(result.path, provider="cpu", threads=2) as model:
        yield model


def indices(*labels):
    return np.array(labels, np.int64)


def test_manifest(result):
    manifest = json.loads((result.path / "manifest.json").read_text())
    assert (manifest["format"], manifest["model"]["labels"]) == (2, ["2", "10", "x"])
    label = {graph["role"]: [t for t in graph["inputs"] if t["name"] == "label"] for graph in manifest["graphs"]}
    assert sorted(label) == sorted(["encoder", "decoder", "prior", "prior_density", *EXTRAS])
    assert all([(t["dtype"], len(t["shape"])) for t in found] == [("int64", 1)] for found in label.values())
    inputs = {graph["role"]: [t["name"] for t in graph["inputs"]] for graph in manifest["graphs"]}
    assert inputs["decoder"] == ["z", "label"]
    assert inputs["scorer"] == ["images", "noise", "label"]
    assert inputs["sampler"] == ["seed", "first", "count", "temperature", "label"]
    metadata = {entry.key: entry.value for entry in onnx.load(result.path / "decoder.onnx").metadata_props}
    assert (metadata["cvae.format"], json.loads(metadata["cvae.labels"])) == ("2", ["2", "10", "x"])
    assert manifest["training"]["config"]["model"]["labels"] == ["2", "10", "x"]


def test_golden_vectors_have_labels(result):
    found = cvae.check_golden(cvae.read_bundle(result.path))
    assert all(item.agrees for item in found)
    golden = parse_golden((result.path / "golden.json").read_bytes(), "golden.json")
    assert {case.file: case.inputs["label"].tolist() for case in golden.cases} == {
        graph.file: [0, NONE, 1] if graph.inputs[0].name == "images" else [0, NONE, 1, 2]
        for graph in result.manifest.graphs
    }
    assert all(case.inputs["label"].dtype == np.int64 for case in golden.cases)


@pytest.mark.parametrize(("label", "index"), [(None, NONE), ("2", 0), ("10", 1), (2, 2)])
def test_samples_of_a_class(label, index, model, run, sampler):
    noise = prior_latents(7, 0, 6, 3) * np.float32(0.8)
    classes = tf.fill([6], index)
    z = run.model.latents(noise, classes).numpy()
    assert np.abs(z - noise).max() > 0.1
    np.testing.assert_allclose(model.latents(6, seed=7, temperature=0.8, label=label), z, rtol=0, atol=1e-4)
    images = model.generate(6, seed=7, temperature=0.8, label=label)
    np.testing.assert_allclose(images, run.model.sample(noise, classes), rtol=0, atol=1e-4)
    latents = model.latents(6, seed=7, temperature=0.8, label=label)
    np.testing.assert_allclose(model.decode(latents, label=label), images, rtol=0, atol=1e-6)
    of_sampler = sampler(6, seed=7, temperature=0.8, label=indices(*[index] * 6))
    np.testing.assert_allclose(of_sampler, images, rtol=0, atol=1e-5)


def test_a_class_for_each_sample(model, sampler):
    labels = ["x", None, "2", 1]
    images = model.generate(4, seed=1, first=9, labels=labels)
    for n, label in enumerate(labels):
        np.testing.assert_allclose(model.generate(4, seed=1, first=9, label=label)[n], images[n], atol=1e-6)
    of_sampler = sampler(4, seed=1, first=9, label=indices(2, NONE, 0, 1))
    np.testing.assert_allclose(of_sampler, images, rtol=0, atol=1e-5)


def test_the_classes_look_different(model):
    across, down, blob = (model.generate(50, label=name).mean(axis=(0, 3)) for name in NAMES)
    assert min(np.abs(across - down).max(), np.abs(down - blob).max(), np.abs(blob - across).max()) > 0.1
    assert across.std(axis=1).mean() < across.std(axis=0).mean()  # bars across vary less in their rows


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (64, 3)])
def test_streams_keep_their_bits(batch, threads, result):
    with cvae.load(result.path, provider="cpu", threads=1) as model:
        expected = np.concatenate(list(model.stream(300, seed=3, first=11, label="10")))
    with cvae.load(result.path, provider="cpu", threads=threads) as model:
        found = np.concatenate(list(model.stream(300, seed=3, first=11, batch=batch, label="10")))
    assert np.array_equal(found, expected)


def test_scores_are_given_the_label(model, run, session, labelled_data):
    labels, images = labelled_data.labels, labelled_data.test
    scores = model.score(images, samples=4, labels=labels.test)
    evaluation = evaluate(run.model, images, "static", samples=4, labels=labels)
    one = model.score(images, labels=[NAMES[n] for n in labels.test])
    assert one.elbo.mean() == pytest.approx(evaluation.elbo, abs=1e-4)
    assert one.kl.mean() == pytest.approx(evaluation.kl, abs=1e-4)
    assert scores.iw_bound.mean() == pytest.approx(evaluation.iw_bound, abs=1e-4)
    assert np.abs(one.elbo - model.score(images).elbo).max() > 0.1
    noise = cvae.posterior_noise(0, 0, 4 * len(images), 3).reshape(-1, 4, 3).swapaxes(0, 1)
    elbo, bound = session("scorer", images=images, noise=np.ascontiguousarray(noise), label=labels.test)
    np.testing.assert_allclose(elbo, scores.elbo, rtol=0, atol=1e-3)
    np.testing.assert_allclose(bound, scores.iw_bound, rtol=0, atol=1e-3)


def test_classify(model, run, labelled_data):
    found = model.classify(labelled_data.test, samples=5)
    bounds = np.stack([model.score(labelled_data.test, samples=5, label=n).iw_bound for n in range(3)], axis=1)
    likelihoods = np.exp(bounds - bounds.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found, likelihoods / likelihoods.sum(axis=1, keepdims=True), rtol=1e-9)
    labels = labelled_data.labels
    assert (found.argmax(axis=1) == labels.test).mean() > 0.6
    evaluation = evaluate(run.model, labelled_data.test, "static", samples=1, labels=labels)
    right = model.classify(labelled_data.test, samples=10).argmax(axis=1) == labels.test
    assert dataclasses.asdict(evaluation.classification) == {"accuracy": right.mean(), "images": 13, "draws": 10}


def test_other_graphs(model, session, labelled_data):
    images, label = labelled_data.test[:4], indices(0, NONE, 2, 1)
    labels = [None if n == NONE else int(n) for n in label]
    codes = model.encode(images, labels=labels)
    found = session("encoder_float", images=images / np.float32(255), label=label)
    np.testing.assert_allclose(found[0], codes.mean, atol=1e-5)
    (found,) = session("reconstructor", images=images, label=label)
    np.testing.assert_allclose(found, model.reconstruct(images, labels=labels), atol=1e-5)
    (found,) = session("decoder_uint8", z=codes.mean, label=label)
    levels = cvae.to_uint8(model.decode(codes.mean, labels=labels))
    assert np.abs(found.astype(int) - levels).max() <= 1


def test_compared_with_its_run(run, result):
    comparisons = compare_bundle(run.path, result.path, quiet=True)
    assert {c.graph.role for c in comparisons} == {"encoder", "decoder", "prior", "prior_density", *EXTRAS}
    assert all(c.all_pass for c in comparisons)


def test_the_report_says_what_the_elbo_is(run, result, labelled_data):
    evaluation = evaluate(run.model, labelled_data.test, "static", samples=1, labels=labelled_data.labels)
    assert result.manifest.training.test_elbo == pytest.approx(evaluation.elbo, abs=1e-3)
    assert f"; test ELBO given the label {result.elbo}>" in repr(result)
    assert f"test ELBO given the label {result.elbo}" in _report(result).splitlines()


def test_small_graphs_take_labels(labelled_config, labelled_data, labelled_archive, tmp_path):
    data = dataclasses.replace(labelled_data, source=str(labelled_archive))
    run = train(data, labelled_config, tmp_path / "run", quiet=True)
    config = ExportConfig(precisions=("float32", "float16", "int8"), keep_slow=True)
    result = export(run.path, tmp_path / "bundle", config, quiet=True)
    assert all("label" in [t.name for t in graph.inputs] for graph in result.manifest.graphs)
    assert {graph.precision for graph in result.manifest.graphs} >= {"float32", "int8"}
    assert "prior" not in {graph.role for graph in result.manifest.graphs}
    assert result.manifest.format == 2
    assert all(item.agrees for item in cvae.check_golden(cvae.read_bundle(result.path)))
    with (
        cvae.load(result.path, provider="cpu") as whole,
        cvae.load(result.path, provider="cpu", precision="int8") as small,
    ):
        for label in (None, "x"):
            assert np.abs(whole.generate(8, label=label) - small.generate(8, label=label)).max() < 0.2


def test_dynamic_binarization_draws_the_test_images(labelled_config, labelled_data, tmp_path):
    grey = np.minimum(labelled_data.train, 200), np.minimum(labelled_data.test, 200)
    names = np.array(NAMES)
    path = tmp_path / "grey.npz"
    labels = labelled_data.labels
    np.savez(path, x_train=grey[0], x_test=grey[1], y_train=names[labels.train], y_test=names[labels.test])
    config = dataclasses.replace(labelled_config, binarize="dynamic", epochs=1)
    run = train(Dataset(*grey, str(path), labels=labels), config, tmp_path / "run", quiet=True)
    source = source_of_run(run.path)
    assert set(np.unique(source.test_images)) == {0, 255}
    np.testing.assert_array_equal(source.test_labels, labels.test)


def test_models_without_labels_stay_format_1(tiny_config, labelled_data, labelled_archive, tmp_path):
    data = dataclasses.replace(labelled_data, source=str(labelled_archive))
    run = train(data, dataclasses.replace(tiny_config, epochs=1), tmp_path / "run", quiet=True)
    result = export(run.path, tmp_path / "bundle", ExportConfig(targets=("portable",)), quiet=True)
    manifest = json.loads((result.path / "manifest.json").read_text())
    assert (manifest["format"], "labels" in manifest["model"]) == (1, False)
    assert [[t["name"] for t in graph["inputs"]] for graph in manifest["graphs"]] == [["images"], ["z"]]
    assert b"label" not in (result.path / "decoder.onnx").read_bytes()
    assert "test ELBO given" not in repr(result)


def test_the_labels_are_needed_for_export(run, labelled_data, console, tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, x_train=labelled_data.train, x_test=labelled_data.test)
    code, err = console(command, "cvae-export", run.path, "--onnx", tmp_path / "bundle", "--data", other)
    begin = f"Error: {other}: expected the classes that {run.path} was trained on, with fingerprint"
    end = "found none; pass the right images and labels with --data\n"
    assert (code, err) == (1, f"{begin} {labelled_data.labels.fingerprint}, {end}")
