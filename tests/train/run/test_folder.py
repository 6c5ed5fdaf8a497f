"""The record of a run's images, and finding the same images again."""

import dataclasses
import json
import math

import numpy as np
import pytest
from PIL import Image

from cvae_runtime import InputError
from cvae_train import DataInfo, DataOptions, Dataset, RunFolder, load_data
from cvae_train._data.dataset import fingerprint_of
from cvae_train._run.folder import write_json
from cvae_train._run.plan import Plan

OPTIONS = DataOptions(image_size=(8, 8), channels=1, test_fraction=0.25)


@pytest.fixture
def pictures(tmp_path):
    """A folder of twelve images of 12x10 pixels."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (10, 12, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def data(pictures):
    return load_data(pictures, OPTIONS)


@pytest.fixture
def run(tiny_config, data, tmp_path):
    """The folder of a run that has just started."""
    folder = RunFolder(tmp_path / "run")
    with folder.prepared(tiny_config, DataInfo.of(data), {}, Plan(), resume=False, overwrite=False):
        return folder


def edit(run, **changes):
    """Change the data fields of a run's config; remove those that are None."""
    fields = json.loads(run.config.read_text())
    fields["data"] = {k: v for k, v in (fields["data"] | changes).items() if v is not None}
    run.config.write_text(json.dumps(fields))


def test_the_config_repeats_how_the_images_were_read(run, data, pictures):
    assert json.loads(run.config.read_text())["data"] == {
        "source": str(pictures),
        "fingerprint": data.fingerprint,
        "train_images": 9,
        "test_images": 3,
        "test_fingerprint": fingerprint_of(data.test),
        "options": {"image_size": [8, 8], "channels": 1, "test_fraction": 0.25, "skip_bad": False},
        "labels_fingerprint": None,
    }
    assert run.read_config()[1] == DataInfo.of(data)


def test_the_test_images_are_found_again(run, data, pictures, tmp_path):
    np.testing.assert_array_equal(run.load_test(), data.test)
    moved = pictures.rename(tmp_path / "moved")
    with pytest.raises(
        InputError, match=r"found nothing; .*\. This needs the test images of .*; pass their location with --data"
    ):
        run.load_test()
    np.testing.assert_array_equal(run.load_test(moved), data.test)


def test_other_test_images_are_refused(run, data, pictures):
    (test_name,) = [p.name for p in pictures.iterdir() if np.array_equal(_read(p), data.test[0])]
    Image.new("L", (8, 8)).save(pictures / test_name)
    with pytest.raises(InputError) as caught:
        run.load_test()
    assert str(caught.value).startswith(
        f"{pictures}: expected the images that {run.path} was trained on, with fingerprint {fingerprint_of(data.test)}, "
    )


def test_the_whole_data_set_is_found_again(tiny_config, data, pictures, tmp_path):
    run = RunFolder(tmp_path / "run")
    labels = "\n".join(["path,label", *(f"{number}.png,{number % 2}" for number in range(12))])
    (pictures / "labels.csv").write_text(labels)
    dynamic = dataclasses.replace(tiny_config, binarize="dynamic")
    with run.prepared(dynamic, DataInfo.of(data), {}, Plan(), resume=False, overwrite=False):
        pass
    found = run.load_dataset()
    np.testing.assert_array_equal(found.train, data.train)
    np.testing.assert_array_equal(found.test, data.test)
    assert (found.source, found.options, found.labels.names) == (str(pictures), OPTIONS, ("0", "1"))
    moved = pictures.rename(tmp_path / "moved")
    assert run.load_dataset(moved).fingerprint == data.fingerprint
    np.testing.assert_array_equal(run.load_train(moved, drawn=False), data.train)
    Image.new("L", (8, 8)).save(moved / "0.png")
    with pytest.raises(InputError) as caught:
        run.load_dataset(moved)
    assert str(caught.value) == (
        f"{moved}: expected the images that {run.path} was trained on, with fingerprint {data.fingerprint}, found "
        f"fingerprint {load_data(moved, OPTIONS).fingerprint}; pass the right ones with --data"
    )


def test_the_test_images_need_no_labels(run, data, pictures):
    (pictures / "labels.csv").write_text("path,label\n")
    with pytest.raises(InputError, match=r"labels\.csv: expected a label for every image, found none for 12 images"):
        run.load_dataset()
    np.testing.assert_array_equal(run.load_test(), data.test)


def _read(path):
    from cvae_runtime.images import fit_image, read_image

    return fit_image(read_image(path, "it"), (8, 8, 1))


def test_a_run_of_before_options_were_recorded_is_read(tiny_config, tiny_data, tmp_path):
    np.savez(tmp_path / "set.npz", x_train=tiny_data.train, x_test=tiny_data.test)
    data = Dataset(tiny_data.train, tiny_data.test, str(tmp_path / "set.npz"))
    run = RunFolder(tmp_path / "run")
    with run.prepared(tiny_config, DataInfo.of(data), {}, Plan(), resume=False, overwrite=False):
        pass
    edit(run, options=None, test_fingerprint=None)
    assert run.read_config()[1] == dataclasses.replace(DataInfo.of(data), test_fingerprint=None)
    np.testing.assert_array_equal(run.load_test(), tiny_data.test)
    with run.prepared(tiny_config, DataInfo.of(data), {}, Plan(), resume=True, overwrite=False):
        assert run.read_config()[0] == tiny_config
    np.savez(tmp_path / "set.npz", x_train=tiny_data.train[1:], x_test=tiny_data.test)
    with pytest.raises(InputError, match=f"expected the images that .* was trained on, .* {data.fingerprint}, found"):
        run.load_test()


def test_other_options_are_listed_on_resume(run, tiny_config, pictures):
    other = load_data(pictures, dataclasses.replace(OPTIONS, image_size=(4, 8), test_fraction=0.5))
    with (
        pytest.raises(InputError) as caught,
        run.prepared(tiny_config, DataInfo.of(other), {}, Plan(), resume=True, overwrite=False),
    ):
        pytest.fail("the block must not begin")
    assert str(caught.value).splitlines()[2:] == [
        "  data.options.image_size: (8, 8) then, (4, 8) now",
        "  data.options.test_fraction: 0.25 then, 0.5 now",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": 3}, "expected the configuration of a run, found TypeError"),
        ({"image_size": [1, 2, 3]}, "expected the configuration of a run, found ValueError"),
        ([], "expected the configuration of a run, found AttributeError"),
        ({"channels": 2}, "channels must be 1 or 3; found 2"),
    ],
)
def test_options_that_make_no_sense_are_refused(run, options, message):
    edit(run, options=options)
    with pytest.raises(InputError, match=message):
        run.read_config()


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_json_of_a_run_never_holds_what_is_no_number(tmp_path, number):
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        write_json(tmp_path / "a.json", {"elbo": [number]})
    assert not (tmp_path / "a.json").exists()
