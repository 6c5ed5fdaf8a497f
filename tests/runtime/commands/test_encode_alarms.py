"""``cvae-encode --alarms``: columns, the picture, messages and exit codes."""

import json

import numpy as np
import PIL.Image
import pytest

from tests.runtime.detectors import write_calibrated


@pytest.fixture
def calibrated(bundles, tmp_path):
    return write_calibrated(bundles, tmp_path / "calibrated")


@pytest.fixture
def folder(tmp_path):
    """Pictures of the levels 5, 15, 200 and 150, of which the last two raise an alarm."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, level in (("a", 5), ("b", 15), ("c", 200), ("d", 160)):
        image = np.full((4, 4), level, np.uint8)
        image[0, 0] = max(level, 140)
        image[3] = 0  # so that binarization leaves both levels
        PIL.Image.fromarray(image).save(folder / f"{name}.png")
    return folder


def test_columns_a_picture_and_exit_code_10(encode, calibrated, folder, tmp_path):
    code, out, err = encode(calibrated, folder, "--alarms", "-o", "codes.npz")
    assert code == 10
    assert out.decode() == "2\tc.png\t0.2\t150.00\t0,0,2,4\n3\td.png\t0.2\t120.00\t0,0,2,4\n"
    assert err == f"{folder}: 2 of 4 images raise an alarm in codes_alarms.png\n"
    with np.load(tmp_path / "codes.npz") as table:
        assert table["score"].tolist() == [12.1875, 19.0625, 150.0, 120.0]
        assert table["p_value"].tolist() == np.float32([0.8, 0.8, 0.2, 0.2]).tolist()
        assert table["alarm"].tolist() == [False, False, True, True]
        assert table["box"].tolist() == [[-1] * 4, [-1] * 4, [0, 0, 2, 4], [0, 0, 2, 4]]
    with PIL.Image.open(tmp_path / "codes_alarms.png") as picture:
        assert picture.mode == "RGB"


def test_json(encode, calibrated, folder):
    code, out, err = encode(calibrated, folder, "--alarms", "--json", "-q")
    assert (code, err) == (10, "")
    images = [
        {"index": 2, "path": "c.png", "p_value": pytest.approx(0.2), "score": 150.0, "box": [0, 0, 2, 4]},
        {"index": 3, "path": "d.png", "p_value": pytest.approx(0.2), "score": 120.0, "box": [0, 0, 2, 4]},
    ]
    assert json.loads(out)["alarms"] == {"count": 2, "picture": "codes_alarms.png", "images": images}


def test_no_alarm_is_a_success(encode, calibrated, folder, tmp_path):
    for name in ("c", "d"):
        (folder / f"{name}.png").unlink()
    code, out, err = encode(calibrated, folder, "--alarms")
    assert (code, out, err) == (0, b"", f"{folder}: no alarm, of 2 images\n")
    assert not (tmp_path / "codes_alarms.png").exists()


def test_a_bundle_without_a_detector(encode, tiny_bundle, folder, tmp_path):
    code, out, err = encode(tiny_bundle, folder, "--alarms")
    assert (code, out) == (1, b"")
    assert err == (
        "Error: the model has no detector: expected a bundle that cvae-calibrate wrote; "
        "make one from images of good parts: cvae-calibrate BUNDLE GOOD -o NEW\n"
    )
    assert not (tmp_path / "codes.npz").exists()


def test_an_existing_picture(encode, calibrated, folder, tmp_path):
    (tmp_path / "codes_alarms.png").write_bytes(b"mine")
    code, _, err = encode(calibrated, folder, "--alarms")
    assert (code, err) == (
        1,
        "Error: codes_alarms.png exists already; choose another name or pass --overwrite\n",
    )
