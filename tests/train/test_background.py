"""Runs of background models, from the command line to the bundle."""

import dataclasses

import numpy as np
import pytest

from cvae_runtime import InputError
from cvae_train import Dataset, RunFolder, load_run, train
from cvae_train._cli import command
from tests.train.runs import same_weights, untimed

SMALL = ("--preset", "notebook", "--epochs", 1, "--batch-size", 16, "--filters", "4,6", "--latent-dim", 3)


@pytest.fixture(scope="module")
def config(tiny_config):
    return dataclasses.replace(tiny_config, epochs=2, background=0.25)


@pytest.fixture(scope="module")
def run(config, tiny_data, tiny_archive, tmp_path_factory):
    """A finished run of a background model."""
    data = Dataset(tiny_data.train, tiny_data.test, str(tiny_archive))
    return train(data, config, tmp_path_factory.mktemp("runs") / "run", quiet=True)


def test_an_interrupted_run_resumes_to_the_undisturbed_one(run, config, tiny_data, resumed):
    found = resumed(tiny_data, config)
    assert untimed(found.history) == untimed(run.history)
    assert same_weights(found.model, run.model)
    assert load_run(found.path).config == config


def test_other_rates_do_not_resume(run, config, tiny_data):
    with pytest.raises(InputError) as caught:
        train(tiny_data, dataclasses.replace(config, background=0.5), run.path, resume=True, quiet=True)
    assert str(caught.value) == (
        f"{run.path} was started with other settings; repeat them, or choose another folder:\n"
        f"  config.background: 0.25 then, 0.5 now"
    )


def test_the_images_of_the_run_are_not_mutated(run, tiny_data):
    folder = RunFolder(run.path)
    np.testing.assert_array_equal(folder.load_train(), tiny_data.train)
    np.testing.assert_array_equal(folder.load_test(), tiny_data.test)


@pytest.mark.parametrize(("options", "rate"), [((), 0.0), (("--background",), 0.1), (("--background", "0.3"), 0.3)])
def test_the_command_line(console, tiny_archive, tmp_path, options, rate):
    run = tmp_path / "run"
    code, err = console(command, "cvae-train", tiny_archive, *SMALL, *options, "--run", run)
    assert code == 0
    said = [line for line in err.splitlines() if "background" in line]
    note = "background model: each pixel of a training image is replaced at random with probability {:g}, anew in each epoch"
    assert said == ([note.format(rate)] if rate else [])
    assert RunFolder(run).read_config()[0].background == rate


def test_a_derived_recipe(console, tiny_archive, tmp_path):
    options = ("--epochs", 1, "--filters", "4,6", "--latent-dim", 3, "--background")
    assert console(command, "cvae-train", tiny_archive, *options, "--run", tmp_path / "run", "-q") == (0, "")
    assert RunFolder(tmp_path / "run").read_config()[0].background == 0.1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("--background", "photos"),
            2,
            "Error: Invalid value for '--background': expected a rate such as 0.1, found 'photos'; name DATA before it",
        ),
        (("--background", "1"), 1, "Error: background must be at least 0 and below 1; found 1.0"),
        (("--background", "nan"), 1, "Error: background must be at least 0 and below 1; found nan"),
    ],
)
def test_wrong_rates(console, tiny_archive, tmp_path, arguments, code, message):
    found, err = console(command, "cvae-train", tiny_archive, "--run", tmp_path / "run", *SMALL, *arguments)
    assert found == code
    assert err.splitlines()[-1] == message
    assert not (tmp_path / "run").exists()
