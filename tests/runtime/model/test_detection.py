"""`Model.detect` and `Detection`, with a detector that NumPy can compute."""

import pickle

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_runtime.images import Box
from tests.runtime.detectors import MAP_THRESHOLD, SCORES, THRESHOLD, write_calibrated


@pytest.fixture
def calibrated(bundles, tmp_path):
    return write_calibrated(bundles, tmp_path / "calibrated")


@pytest.fixture
def model(calibrated):
    with cvae.load(calibrated, provider="cpu", threads=2) as model:
        yield model


def images_of(*levels):
    return np.stack([np.full((4, 4, 1), level, np.uint8) for level in levels])


def test_scores_p_values_alarms_and_maps(model, tiny):
    images = np.concatenate([images_of(0, 10, 15, 40, 41, 255), tiny.images])
    found = model.detect(images)
    means = images.mean(axis=(1, 2, 3), dtype=np.float64)
    assert np.allclose(found.score, means, atol=1e-4)
    assert found.p_value[:6].tolist() == np.float32([1.0, 1.0, 0.8, 0.4, 0.2, 0.2]).tolist()
    assert (found.alarm == (found.score > THRESHOLD)).all()
    assert (found.alarm == (found.p_value <= np.float32(0.2))).all()
    assert (found.map == images[..., 0] - np.float32(100.0)).all()
    assert [array.dtype for array in (found.score, found.p_value, found.alarm, found.map)] == [
        np.float32,
        np.float32,
        np.bool_,
        np.float32,
    ]
    assert found.map_threshold == MAP_THRESHOLD


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_an_image_has_the_same_bits_in_any_call(count, model, tiny):
    images = np.concatenate([tiny.images] * 4)[:count]
    alone = [model.detect(image[np.newaxis]) for image in images]
    found = model.detect(images)
    for name in ("score", "p_value", "alarm", "map"):
        assert (getattr(found, name) == np.concatenate([getattr(one, name) for one in alone])).all()


def test_boxes_are_those_of_alarms(model):
    images = images_of(0, 160, 45)
    images[0, 0, 0] = 255  # no alarm
    images[1, 3] = 0
    assert model.detect(images).boxes() == [None, Box(0, 0, 2, 4), None]


def test_a_picture_of_alarms(model):
    images = images_of(0, 255)
    found = model.detect(images)
    drawn = found.draw(images)
    assert (drawn.dtype, drawn.shape) == (np.uint8, (2, 4, 4, 3))
    assert (drawn[0] == 0).all()
    assert (drawn[1, 0] == (255, 0, 0)).all()
    assert (found.draw(images[..., 0]) == drawn).all()


def test_other_images_are_an_error(model, refuses):
    found = model.detect(images_of(0, 255))
    message = "images must be those that detect() got, uint8 of shape (2, 4, 4, 'C'); found uint8 of shape (1, 4, 4, 1)"
    with refuses(cvae.InputError, message):
        found.draw(images_of(0))


def test_a_detection_says_what_it_holds(model):
    assert repr(model.detect(images_of(15))) == "<Detection of 1 image: 0 alarms; p-values 0.8 to 0.8>"
    assert repr(model.detect(images_of(15, 99))) == "<Detection of 2 images: 1 alarm; p-values 0.2 to 0.8>"


def test_a_model_without_a_detector(tiny_model, tiny, refuses):
    message = (
        "the model has no detector: expected a bundle that cvae-calibrate wrote; "
        "make one from images of good parts: cvae-calibrate BUNDLE GOOD -o NEW"
    )
    with refuses(cvae.InputError, message):
        tiny_model.detect(tiny.images)


def test_images_are_checked(model, refuses):
    message = "images must be uint8 of shape (N, 4, 4, 1); found shape (1, 5, 5)"
    with refuses(cvae.InputError, message):
        model.detect(np.zeros((1, 5, 5), np.uint8))


def test_a_score_that_is_not_finite(bundles, tmp_path, refuses):
    folder = write_calibrated(bundles, tmp_path / "wrong", factor=np.inf)
    message = f"{folder / 'detector.onnx'}: expected a finite score, found NaN or infinity; export it again"
    with cvae.load(folder, provider="cpu") as model, refuses(cvae.BundleError, message):
        model.detect(images_of(10))


def test_the_detector_takes_no_label(bundles, tmp_path):
    folder = write_calibrated(bundles, tmp_path / "labelled", labels=("2", "10", "x"))
    with cvae.load(folder, provider="cpu") as model:
        assert model.detect(images_of(255)).alarm.tolist() == [True]


def test_a_pickled_model_keeps_its_detector(model):
    with pickle.loads(pickle.dumps(model)) as again:
        assert again.detect(images_of(255)).p_value.tolist() == [np.float32(0.2)]
        assert "detector" in again.graphs


def test_a_manifest_with_a_detector_needs_its_graph(calibrated, bundles):
    def drop(manifest):
        manifest["graphs"] = [graph for graph in manifest["graphs"] if graph["role"] != "detector"]

    bundles.edit(calibrated, drop)
    with pytest.raises(cvae.BundleError) as caught:
        cvae.read_bundle(calibrated)
    assert str(caught.value) == (
        f"{calibrated / 'manifest.json'}: graphs: expected a portable float32 detector, found none; "
        f"export the bundle again"
    )


def test_the_manifest_keeps_the_calibration(model):
    detector = model.manifest.detector
    assert (detector.scores, detector.count, detector.median, detector.background) == (SCORES, 4, None, None)
