"""`read_bundle`: files that differ from the manifest are rejected, and replacement during a read is handled."""

import functools
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cvae_runtime as cvae
import cvae_runtime.bundle
import cvae_runtime.files
from cvae_runtime._bundle import read as _bundle
from cvae_runtime.bundle import parse_manifest

FILES = ("encoder.onnx", "decoder.onnx", "golden.json")
LEARNED = Path(__file__).parents[2] / "golden" / "learned"


@pytest.fixture(scope="module")
def whole(bundles, tmp_path_factory):
    """Return a bundle for property tests, which restore it after each example."""
    return bundles.write(tmp_path_factory.mktemp("whole") / "tiny")


def test_contents_of_a_bundle(tiny_bundle, bundles):
    for path in (tiny_bundle, str(tiny_bundle)):
        bundle = cvae.read_bundle(path)
        assert bundle.path == tiny_bundle
        assert bundle.manifest == bundles.manifest()
        assert bundle.files == {name: (tiny_bundle / name).read_bytes() for name in FILES}


def test_packaged_bundles(refuses):
    folder = Path(cvae.__file__).parent / "bundles"
    assert {cvae.packaged_bundle(name) for name in ("mnist", "mnist-unlabelled")} == {*folder.iterdir()}
    with refuses(cvae.InputError, "name: expected mnist or mnist-unlabelled, found 'cifar'"):
        cvae.packaged_bundle("cifar")


def test_the_default_is_the_packaged_bundle():
    bundle = cvae.read_bundle()
    assert bundle.path == cvae.packaged_bundle() == Path(cvae.__file__).parent / "bundles" / "mnist"
    assert bundle.manifest.model.image_shape == (28, 28, 1)
    assert set(bundle.files) == {path.name for path in bundle.path.iterdir()} - {cvae.bundle.MANIFEST_NAME}


def test_other_files_are_ignored(tiny_bundle):
    (tiny_bundle / "README.md").write_text("mine")
    assert set(cvae.read_bundle(tiny_bundle).files) == set(FILES)


@pytest.mark.parametrize(("name", "found"), [("none", "nothing"), ("loop", "a broken link"), ("file", "a file")])
def test_a_path_that_is_not_a_folder(name, found, tmp_path, refuses):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    path = tmp_path / name
    message = f"{path}: expected a bundle, a folder with manifest.json, found {found}; cvae-export makes one"
    with refuses(cvae.BundleError, message):
        cvae.read_bundle(path)


def test_a_folder_without_a_manifest(tmp_path, refuses):
    message = f"{tmp_path / 'manifest.json'}: cannot be read: No such file or directory; get the bundle again"
    with refuses(cvae.BundleError, message):
        cvae.read_bundle(tmp_path)


def test_an_invalid_manifest(tiny_bundle, bundles, refuses):
    bundles.edit(tiny_bundle, lambda manifest: manifest["model"].pop("rng"))
    with refuses(
        cvae.BundleError, f"{tiny_bundle / 'manifest.json'}: model.rng: expected, but missing; export the bundle again"
    ):
        cvae.read_bundle(tiny_bundle)


def test_a_huge_manifest(tiny_bundle, refuses):
    with (tiny_bundle / "manifest.json").open("r+b") as file:
        file.truncate((1 << 20) + 1)
    message = f"{tiny_bundle / 'manifest.json'}: expected at most 1,048,576 bytes, found 1,048,577"
    with refuses(cvae.BundleError, message):
        cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("claimed", [True, False])
def test_a_huge_file_is_not_read(claimed, tiny_bundle, bundles, refuses):
    size = 4 << 30
    if claimed:
        bundles.edit(tiny_bundle, lambda manifest: manifest["graphs"][1].update(bytes=size))
    with (tiny_bundle / "decoder.onnx").open("r+b") as file:
        file.truncate(size)  # sparse, so it takes no space
    message = f"{tiny_bundle / 'decoder.onnx'}: expected at most 2,147,483,647 bytes, found 4,294,967,296"
    with refuses(cvae.BundleError, message):
        cvae.read_bundle(tiny_bundle)


def test_a_missing_decoder(tiny_bundle, refuses):
    (tiny_bundle / "decoder.onnx").unlink()
    message = f"{tiny_bundle / 'decoder.onnx'}: cannot be read: No such file or directory; get the bundle again"
    with refuses(cvae.IntegrityError, message):
        cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("name", ["prior.onnx", "prior_density.onnx"])
def test_a_missing_prior(name, tmp_path, refuses):
    folder = shutil.copytree(LEARNED, tmp_path / "learned")
    (folder / name).unlink()
    message = f"{folder / name}: cannot be read: No such file or directory; get the bundle again"
    with refuses(cvae.IntegrityError, message):
        cvae.read_bundle(folder)


def test_optional_files_may_be_absent(tiny_bundle):
    whole = cvae.read_bundle(tiny_bundle)
    for name in ("encoder.onnx", "golden.json"):
        (tiny_bundle / name).unlink()
    bundle = cvae.read_bundle(tiny_bundle)
    assert (bundle.absent, bundle.sha256) == ({"encoder.onnx", "golden.json"}, whole.sha256)
    assert set(bundle.files) == {"decoder.onnx"}
    assert [graph.role for graph in bundle.manifest.graphs] == ["decoder"]
    assert whole.absent == set()
    (tiny_bundle / "encoder.onnx").write_bytes(b"another")
    with pytest.raises(
        cvae.IntegrityError, match=r"encoder\.onnx: expected [\d,]+ bytes, found 7; get the bundle again"
    ):
        cvae.read_bundle(tiny_bundle)


def test_an_absent_file_of_a_bundle_that_is_replaced_meanwhile(two_bundles, tmp_path, monkeypatch):
    target = tmp_path / "bundle"
    put(two_bundles[0], target)

    def replace():
        (target / "encoder.onnx").unlink()
        put(two_bundles[1], target)

    meanwhile(monkeypatch, replace)
    assert cvae.read_bundle(target).files == cvae.read_bundle(two_bundles[1]).files


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_size(name, tiny_bundle, refuses):
    path = tiny_bundle / name
    size = path.stat().st_size
    for data in (path.read_bytes() + b"\0", path.read_bytes()[:-1], b""):
        path.write_bytes(data)
        message = f"{path}: expected {size:,} bytes, found {len(data):,}; get the bundle again"
        with refuses(cvae.IntegrityError, message):
            cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file(name, tiny_bundle, refuses):
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


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_manifest(whole, data):
    path = whole / cvae.bundle.MANIFEST_NAME
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
    # A changed letter of a version still parses; then the files must match the manifest.
    assert files.keys() == set(FILES) if refusal is None else refusal.startswith(f"{whole}/")


def test_a_truncated_manifest(tiny_bundle):
    path = tiny_bundle / cvae.bundle.MANIFEST_NAME
    original = path.read_bytes()
    for length in range(len(original) - 2):  # the last two are the closing brace and the end of its line
        path.write_bytes(original[:length])
        with pytest.raises(cvae.BundleError, match=r"manifest\.json: expected JSON: "):
            cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("name", [cvae.bundle.MANIFEST_NAME, *FILES])
def test_links(name, tiny_bundle, refuses):
    path = tiny_bundle / name
    path.rename(tiny_bundle.parent / name)
    path.symlink_to(tiny_bundle.parent / name)
    message = f"{path}: expected a file, found a link; copy the bundle without links: cp -RL {tiny_bundle} COPY"
    with refuses(cvae.IntegrityError, message):
        cvae.read_bundle(tiny_bundle)


def test_the_command_copies_without_links(tiny_bundle, tmp_path):
    # The layout of a cache whose versions share files.
    linked = tmp_path / "with a space"
    linked.mkdir()
    for path in tiny_bundle.iterdir():
        (linked / path.name).symlink_to(path)
    with pytest.raises(cvae.IntegrityError) as caught:
        cvae.read_bundle(linked)
    command = str(caught.value).rpartition("links: ")[2].replace("COPY", str(tmp_path / "copy"))
    subprocess.run(shlex.split(command), check=True)
    assert cvae.read_bundle(tmp_path / "copy").sha256 == cvae.read_bundle(tiny_bundle).sha256


@pytest.mark.parametrize("name", [cvae.bundle.MANIFEST_NAME, *FILES])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_special_files_do_not_block(name, make, tiny_bundle, refuses):
    path = tiny_bundle / name
    path.unlink()
    make(path)
    with refuses(cvae.IntegrityError, f"{path}: expected a regular file; get the bundle again"):
        cvae.read_bundle(tiny_bundle)


@pytest.mark.parametrize("file", ["../outside.onnx", "/outside.onnx", "sub/outside.onnx", "..", ".hidden", ""])
def test_names_that_leave_the_folder(file, tiny_bundle, bundles, refuses):
    shutil.copy(tiny_bundle / "decoder.onnx", tiny_bundle.parent / "outside.onnx")
    bundles.edit(tiny_bundle, lambda manifest: manifest["graphs"][1].update(file=file))
    where = f"{tiny_bundle / 'manifest.json'}: graphs[1].file"
    message = f'{where}: expected a plain file name, found "{file}"; export the bundle again'
    with refuses(cvae.BundleError, message):
        cvae.read_bundle(tiny_bundle)


def test_a_link_to_a_bundle(tiny_bundle):
    link = tiny_bundle.parent / "link"
    link.symlink_to(tiny_bundle)
    assert set(cvae.read_bundle(link).files) == set(FILES)


@pytest.fixture
def two_bundles(bundles, tmp_path):
    """Return two bundles with the same file names that differ in every file except one."""
    return [
        bundles.write(tmp_path / name, golden)
        for name, golden in (("a", b'{"cases": [], "rng": []}'), ("b", b'{ "cases": [], "rng": []}'))
    ]


def put(source, target):
    """Replace a bundle in the way of an export."""
    with cvae.files.new_folder(target, replaces=cvae.bundle.BUNDLE_LAYOUT) as folder:
        for path in source.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())


def meanwhile(monkeypatch, *acts):
    """Run the next of ``acts`` after each read of a manifest, before its files are read."""
    waiting = iter(acts)

    def parse(text, source):
        with monkeypatch.context() as patch:
            patch.setattr(_bundle, "parse_manifest", parse_manifest)  # an act may read a manifest too
            next(waiting, lambda: None)()
        return parse_manifest(text, source)

    monkeypatch.setattr(_bundle, "parse_manifest", parse)


@pytest.fixture(params=["by descriptor", "by path"])
def by_either(request, monkeypatch):
    """Read with files opened relative to the folder's descriptor, and without."""
    if request.param == "by path":
        monkeypatch.setattr(os, "supports_dir_fd", set())


@pytest.mark.usefixtures("by_either")
@pytest.mark.parametrize("times", [1, 5])
def test_replacement_during_a_read(times, two_bundles, tmp_path, monkeypatch):
    target = tmp_path / "bundle"
    expected = [cvae.read_bundle(source) for source in two_bundles]
    put(two_bundles[0], target)
    meanwhile(monkeypatch, *(functools.partial(put, two_bundles[n % 2], target) for n in range(1, times + 1)))
    read = cvae.read_bundle(target)
    last = expected[times % 2]
    assert (read.sha256, read.text, read.files) == (last.sha256, last.text, last.files)


@pytest.mark.usefixtures("by_either")
def test_a_link_that_changes_during_a_read(two_bundles, tmp_path, monkeypatch):
    target, other = tmp_path / "current", tmp_path / "next"
    target.symlink_to(two_bundles[0])
    other.symlink_to(two_bundles[1])
    expected = [cvae.read_bundle(source) for source in two_bundles]
    meanwhile(monkeypatch, lambda: other.rename(target))
    read = cvae.read_bundle(target)
    assert (read.sha256, read.files) in [(one.sha256, one.files) for one in expected]


@pytest.mark.usefixtures("by_either")
def test_files_replaced_one_by_one(two_bundles, tmp_path, monkeypatch):
    target = tmp_path / "bundle"
    put(two_bundles[0], target)
    meanwhile(monkeypatch, lambda: shutil.copytree(two_bundles[1], target, dirs_exist_ok=True))
    assert cvae.read_bundle(target).sha256 == cvae.read_bundle(two_bundles[1]).sha256


def test_endless_replacement_raises(two_bundles, tmp_path, monkeypatch):
    target = tmp_path / "bundle"
    put(two_bundles[0], target)
    monkeypatch.setattr(_bundle, "_READINGS", 3)
    meanwhile(monkeypatch, *(functools.partial(put, two_bundles[n % 2], target) for n in range(1, 9)))
    with pytest.raises(cvae.IntegrityError):
        cvae.read_bundle(target)


def test_hundreds_of_replacements(two_bundles, tmp_path):
    target = tmp_path / "bundle"
    put(two_bundles[0], target)
    expected = {bundle.sha256: bundle.files for bundle in map(cvae.read_bundle, two_bundles)}
    program = (
        "import itertools, pathlib, sys, cvae_runtime as cvae, cvae_runtime.bundle, cvae_runtime.files\n"
        "target, *sources = map(pathlib.Path, sys.argv[1:])\n"
        "for source in itertools.islice(itertools.cycle(sources), 600):\n"
        "    with cvae.files.new_folder(target, replaces=cvae.bundle.BUNDLE_LAYOUT) as folder:\n"
        "        for path in source.iterdir():\n"
        "            (folder / path.name).write_bytes(path.read_bytes())\n"
    )
    command = [sys.executable, "-c", program, target, *two_bundles]
    seen = set()
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            bundle = cvae.read_bundle(target)
            assert bundle.files == expected[bundle.sha256]
            seen.add(bundle.sha256)
    assert process.returncode == 0
    assert seen == set(expected)


def test_a_shared_file_is_read_once(tiny_bundle, bundles, monkeypatch):
    bundles.edit(tiny_bundle, lambda manifest: manifest["graphs"].extend([manifest["graphs"][1]] * 200))
    hashed, checked = [], []
    sha256 = hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda data: hashed.append(data) or sha256(data))
    monkeypatch.setattr(_bundle, "check_plain_graph", lambda _, source: checked.append(source))
    bundle = cvae.read_bundle(tiny_bundle)
    assert len(bundle.manifest.graphs) == 202
    assert sorted(hashed) == sorted([bundle.text, *bundle.files.values()])
    assert checked == [str(tiny_bundle / name) for name in FILES[:2]]


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"bytes": 7}])
def test_every_entry_is_checked(change, tiny_bundle, bundles):
    bundles.edit(tiny_bundle, lambda manifest: manifest["graphs"].append({**manifest["graphs"][1], **change}))
    with pytest.raises(cvae.IntegrityError, match=r"decoder\.onnx: expected (SHA-256 0{64}|7 bytes), found "):
        cvae.read_bundle(tiny_bundle)


def test_too_many_graphs(tiny_bundle, bundles, refuses):
    bundles.edit(tiny_bundle, lambda manifest: manifest["graphs"].extend([manifest["graphs"][1]] * 255))
    message = f"{tiny_bundle / 'manifest.json'}: graphs: expected at most 256, found 257; export the bundle again"
    with refuses(cvae.BundleError, message):
        cvae.read_bundle(tiny_bundle)
