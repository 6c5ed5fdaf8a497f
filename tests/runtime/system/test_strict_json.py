"""Untrusted JSON: each fault is a ValueError, and becomes the own error of each reader."""

import json

import pytest

import cvae_runtime as cvae
import cvae_runtime.bundle
import cvae_runtime.files
from cvae_runtime._jobs import shards as _shards

DEEP = "lists and objects nested deeper than 64"
REFUSED = {
    "lists": ("[" * 100_000, DEEP),
    "closed lists": ("[" * 65 + "]" * 65, DEEP),
    "objects": ('{"a":' * 100_000 + "1" + "}" * 100_000, DEEP),
    "an integer": ("9" * 5000, "an integer of 5,000 digits; at most 1,000 are read"),
    "a negative integer": ("-" + "9" * 1000, "an integer of 1,001 digits; at most 1,000 are read"),
    "NaN": ("NaN", "NaN is not JSON"),
    "infinity": ("-Infinity", "-Infinity is not JSON"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_deep_or_long_json_is_an_error(case):
    text, message = REFUSED[case]
    for data in (text, text.encode()):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            cvae.files.parse_json(data)
        assert (type(caught.value), str(caught.value)) == (ValueError, message)


@pytest.mark.parametrize("text", ["[" * 64 + "]" * 64, "9" * 1000, '{"a": [1, 2.5, null, "\\u001b"]}', "[]", "3"])
def test_other_json_is_parsed_as_by_python(text):
    assert cvae.files.parse_json(text) == json.loads(text)


@pytest.mark.parametrize("text", ["", "{", "[1,]", "\ud800"])
def test_invalid_json_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011  # Python's words
        cvae.files.parse_json(text)


@pytest.mark.parametrize("case", REFUSED)
def test_a_manifest_with_bad_json_is_an_error(case, tiny_bundle, refuses):
    text, message = REFUSED[case]
    path = tiny_bundle / cvae.bundle.MANIFEST_NAME
    manifest = path.read_text()
    for place in ('"epochs": 1', '"latent_dim": 3', '"format": 1'):
        path.write_text(manifest.replace(place, f"{place.partition(': ')[0]}: {text}"))
        if (
            "[" * 9 in text or "{" in text
        ):  # left open, it is no JSON either: which of the two is said depends on Python
            with pytest.raises(cvae.BundleError, match=r"manifest\.json: expected JSON: .*; export the bundle again$"):
                cvae.read_bundle(tiny_bundle)
            continue
        with refuses(cvae.BundleError, f"{path}: expected JSON: {message}; export the bundle again"):
            cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("case", REFUSED)
def test_golden_vectors_with_bad_json_are_an_error(case, refuses):
    text, message = REFUSED[case]
    expected = f"g.json: not golden vectors: ValueError('{message}'); export the bundle again"
    with refuses(cvae.BundleError, expected):
        cvae.bundle.parse_golden(text, "g.json")


@pytest.mark.parametrize("case", REFUSED)
def test_a_folder_of_shards_with_bad_json_is_an_error(case, tmp_path, refuses):
    text, message = REFUSED[case]
    (tmp_path / _shards.SETTINGS_NAME).write_text(text)
    expected = (
        f"{tmp_path}: expected a folder of shards with a readable shards.json, found {message}; name another folder"
    )
    with refuses(cvae.InputError, expected):
        _shards._read_settings(tmp_path)


@pytest.mark.parametrize("shape", [[0], [0, 3], [2, 0, 4]])
def test_empty_golden_vectors_are_an_error(shape, refuses):
    array = {"dtype": "float32", "shape": shape, "data": ""}
    case = {"file": "decoder.onnx", "inputs": {}, "outputs": {"probs": array}, "atol": 0.1}
    latents = {"seed": "0", "first": "0", "count": 0, "latent_dim": 3, "z": array}
    message = (
        f"g.json: not golden vectors: ValueError('expected values, found none: shape {shape}'); export the bundle again"
    )
    for golden in ({"cases": [case], "rng": []}, {"cases": [], "rng": [latents]}):
        with refuses(cvae.BundleError, message):
            cvae.bundle.parse_golden(json.dumps(golden), "g.json")


def test_a_length_of_minus_1_is_an_error(refuses):
    array = {"dtype": "uint8", "shape": [-1, 2], "data": "AAAAAA=="}
    case = {"file": "a.onnx", "inputs": {"x": array}, "outputs": {}, "atol": 0.1}
    message = "g.json: not golden vectors: ValueError('shape must be [2, 2]; found [-1, 2]'); export the bundle again"
    with refuses(cvae.BundleError, message):
        cvae.bundle.parse_golden(json.dumps({"cases": [case], "rng": []}), "g.json")
