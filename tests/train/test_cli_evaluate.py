import json
import shlex

import numpy as np
import pytest

from cvae_train import Dataset, train
from cvae_train._cli_evaluate import command
from cvae_train._run import folder as folder_module


@pytest.fixture
def cvae_evaluate(console):
    """A function that runs the console script in this process and returns its exit code and stderr."""
    return lambda *arguments: console(command, "cvae-evaluate", *arguments)


@pytest.fixture
def run(tiny_config, tiny_data, tiny_archive, tmp_path):
    data = Dataset(tiny_data.train, tiny_data.test, str(tiny_archive))
    return train(data, tiny_config, tmp_path / "run", quiet=True)


def test_prints_the_table_and_writes_json_and_picture(cvae_evaluate, run):
    code, err = cvae_evaluate(run.path, "--samples", 20)
    assert code == 0
    assert "13 test images, pixels binarized at 0.5; nats per image" in err.splitlines()
    written = json.loads((run.path / "evaluation.json").read_text())
    assert written["elbo"] == pytest.approx(run.history[-1].elbo, abs=1e-3)
    assert (written["samples"], written["images"], written["binarize"]) == (20, 13, "static")
    assert (run.path / "evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_opens_with_the_comparison_and_what_to_try_next(cvae_evaluate, run):
    _, err = cvae_evaluate(run.path, "--samples", 2)
    lines = err.splitlines()[2:]  # after the progress bar and the epoch
    written = json.loads((run.path / "evaluation.json").read_text())["baselines"]
    assert lines[0] == f"{run.path / 'evaluation.png'}: samples, reconstructions, the curve"
    assert lines[1].split() == ["is", "it", "good?", "nats", "per", "image"]
    assert lines[3].split() == ["per-pixel", "histogram", f"{written['histogram']:.2f}"]
    assert lines[4].split() == ["PCA,", "3", "dimensions", f"{written['pca']:.2f}"]
    assert lines[6] == "what to try next:"
    assert lines[7].startswith("  ")
    assert "13 test images, pixels binarized at 0.5; nats per image" in lines[8:]


@pytest.mark.parametrize("options", [(), ("--checkpoint", "last")])
def test_ends_with_the_export(cvae_evaluate, run, options):
    _, err = cvae_evaluate(run.path, "--samples", 2, *options)
    line = shlex.join(["cvae-export", str(run.path), "--onnx", f"{run.path}-bundle", *options])
    assert err.splitlines()[-2:] == ["next:", f"  {line}"]


def test_without_training_images_there_is_no_comparison(cvae_evaluate, run, tiny_data, tmp_path):
    fewer = tmp_path / "fewer.npz"
    np.savez(fewer, x_train=tiny_data.train[:5], x_test=tiny_data.test)
    code, err = cvae_evaluate(run.path, "--samples", 2, "--data", fewer)
    assert code == 0
    assert err.splitlines()[1].startswith(
        f"without simple models to compare with, since they need the training images: {fewer}: expected the images "
        f"that {run.path} was trained on, with fingerprint "
    )
    assert "is it good?" not in err
    assert json.loads((run.path / "evaluation.json").read_text())["baselines"] is None


def test_without_training_images_samples_are_not_judged(cvae_evaluate, run, tiny_data, tmp_path):
    fewer, absent = tmp_path / "fewer.npz", tmp_path / "absent.npz"
    np.savez(fewer, x_train=tiny_data.train[:5], x_test=tiny_data.test)
    judged = ("--samples", 2, "--features", "judge.onnx")
    found = Dataset(tiny_data.train[:5], tiny_data.test).fingerprint
    assert cvae_evaluate(run.path, *judged, "--data", fewer) == (
        1,
        (
            f"Error: {fewer}: expected the images that {run.path} was trained on, with fingerprint "
            f"{tiny_data.fingerprint}, found fingerprint {found}; pass the right ones with --data\n"
        ),
    )
    code, err = cvae_evaluate(run.path, *judged, "--data", absent)
    assert code == 1
    assert err.endswith(f"This needs the test images of {run.path}; pass their location with --data\n")


@pytest.mark.parametrize("whole", [True, False])
def test_images_are_read_once(cvae_evaluate, run, tiny_data, tmp_path, monkeypatch, whole):
    fewer, read = tmp_path / "fewer.npz", []
    np.savez(fewer, x_train=tiny_data.train[:5], x_test=tiny_data.test)
    for name in ("load_data", "load_test"):
        load = getattr(folder_module, name)
        record = lambda *args, name=name, load=load, **options: (read.append(name), load(*args, **options))[1]  # noqa: E731
        monkeypatch.setattr(folder_module, name, record)
    assert cvae_evaluate(run.path, "--samples", 2, "-q", *(() if whole else ("--data", fewer))) == (0, "")
    assert read == (["load_data"] if whole else ["load_data", "load_test"])


def test_labels_give_a_linear_probe(cvae_evaluate, run, tiny_data, tmp_path):
    bright = [np.where(images.max(axis=(1, 2, 3)) > 190, "bright", "dark") for images in tiny_data.splits]
    labelled = tmp_path / "labelled.npz"
    np.savez(labelled, x_train=tiny_data.train, x_test=tiny_data.test, y_train=bright[0], y_test=bright[1])
    code, err = cvae_evaluate(run.path, "--samples", 2, "--images", 7, "--data", labelled)
    written = json.loads((run.path / "evaluation.json").read_text())
    assert (code, written["classes"]) == (0, 2)
    assert written["probe_accuracy"] in [count / 7 for count in range(8)]
    lines = err.splitlines()
    assert f"linear probe (2 classes)            {written['probe_accuracy']:12.1%}" in lines
    assert [each["name"] for each in written["per_class"]] == ["bright", "dark"]
    assert sum(each["images"] for each in written["per_class"]) == 7
    elbos = [each["images"] * each["elbo"] for each in written["per_class"]]
    assert sum(elbos) == pytest.approx(7 * written["elbo"])
    start = lines.index("class                       images                  ELBO        KL")
    for line, each in zip(lines[start + 1 : start + 3], written["per_class"], strict=True):
        assert line.split() == [each["name"], str(each["images"]), f"{each['elbo']:.2f}", f"{each['kl']:.2f}"]
    assert (written["classification"], "classify" in err) == (None, False)


def test_without_labels_there_is_no_probe(cvae_evaluate, run):
    _, err = cvae_evaluate(run.path, "--samples", 2)
    written = json.loads((run.path / "evaluation.json").read_text())
    assert (written["probe_accuracy"], written["classes"], "probe" in err) == (None, None, False)
    assert (written["per_class"], written["classification"], "class  " in err) == ([], None, False)


def test_the_first_images_alone(cvae_evaluate, run):
    assert cvae_evaluate(run.path, "--samples", 2, "--images", 5, "-q") == (0, "")
    assert json.loads((run.path / "evaluation.json").read_text())["images"] == 5


def test_an_evaluation_is_replaced_only_when_asked(cvae_evaluate, run):
    assert cvae_evaluate(run.path, "--samples", 2, "-q") == (0, "")
    message = f"Error: {run.path / 'evaluation.json'} exists already; choose another name or pass --overwrite\n"
    assert cvae_evaluate(run.path, "--samples", 2, "-q") == (1, message)
    assert cvae_evaluate(run.path, "--samples", 2, "-q", "--overwrite") == (0, "")


def test_a_run_that_was_stopped_is_evaluated(cvae_evaluate, run):
    (run.path / "weights.npz").unlink()
    code, err = cvae_evaluate(run.path, "--samples", 2)
    assert (code, f"{run.path}: epoch 3" in err.splitlines()) == (0, True)
    written = json.loads((run.path / "evaluation.json").read_text())
    assert (written["epoch"], written["elbo"]) == (3, pytest.approx(run.history[-1].elbo, abs=1e-3))


def test_json_is_all_of_stdout(whole_console, run):
    code, out, err = whole_console(command, "cvae-evaluate", run.path, "--samples", 2, "--json")
    printed = json.loads(out)
    assert (code, printed.pop("run"), "13 test images" in err) == (0, str(run.path), True)
    assert printed == json.loads((run.path / "evaluation.json").read_text())
    again = whole_console(command, "cvae-evaluate", run.path, "--samples", 2, "--json", "-q", "--overwrite")
    assert again == (0, out, "")


def test_a_run_without_a_validation_set_has_no_best(cvae_evaluate, run):
    message = (
        f"Error: {run.path}: expected a run that keeps its best epoch, found one without a validation set; "
        f"pass --checkpoint last\n"
    )
    assert cvae_evaluate(run.path, "--checkpoint", "best", "-q") == (1, message)
    assert cvae_evaluate(run.path, "--checkpoint", "last", "--samples", 2, "-q") == (0, "")


def test_no_samples_are_refused(cvae_evaluate, run):
    assert cvae_evaluate(run.path, "--samples", 0, "-q") == (1, "Error: samples must be at least 1; found 0\n")
