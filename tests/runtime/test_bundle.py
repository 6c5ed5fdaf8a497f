"""Bundles: what is not what the manifest says is refused before anything is opened."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cvae_runtime as cvae

FILES = ("encoder.onnx", "decoder.onnx", "golden.json")


@pytest.fixture(scope="module")
def whole(bundles, tmp_path_factory):
    """A bundle for property tests, which put it back after each example."""
    return bundles.write(tmp_path_factory.mktemp("whole") / "tiny")


def test_a_bundle_is_its_manifest_and_the_bytes_of_its_files(tiny_bundle, bundles):
    for path in (tiny_bundle, str(tiny_bundle)):
        bundle = cvae.read_bundle(path)
        assert bundle.path == tiny_bundle
        assert bundle.manifest == bundles.manifest()
        assert bundle.files == {name: (tiny_bundle / name).read_bytes() for name in FILES}


def test_without_a_path_it_is_the_packaged_one():
    bundle = cvae.read_bundle()
    assert bundle.path == cvae.packaged_bundle() == Path(cvae.__file__).parent / "bundles" / "mnist"
    assert bundle.manifest.model.image_shape == (28, 28, 1)
    assert set(bundle.files) == {path.name for path in bundle.path.iterdir()} - {cvae.MANIFEST_NAME}


def test_other_files_in_the_folder_are_left_alone(tiny_bundle):
    (tiny_bundle / "README.md").write_text("mine")
    assert set(cvae.read_bundle(tiny_bundle).files) == set(FILES)


@pytest.mark.parametrize(("name", "found"), [("none", "nothing"), ("tiny/golden.json", "a file")])
def test_what_is_no_folder_is_refused(name, found, tiny_bundle, refuses):
    path = tiny_bundle.parent / name
    message = f"{path}: expected a bundle, a folder with manifest.json, found {found}; cvae-export makes one"
    with refuses(cvae.BundleError, message):
        cvae.read_bundle(path)


def test_a_folder_without_a_manifest_is_refused(tmp_path, refuses):
    message = f"{tmp_path / 'manifest.json'}: cannot be read: No such file or directory; get the bundle again"
    with refuses(cvae.BundleError, message):
        cvae.read_bundle(tmp_path)


def test_a_manifest_that_is_wrong_names_its_path(tiny_bundle, bundles, refuses):
    bundles.edit(tiny_bundle, lambda manifest: manifest["model"].pop("rng"))
    with refuses(cvae.BundleError, f"{tiny_bundle / 'manifest.json'}: model.rng: expected, but missing"):
        cvae.read_bundle(tiny_bundle)


def test_a_manifest_of_megabytes_is_refused(tiny_bundle, refuses):
    with (tiny_bundle / "manifest.json").open("r+b") as file:
        file.truncate((16 << 20) + 1)
    message = f"{tiny_bundle / 'manifest.json'}: expected at most 16,777,216 bytes, found 16,777,217"
    with refuses(cvae.BundleError, message):
        cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("claimed", [True, False])
def test_a_file_of_gigabytes_is_refused_without_reading_it(claimed, tiny_bundle, bundles, refuses):
    size = 4 << 30
    if claimed:
        bundles.edit(tiny_bundle, lambda manifest: manifest["graphs"][1].update(bytes=size))
    with (tiny_bundle / "decoder.onnx").open("r+b") as file:
        file.truncate(size)  # a hole, which takes no space
    message = f"{tiny_bundle / 'decoder.onnx'}: expected at most 2,147,483,647 bytes, found 4,294,967,296"
    with refuses(cvae.BundleError, message):
        cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(name, tiny_bundle, refuses):
    (tiny_bundle / name).unlink()
    message = f"{tiny_bundle / name}: cannot be read: No such file or directory; get the bundle again"
    with refuses(cvae.IntegrityError, message):
        cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_size_is_refused(name, tiny_bundle, refuses):
    path = tiny_bundle / name
    size = path.stat().st_size
    for data in (path.read_bytes() + b"\0", path.read_bytes()[:-1], b""):
        path.write_bytes(data)
        message = f"{path}: expected {size:,} bytes, found {len(data):,}; get the bundle again"
        with refuses(cvae.IntegrityError, message):
            cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused(name, tiny_bundle, refuses):
    path = tiny_bundle / name
    data = path.read_bytes()
    changed = bytes([data[0] ^ 1]) + data[1:]
    path.write_bytes(changed)
    expected, found = (hashlib.sha256(content).hexdigest() for content in (data, changed))
    message = (
        f"{path}: expected SHA-256 {expected}, found {found}; the file was changed or damaged: get the bundle again"
    )
    with refuses(cvae.IntegrityError, message):
        cvae.read_bundle(tiny_bundle)


@given(st.sampled_from(FILES), st.data())
def test_a_flipped_bit_anywhere_in_a_file_is_refused(whole, name, data):
    path = whole / name
    original = path.read_bytes()
    changed = bytearray(original)
    changed[data.draw(st.integers(0, len(original) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        path.write_bytes(changed)
        with pytest.raises(cvae.IntegrityError, match="expected SHA-256"):
            cvae.read_bundle(whole)
    finally:
        path.write_bytes(original)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_manifest_is_refused_or_still_one(whole, data):
    path = whole / cvae.MANIFEST_NAME
    original = path.read_bytes()
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    try:
        path.write_bytes(changed)
        files, refusal = cvae.read_bundle(whole).files, None
    except cvae.BundleError as error:
        files, refusal = {}, str(error)
    finally:
        path.write_bytes(original)
    # A changed letter of a version is a version: then the files must still be those it describes.
    assert files.keys() == set(FILES) if refusal is None else refusal.startswith(f"{whole}/")


def test_a_manifest_cut_anywhere_is_refused(tiny_bundle):
    path = tiny_bundle / cvae.MANIFEST_NAME
    original = path.read_bytes()
    for length in range(len(original) - 2):  # the last two are the closing brace and the end of its line
        path.write_bytes(original[:length])
        with pytest.raises(cvae.BundleError, match=r"manifest\.json: expected JSON: "):
            cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("name", [cvae.MANIFEST_NAME, *FILES])
def test_links_are_refused(name, tiny_bundle, refuses):
    path = tiny_bundle / name
    path.rename(tiny_bundle.parent / name)
    path.symlink_to(tiny_bundle.parent / name)
    kind = cvae.BundleError if name == cvae.MANIFEST_NAME else cvae.IntegrityError
    with refuses(kind, f"{path}: is a link, which a bundle must not hold; get the bundle again"):
        cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("name", [cvae.MANIFEST_NAME, *FILES])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_regular_file_is_refused_without_waiting(name, make, tiny_bundle, refuses):
    path = tiny_bundle / name
    path.unlink()
    make(path)
    with refuses(cvae.IntegrityError, f"{path}: expected a regular file; get the bundle again"):
        cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("file", ["../outside.onnx", "/outside.onnx", "sub/outside.onnx", "..", ".hidden", ""])
def test_names_that_leave_the_folder_are_refused(file, tiny_bundle, bundles, refuses):
    shutil.copy(tiny_bundle / "decoder.onnx", tiny_bundle.parent / "outside.onnx")
    bundles.edit(tiny_bundle, lambda manifest: manifest["graphs"][1].update(file=file))
    message = f'{tiny_bundle / "manifest.json"}: graphs[1].file: expected a plain file name, found "{file}"'
    with refuses(cvae.BundleError, message):
        cvae.read_bundle(tiny_bundle)


def test_a_folder_that_is_itself_reached_by_a_link_is_a_bundle(tiny_bundle):
    link = tiny_bundle.parent / "link"
    link.symlink_to(tiny_bundle)
    assert set(cvae.read_bundle(link).files) == set(FILES)
