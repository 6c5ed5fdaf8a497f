"""Classes in ``cvae-generate --label`` and ``--restyle``, ``cvae-encode --classify`` and ``cvae-inspect``."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

import cvae_runtime as cvae
import cvae_runtime.images
from cvae_runtime._commands import inspect as _cli_inspect

NO_LABELS = "Error: the model has no labels: "
NEEDS_LABELS = "Error: expected a model with labels, found one without; train one with cvae-train --labels\n"


@pytest.fixture
def images(tiny, tmp_path):
    np.save(tmp_path / "images.npy", tiny.images)
    return tiny.images


def arrays(path):
    with np.load(path) as archive:
        return dict(archive)


def test_samples_of_a_class(array, labelled_bundle, labelled_model):
    drawn = array(labelled_bundle, "-n", 4, "--seed", 3, "--label", "2")  # a name, though it is a number
    np.testing.assert_array_equal(drawn, labelled_model.generate(4, seed=3, label="2"))
    plain = array(labelled_bundle, "-n", 4, "--seed", 3)
    np.testing.assert_array_equal(plain, labelled_model.generate(4, seed=3))
    assert np.abs(drawn - plain).max() > 0.1


def test_an_archive_of_a_class_names_it(run, labelled_bundle):
    assert run(labelled_bundle, "-n", 2, "--label", "10", "-o", "a.npz") == (0, b"", "")
    assert arrays("a.npz")["label"].tolist() == "10"


def test_a_row_for_each_class(run, array, labelled_bundle, labelled_model):
    expected = np.stack([labelled_model.generate(5, seed=3, first=7, label=name) for name in ("2", "10", "x")])
    arguments = (labelled_bundle, "-n", 5, "--seed", 3, "--first", 7, "--label", "all")
    np.testing.assert_array_equal(array(*arguments), expected)
    assert run(*arguments, "-o", "a.npz") == (0, b"", "")
    found = arrays("a.npz")
    np.testing.assert_array_equal(found["images"], expected)
    assert found["labels"].tolist() == ["2", "10", "x"]
    assert run(*arguments) == (0, b"", "")
    grid = cvae.image_grid(cvae.to_uint8(expected.reshape(-1, 4, 4, 1)), columns=5, scale=2)
    np.testing.assert_array_equal(np.asarray(Image.open("samples.png")), grid[..., 0])
    assert run(*arguments, "--captions", "-o", "named.png") == (0, b"", "")
    picture = np.asarray(Image.open("named.png"))
    np.testing.assert_array_equal(picture[:, picture.shape[1] - grid.shape[1] :], grid[..., 0])


def test_names_with_line_breaks_are_drawn_escaped(run, bundles, tmp_path):
    bundle = bundles.write(tmp_path / "odd", labels=("a\nb", "\x1b[2J", "c"))
    assert run(bundle, "-n", 2, "--label", "all", "--captions") == (0, b"", "")
    code, _, err = run(bundle, "--label", "b", "-o", "b.png")
    assert (code, err) == (1, "Error: label must be one of a\nb, \\x1b[2J, c; found 'b'\n")


def test_other_jobs_take_a_class(array, labelled_bundle, labelled_model, images):
    z = cvae.prior_latents(5, 0, 4, 3)
    np.save("z.npy", z)
    np.testing.assert_array_equal(
        array(labelled_bundle, "--latents", "z.npy", "--label", "x"), labelled_model.decode(z, label="x")
    )
    found = array(labelled_bundle, "--reconstruct", "images.npy", "--label", "x")
    np.testing.assert_array_equal(found, labelled_model.reconstruct(images, label="x"))
    a, b = labelled_model.latents(2, seed=0)
    found = array(labelled_bundle, "--interpolate", "0", "1", "--steps", 3, "--label", "10")
    np.testing.assert_array_equal(found, labelled_model.interpolate(a, b, steps=3, label="10"))
    found = array(labelled_bundle, "--traverse", "0", "--dimensions", "1", "--steps", 3, "--label", "10")
    np.testing.assert_array_equal(found, labelled_model.traverse(a, [1], steps=3, label="10"))
    found = array(labelled_bundle, "--manifold", "--dimensions", "0,1", "--steps", 2, "--label", "10")
    np.testing.assert_array_equal(found, labelled_model.manifold([0, 1], steps=2, label="10"))


def test_restyle(run, array, labelled_bundle, labelled_model, images):
    expected = np.stack([labelled_model.restyle(images, [name]) for name in ("2", "10", "x")], axis=1)
    np.testing.assert_array_equal(array(labelled_bundle, "--restyle", "images.npy"), expected)
    assert run(labelled_bundle, "--restyle", "images.npy", "-o", "a.npz") == (0, b"", "")
    found = arrays("a.npz")
    np.testing.assert_array_equal(found["images"], expected)
    np.testing.assert_array_equal(found["originals"], images)
    assert found["labels"].tolist() == ["2", "10", "x"]
    assert run(labelled_bundle, "--restyle", "images.npy", "-o", "a.png") == (0, b"", "")
    rows = np.concatenate([images[:, np.newaxis], cvae.to_uint8(expected)], axis=1)  # each begins with its image
    grid = cvae.image_grid(rows.reshape(-1, 4, 4, 1), columns=4, scale=2)
    np.testing.assert_array_equal(np.asarray(Image.open("a.png")), grid[..., 0])


def test_restyle_takes_all_names_up_to_the_next_option(array, labelled_bundle, labelled_model, images):
    for n in (0, 1):
        Image.fromarray(images[n, ..., 0]).save(f"{n}.png")
    found = array(labelled_bundle, "--restyle", "0.png", "1.png", "--threads", 1)
    np.testing.assert_allclose(found[:, 2], labelled_model.restyle(images[:2], ["x"]), atol=1e-6)


@pytest.mark.usefixtures("images")
def test_receipts_and_json_record_the_class(run, labelled_bundle):
    samples = {"seed": 0, "first": 0, "count": 16, "temperature": 1.0, "label": "x"}
    for arguments, expected in {
        ("--label", "x"): samples,
        ("--reconstruct", "images.npy", "--label", "x"): {"reconstruct": ["images.npy"], "label": "x"},
        ("--restyle", "images.npy"): {"restyle": ["images.npy"]},
    }.items():
        options = ("--overwrite", "--receipt", "receipt.json", "--json")
        code, out, err = run(labelled_bundle, *arguments, *options)
        assert (code, err, json.loads(out)["request"]) == (0, "", expected)
        assert json.loads(Path("receipt.json").read_text())["request"] == expected
    assert "label" not in json.loads(run(labelled_bundle, "-o", "plain.png", "--json")[1])["request"]


@pytest.mark.parametrize("file_format", ["npy", "parquet", "tar"])
def test_shards_of_a_class(file_format, run, labelled_bundle, labelled_model):
    arguments = (labelled_bundle, "-q", "-n", 25, "--shard-size", 10, "--format", file_format, "-o", "out")
    assert run(*arguments, "--label", "10") == (0, b"", "")
    (expected,) = labelled_model.stream(25, label="10")
    if file_format == "npy":
        parts = [cvae.images.read_npy(Path(f"out/part-0000{i}.npy")) for i in range(3)]
        np.testing.assert_array_equal(np.concatenate(parts), expected)
    elif file_format == "parquet":
        table = parquet.read_table("out/part-00002.parquet")
        assert table["label"].to_pylist() == ["10"] * 5
        found = table["image"].combine_chunks().to_numpy_ndarray()
        np.testing.assert_array_equal(found, expected[20:])
    assert json.loads(Path("out/shards.json").read_text())["label"] == "10"
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    assert run(*arguments, "--label", "10", "--resume") == (0, b"", "")
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before
    for other, found in (((), "None"), (("--label", "x"), "'x'")):
        code, _, err = run(*arguments, *other, "--resume")
        assert code == 1
        assert err.startswith(f"Error: out was written with other settings: label was '10' and is now {found}; ")
    assert run(*arguments, "--label", "x", "--overwrite") == (0, b"", "")


def test_shards_without_a_class_are_those_of_earlier_versions(run, tiny_bundle):
    assert run(tiny_bundle, "-q", "-n", 5, "--shard-size", 5, "--format", "parquet") == (0, b"", "")
    assert "label" not in json.loads(Path("samples/shards.json").read_text())
    assert parquet.read_table("samples/part-00000.parquet").column_names == ["index", "image"]


def test_a_damaged_shard_of_a_class_is_written_again(run, labelled_bundle):
    arguments = (labelled_bundle, "-q", "-n", 20, "--shard-size", 10, "--label", "x", "--resume")
    assert run(*arguments) == (0, b"", "")
    part = Path("samples/part-00001.npy")
    whole = part.read_bytes()
    part.write_bytes(whole[:-1])
    assert run(*arguments) == (0, b"", "")
    assert part.read_bytes() == whole


USAGE = [
    (("--restyle", "a.png", "--label", "x"), "--restyle draws every class: leave --label out"),
    (
        ("--restyle", "a.png", "--reconstruct", "a.png"),
        "--reconstruct and --restyle contradict each other: pass one of them",
    ),
    (("--restyle", "a.png", "--captions"), "--captions is for samples and --traverse, not for --restyle"),
    (("--restyle", "a.png", "-n", "3"), "--count, --first and --temperature are for samples, not for --restyle"),
    (
        ("--label", "all", "--shard-size", "5"),
        "--label all draws samples into one file: leave --shard-size out, or name one class",
    ),
    (
        ("--label", "all", "--reconstruct", "a.png"),
        "--label all draws samples into one file: leave --reconstruct out, or name one class",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE)
def test_usage_errors(arguments, message, run, labelled_bundle):
    code, out, err = run(labelled_bundle, *arguments)
    assert (code, out, err.splitlines()[-1]) == (2, b"", f"Error: {message}")


@pytest.mark.parametrize(
    "arguments", [("--label", "3"), ("--label", "3", "--shard-size", 5), ("--label", "3", "--interpolate", "0", "1")]
)
def test_unknown_classes(arguments, run, labelled_bundle):
    assert run(labelled_bundle, *arguments) == (1, b"", "Error: label must be one of 2, 10, x; found '3'\n")
    assert not Path("samples").exists()


@pytest.mark.usefixtures("images")
def test_models_without_labels(run, encode, tiny_bundle):
    assert run(tiny_bundle, "--label", "2") == (
        1,
        b"",
        f"{NO_LABELS}leave label and labels out, or train one with cvae-train --labels\n",
    )
    assert run(tiny_bundle, "--label", "all") == (1, b"", NEEDS_LABELS)
    assert run(tiny_bundle, "--label", "2", "--shard-size", 5) == (1, b"", NEEDS_LABELS)
    assert run(tiny_bundle, "--restyle", "images.npy") == (1, b"", NEEDS_LABELS)
    assert encode(tiny_bundle, "images.npy", "--classify") == (1, b"", NEEDS_LABELS)
    assert not Path("codes.npz").exists()


def test_more_images_than_memory(run, labelled_bundle, monkeypatch):
    monkeypatch.setattr("cvae_runtime._check.physical_memory", lambda: 64 * 100)
    code, _, err = run(labelled_bundle, "-n", 50, "--label", "all")
    assert (code, err.startswith("Error: 150 images take ")) == (1, True)


@pytest.mark.parametrize("samples", [1, 3])
def test_classify(samples, encode, labelled_bundle, labelled_model, images):
    arguments = (labelled_bundle, "images.npy", "--classify", "--samples", samples, "--seed", 2)
    assert encode(*arguments) == (0, b"", "")
    found = arrays("codes.npz")
    probabilities = labelled_model.classify(images, samples=samples, seed=2)
    assert found["label"].tolist() == [("2", "10", "x")[n] for n in probabilities.argmax(axis=1)]
    assert len(set(found["label"].tolist())) > 1
    np.testing.assert_array_equal(found["label_probability"], probabilities.max(axis=1))
    np.testing.assert_array_equal(found["elbo"], labelled_model.score(images, samples=samples, seed=2).elbo)
    assert encode(*arguments, "-o", "codes.parquet", "--receipt", "receipt.json") == (0, b"", "")
    table = parquet.read_table("codes.parquet")
    assert table["label"].to_pylist() == found["label"].tolist()
    assert json.loads(Path("receipt.json").read_text())["request"]["classify"] is True


@pytest.mark.usefixtures("images")
def test_tables_without_classify(encode, labelled_bundle):
    assert encode(labelled_bundle, "images.npy") == (0, b"", "")
    assert sorted(arrays("codes.npz")) == ["elbo", "index", "logvar", "mean"]


def test_inspect(run_as, labelled_bundle):
    def inspect(*arguments):
        return run_as(_cli_inspect.command, "cvae-inspect", *arguments)

    code, out, _ = inspect(labelled_bundle)
    lines = out.decode().splitlines()
    assert code == 0
    assert lines[0] == f"{labelled_bundle}: images 4x4x1, 3 latents, likelihood bernoulli, 3 classes"
    assert "test ELBO      -9.50 +- 0.25 nats per image given the label, over the 11 test images of noise" in lines
    assert "labels         2, 10, x" in lines
    feed = "  input        label        int64    [batch]              index of the class, 0 to 2; 3 for no label"
    assert lines.count(feed) == 2
    report = json.loads(inspect(labelled_bundle, "--json")[1])
    assert (report["format"], report["model"]["labels"]) == (2, ["2", "10", "x"])
