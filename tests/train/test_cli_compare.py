import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from cvae_train import Dataset, EpochRecord, RunFolder, TrainConfig, train
from cvae_train._cli_compare import command
from cvae_train._compare import compare_runs
from cvae_train._run import write_history, write_json


@pytest.fixture
def cvae_compare(whole_console):
    """A function that runs the console script in this process and returns its exit code, stdout and stderr."""
    return lambda *arguments: whole_console(command, "cvae-compare", *arguments)


@pytest.fixture
def make_run(tmp_path, rgb_config):
    """A function that writes the files of a run that a comparison reads."""

    def make(name, elbos, *, finished=True, iw_bound=None, test="aa" * 32, level=90, config=rgb_config, **changes):
        config = dataclasses.replace(config, **changes)
        folder = RunFolder(tmp_path / name)
        folder.sample(0).parent.mkdir(parents=True)
        data = {"source": "photos", "fingerprint": "f0" * 32, "train_images": 40, "test_images": 13}
        write_json(folder.config, {"format": 1, "config": config.to_json(), "data": {**data, "test_fingerprint": test}})
        records = [EpochRecord(n, elbo, elbo + 9, 9.0, elbo, 30.0, 5.0) for n, elbo in enumerate(elbos, 1)]
        write_history(folder.history, records)
        Image.fromarray(np.full((40, 40, 3), (level, 0, 255 - level), np.uint8)).save(folder.sample(len(elbos)))
        if finished:
            folder.weights.write_bytes(b"")
        if iw_bound is not None:
            write_json(folder.evaluation, {"iw_bound": iw_bound})
        return folder.path

    return make


def test_table_picture_and_next_command(cvae_compare, make_run, tmp_path):
    a = make_run("a", [-900.0, -800.0], iw_bound=-790.0)
    b = make_run("b", [-900.0, -780.5, -700.25], finished=False, learning_rate=0.5, epochs=9)
    code, out, err = cvae_compare(a, b, "-o", tmp_path / "both.png")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "13 test images of photos, 8-bit pixels; nats per image"
    assert [line.split() for line in lines[1:4]] == [
        ["run", "epoch", "minutes", "ELBO", "bits/dim", "reconstruction", "KL", "IW", "bound"],
        [str(a), "2/2", "1.0", "-800.00", f"{800 / (192 * np.log(2)):.3f}", "-791.00", "9.00", "-790.00"],
        [
            "*",
            str(b),
            "3/3",
            "(stopped)",
            "1.5",
            "-700.25",
            f"{700.25 / (192 * np.log(2)):.3f}",
            "-691.25",
            "9.00",
            "-",
        ],
    ]
    assert [line.split() for line in lines[4:]] == [
        [],
        ["setting", str(a), str(b)],
        ["epochs", "3", "9"],
        ["learning_rate", "0.01", "0.5"],
    ]
    assert err == f"{tmp_path / 'both.png'}: curves and samples\n"
    with Image.open(tmp_path / "both.png") as picture:
        assert picture.format == "PNG"


def test_the_best_finished_run_is_exported_next(cvae_compare, make_run, tmp_path):
    best, other = make_run("the best", [-700.0]), make_run("b", [-800.0])
    _, _, err = cvae_compare(other, best, "-o", tmp_path / "both.png")
    assert err.splitlines()[1:] == ["next:", f"  cvae-export '{best}' --onnx '{best}-bundle'"]


def test_json(cvae_compare, make_run, tmp_path):
    a = make_run("a", [-900.0, -800.0], iw_bound=-790.0)
    b = make_run("b", [-700.0], finished=False, seed=8)
    code, out, err = cvae_compare(a, b, "--json", "-q", "-o", tmp_path / "both.png")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["data"] == {"source": "photos", "test_images": 13, "binarize": "none"}
    assert found["best"] == str(b)
    assert found["differences"] == {"seed": [5, 8]}
    assert found["runs"][0] == {
        "run": str(a),
        "finished": True,
        "epoch": 2,
        "epochs": 2,
        "minutes": 1.0,
        "elbo": -800.0,
        "elbo_without_label": -800.0,
        "bits_per_dimension": pytest.approx(800 / (192 * np.log(2))),
        "reconstruction": -791.0,
        "kl": 9.0,
        "iw_bound": -790.0,
        "given_classes": None,
    }
    assert [found["runs"][1][name] for name in ("finished", "iw_bound")] == [False, None]


@pytest.mark.parametrize("binarize", ["static", "dynamic", "fixed"])
def test_binarized_runs_have_no_bits_per_dimension(cvae_compare, make_run, tmp_path, tiny_config, binarize):
    config = dataclasses.replace(tiny_config, binarize=binarize)
    runs = [make_run(name, [-80.0], config=config) for name in "ab"]
    code, out, _ = cvae_compare(*runs, "-o", tmp_path / "both.png")
    assert (code, "bits/dim" in out) == (0, False)
    assert out.splitlines()[0] == f"13 test images of photos, pixels binarized ({binarize}); nats per image"
    assert len(out.splitlines()) == 4  # no setting differs


def test_the_kept_epoch_counts(make_run):
    config = {"validation_fraction": 0.1, "patience": 2}
    a = make_run("a", [-900.0, -800.0, -850.0], **config)
    records = [
        dataclasses.replace(record, validation_elbo=elbo)
        for record, elbo in zip(compare_runs([a, a]).runs[0].history, (-9.0, -7.0, -8.0), strict=True)
    ]
    write_history(RunFolder(a).history, records)
    assert compare_runs([a, a]).runs[0].figures["epoch"] == 2


@pytest.mark.parametrize("count", [2, 5])
def test_samples_are_side_by_side(make_run, count):
    runs = [make_run(str(number), [-900.0, -800.0], level=50 * number) for number in range(count)]
    with Image.open(io.BytesIO(compare_runs(runs).picture())) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    for number in range(count):
        assert (pixels == (50 * number, 0, 255 - 50 * number)).all(axis=2).sum() > 10_000


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {"test": "bb" * 32},
            "13 of 8x8x3 (fingerprint bbbbbbbb...) under discretized-logistic-mixture, binarize none",
        ),
        ({"config": TrainConfig()}, "13 of 28x28x1 (fingerprint aaaaaaaa...) under bernoulli, binarize static"),
        (
            {"config": TrainConfig(binarize="none")},
            "13 of 28x28x1 (fingerprint aaaaaaaa...) under bernoulli, binarize none",
        ),
    ],
)
def test_unlike_data_is_refused(cvae_compare, make_run, tmp_path, changes, found):
    a, b = make_run("a", [-900.0]), make_run("b", [-800.0], **changes)
    message = (
        f"Error: {b}: expected a run with the test images of {a}, 13 of 8x8x3 (fingerprint aaaaaaaa...) under "
        f"discretized-logistic-mixture, binarize none, found {found}; compare runs on the same data, read with the "
        f"same options\n"
    )
    assert cvae_compare(a, b, "-o", tmp_path / "both.png") == (1, "", message)
    assert not (tmp_path / "both.png").exists()


@pytest.mark.parametrize("binarize", ["dynamic", "fixed", "none"])
def test_another_binarization_is_refused(cvae_compare, make_run, tmp_path, tiny_config, binarize):
    a = make_run("a", [-90.0], config=tiny_config)
    b = make_run("b", [-80.0], config=dataclasses.replace(tiny_config, binarize=binarize))
    images = "13 of 8x8x1 (fingerprint aaaaaaaa...) under bernoulli, binarize"
    message = (
        f"Error: {b}: expected a run with the test images of {a}, {images} static, found {images} {binarize}; "
        f"compare runs on the same data, read with the same options\n"
    )
    assert cvae_compare(a, b, "-o", tmp_path / "both.png") == (1, "", message)


def test_a_run_without_an_epoch_is_refused(cvae_compare, make_run, tmp_path):
    a, b = make_run("a", [-900.0]), make_run("b", [])
    message = f"Error: {b}: expected a run with at least one epoch, found none; train it first\n"
    assert cvae_compare(a, b, "-o", tmp_path / "both.png") == (1, "", message)


def test_a_damaged_evaluation_is_refused(cvae_compare, make_run, tmp_path):
    a = make_run("a", [-900.0])
    RunFolder(a).evaluation.write_text("{}")
    message = (
        f"Error: {a / 'evaluation.json'}: expected the figures of an evaluation, found KeyError('iw_bound'); write "
        f"them again with cvae-evaluate --overwrite\n"
    )
    assert cvae_compare(a, a, "-o", tmp_path / "both.png") == (1, "", message)


def test_one_run_or_no_path_is_a_usage_error(cvae_compare, make_run):
    a = make_run("a", [-900.0])
    assert cvae_compare(a)[0] == 2
    assert "expected two runs or more, found one" in cvae_compare(a)[2]
    assert cvae_compare(a, a, "-o", "-", "--json")[0] == 2


def test_a_picture_is_replaced_only_when_asked(cvae_compare, make_run, tmp_path):
    a, picture = make_run("a", [-900.0]), tmp_path / "both.png"
    assert cvae_compare(a, a, "-q", "-o", picture) == (0, "", "")
    assert cvae_compare(a, a, "-q", "-o", picture)[0] == 1
    assert cvae_compare(a, a, "-q", "-o", picture, "--overwrite") == (0, "", "")


def test_trained_runs(cvae_compare, tiny_config, tiny_data, tmp_path):
    data = Dataset(tiny_data.train, tiny_data.test, str(tmp_path / "set.npz"))
    runs = [
        train(data, dataclasses.replace(tiny_config, seed=seed, epochs=1), tmp_path / str(seed), quiet=True).path
        for seed in (1, 2)
    ]
    code, out, _ = cvae_compare(*runs, "-o", tmp_path / "both.png")
    assert (code, len(out.splitlines())) == (0, 7)
