import hashlib
import sys

import numpy as np
import pytest
from PIL import Image

from cvae_runtime import InputError
from cvae_train import DataOptions, Dataset, load_data
from cvae_train._data.dataset import fingerprint_of, load_test
from cvae_train._data.holdout import held_out
from cvae_train._data.mnist import FILE_NAME, load_mnist, pack_mnist, unpack_mnist
from tests.train.data.reading import refusal

NAMES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")


@pytest.fixture
def images():
    return np.random.default_rng(1).integers(0, 256, (5, 8, 8), np.uint8)


def test_embedded_mnist_is_the_real_one():
    mnist = load_mnist()
    assert mnist.train.shape == (60_000, 28, 28, 1)
    assert mnist.test.shape == (10_000, 28, 28, 1)
    assert set(np.unique(mnist.train)) == {0, 255}
    # Counts of the digits 0 to 9, from the description of the database.
    assert np.bincount(mnist.train_labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.test_labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_damaged_embedded_mnist_is_refused(monkeypatch):
    load_mnist.cache_clear()
    monkeypatch.setattr("cvae_train._data.mnist.SHA256", "0" * 64)
    with pytest.raises(InputError, match=rf"the embedded MNIST \({FILE_NAME}\) is damaged: expected SHA-256 000"):
        load_mnist()
    load_mnist.cache_clear()


def test_packing_thresholds_at_128_and_unpacks_to_the_same_pixels(monkeypatch):
    monkeypatch.setattr("cvae_train._data.mnist.TRAIN_COUNT", 3)
    monkeypatch.setattr("cvae_train._data.mnist.TEST_COUNT", 2)
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    images[0, 0, :2] = 127, 128
    labels = np.arange(5, dtype=np.uint8)
    mnist = unpack_mnist(pack_mnist(images, labels))
    assert np.array_equal(np.concatenate([mnist.train, mnist.test])[..., 0], np.where(images >= 128, 255, 0))
    assert mnist.train[0, 0, :2, 0].tolist() == [0, 255]
    assert mnist.test_labels.tolist() == [3, 4]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_folder(tmp_path, images, write_idx, ending):
    for name in NAMES:
        write_idx(tmp_path / f"{name}{ending}", images)
    data = load_data(tmp_path)
    assert np.array_equal(data.train[..., 0], images)
    assert data.image_shape == (8, 8, 1)
    assert data.source == str(tmp_path)


def test_idx_folder_without_a_file(tmp_path, images, write_idx):
    write_idx(tmp_path / NAMES[0], images)
    assert refusal(tmp_path) == (
        f"{tmp_path}: expected the file {NAMES[1]} or {NAMES[1]}.gz beside {NAMES[0]}, found neither; copy it there"
    )


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_faults_name_the_file_what_was_expected_and_found(tmp_path, images, write_idx, ending):
    good, bad = tmp_path / f"{NAMES[0]}{ending}", tmp_path / f"{NAMES[1]}{ending}"
    write_idx(good, images)
    write_idx(bad, images, cut=10)
    with pytest.raises(InputError, match="cut short: expected 336 bytes, found 326; get the file again") as caught:
        load_data(tmp_path)
    assert str(bad) in str(caught.value)
    write_idx(bad, images, magic=0x801)
    with pytest.raises(InputError, match="expected the magic number 0x00000803, found 0x00000801"):
        load_data(tmp_path)
    write_idx(bad, images[:0])
    with pytest.raises(InputError, match=r"test images: expected at least one image, found an empty set of shape"):
        load_data(tmp_path)
    write_idx(bad, images[:, :4])
    with pytest.raises(
        InputError, match=r"expected images of one size, found 2 sizes \(width x height\): 8x8 \(5\), 8x4 \(5\)"
    ):
        load_data(tmp_path)


def test_truncated_gzip_names_the_file(tmp_path, images, write_idx):
    for name in NAMES:
        path = write_idx(tmp_path / f"{name}.gz", images)
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=f"{NAMES[0]}.gz: cannot be read: "):
        load_data(tmp_path)


def test_npz_of_bytes_and_of_floats_are_the_same(tmp_path, images):
    np.savez(tmp_path / "bytes.npz", x_train=images, x_test=images)
    np.savez(tmp_path / "floats.npz", x_train=images / np.float32(255), x_test=images[..., np.newaxis] / 255.0)
    from_bytes, from_floats = (load_data(tmp_path / name) for name in ("bytes.npz", "floats.npz"))
    assert np.array_equal(from_bytes.train, from_floats.train)
    assert from_bytes.fingerprint == from_floats.fingerprint


def test_float_at_half_is_white(tmp_path):
    grey = np.full((1, 8, 8), 0.5)
    grey[0, 0, 0] = np.nextafter(0.5, 0.0)
    np.savez(tmp_path / "half.npz", x_train=grey, x_test=grey)
    train = load_data(tmp_path / "half.npz").train
    assert (train >= 128).sum() == 63


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": np.zeros((2, 8, 8))}, "expected the arrays x_train and x_test, found x_train"),
        ({"x_train": np.zeros((2, 8)), "x_test": np.zeros((2, 8))}, r"train images: expected images of shape \(N, H, W\) or \(N, H, W, C\) with C 1 or 3, found shape \(2, 8\)"),
    ],
)  # fmt: skip
def test_wrong_npz(tmp_path, arrays, message):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(InputError, match=message) as caught:
        load_data(tmp_path / "set.npz")
    assert str(tmp_path / "set.npz") in str(caught.value)


@pytest.mark.parametrize("limit", [1 << 20, 0])
@pytest.mark.parametrize("dtype", ["uint8", "float32", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_file_is_split_by_numbers(tmp_path, limit, dtype, order):
    pixels = np.random.default_rng(2).integers(0, 256, (30, 4, 5, 3), np.uint8)
    array = pixels if dtype == "uint8" else (pixels / 255).astype(dtype)
    np.save(tmp_path / "set.npy", np.asarray(array, order=order))
    data = load_data(tmp_path / "set.npy", memory_limit=limit, spill=tmp_path)
    test = held_out([str(number) for number in range(30)], 0.1)
    for part, expected in ((data.train, pixels[~test]), (data.test, pixels[test])):
        assert isinstance(part, np.memmap) == (limit == 0)
        np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("limit", [1 << 20, 0])
def test_a_folder_of_two_npy_files_is_mapped(tmp_path, images, limit):
    np.save(tmp_path / "train.npy", images)
    np.save(tmp_path / "test.npy", images[:2] / 255)
    data = load_data(tmp_path, memory_limit=limit, spill=tmp_path)
    assert data.fingerprint == Dataset(images, images[:2]).fingerprint
    assert isinstance(data.train, np.memmap) == isinstance(data.test, np.memmap) == (limit == 0)
    if limit == 0:
        assert data.train.filename == tmp_path / "train.npy"  # not copied
    with pytest.raises(InputError, match=f"{tmp_path}: has its own test set; leave --test-fraction out"):
        load_data(tmp_path, DataOptions(test_fraction=0.5))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 4)), r"set\.npy: expected images of shape .*, found shape \(3, 4\)"),
        (np.float32(1), r"set\.npy: expected images of shape .*, found shape \(\)"),
        (np.zeros((1, 4, 4)), r"set\.npy: expected at least two images, one to train on and one to hold out, found 1"),
        (np.array([None]), r"set\.npy: expected an array of numbers, found pickled objects"),
    ],
)
def test_wrong_npy(tmp_path, array, message):
    np.save(tmp_path / "set.npy", array)
    with pytest.raises(InputError, match=message):
        load_data(tmp_path / "set.npy")


def test_arrays_are_brought_to_a_size_and_to_channels_too(tmp_path):
    np.savez(tmp_path / "set.npz", x_train=np.full((3, 8, 8), 7, np.uint8), x_test=np.full((2, 4, 6, 3), 9, np.uint8))
    data = load_data(tmp_path / "set.npz", DataOptions(image_size=(2, 3)))
    assert (data.train.shape, data.test.shape) == ((3, 2, 3, 3), (2, 2, 3, 3))
    assert (np.unique(data.train).tolist(), np.unique(data.test).tolist()) == ([7], [9])
    assert load_data(tmp_path / "set.npz", DataOptions(image_size=(8, 8), channels=1)).image_shape == (8, 8, 1)


@pytest.mark.parametrize("kind", ["npz", "npy", "idx"])
def test_the_test_part_alone_is_the_same(tmp_path, images, write_idx, kind):
    path = tmp_path
    if kind == "npz":
        path = tmp_path / "set.npz"
        np.savez(path, x_train=images, x_test=images[2:])
    elif kind == "npy":
        path = tmp_path / "set.npy"
        np.save(path, images)
    else:
        for name, part in zip(NAMES, (images, images[2:]), strict=True):
            write_idx(tmp_path / name, part)
    whole = load_data(path)
    np.testing.assert_array_equal(load_test(path, DataOptions(), whole.image_shape), whole.test)


def test_images_beyond_the_limit_lie_on_the_disk_from_any_source(tmp_path, images):
    np.savez(tmp_path / "set.npz", x_train=images, x_test=images[:1])
    plain, mapped = (load_data(tmp_path / "set.npz", memory_limit=limit, spill=tmp_path) for limit in (1 << 20, 64))
    assert (type(mapped.train), type(mapped.test)) == (np.memmap, np.ndarray)  # the test image has 64 bytes
    assert mapped.fingerprint == plain.fingerprint


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts and limits what a process takes for its data")
def test_mapped_images_are_never_in_memory_as_a_whole(tmp_path, fresh_python):
    """A process limited to 60 MiB of additional memory loads, checks and converts arrays of 64 and 128 MiB."""
    pixels = np.arange(64 << 20, dtype=np.uint64).astype(np.uint8).reshape(-1, 128, 128, 1)
    (tmp_path / "both").mkdir()
    np.save(tmp_path / "both/train.npy", pixels)
    np.save(tmp_path / "both/test.npy", (pixels[:2048] / np.float32(255)).astype(np.float32))
    np.save(tmp_path / "one.npy", pixels)
    program = f"""
import re, resource
import numpy as np
from pathlib import Path
from cvae_train import Dataset, load_data
folder = Path({str(tmp_path)!r})
taken = int(re.search(r"VmData:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (taken + (60 << 20), resource.RLIM_INFINITY))
try:
    np.ones(64 << 20, np.uint8)
except MemoryError:
    print("limited")
print(load_data(folder / "both", memory_limit=0, spill=folder).fingerprint)
print(load_data(folder / "one.npy", memory_limit=0, spill=folder).fingerprint)
mapped = np.lib.format.open_memmap(folder / "one.npy", mode="r")
print(Dataset(mapped, mapped).fingerprint)
"""
    result = fresh_python(program)
    assert result.returncode == 0, result.stderr
    test = held_out([str(number) for number in range(len(pixels))], 0.1)
    assert result.stdout.split() == [
        "limited",
        fingerprint_of(pixels, pixels[:2048]),
        fingerprint_of(pixels[~test], pixels[test]),
        fingerprint_of(pixels, pixels),
    ]


def test_other_sources_are_refused(tmp_path):
    with pytest.raises(InputError, match="found nothing; leave DATA out to use the embedded MNIST"):
        load_data(tmp_path / "missing")
    found = {
        "a.txt": (b"x", "found text; leave DATA out"),
        "a.csv": (
            b"1,2,3\n4,5,6\n",
            r"found CSV \(save its pixels with numpy\.save, as an array uint8 \(N, H, W\)\); leave",
        ),
        "a.tfrecord": (b"", "expected at least two images, one to train on and one to hold out, found 0"),
        "a.zip": (b"PK\x05\x06" + bytes(18), "found ZIP; leave DATA out"),
    }
    for name, (content, message) in found.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            load_data(tmp_path / name)
    Image.new("L", (4, 4)).save(tmp_path / "one.png")
    with pytest.raises(InputError, match=r"found one PNG \(training needs many images: name their folder\)"):
        load_data(tmp_path / "one.png")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train-images.idx3-ubyte", "t10k-images.idx3-ubyte"),
        ("train-images.idx3-ubyte.gz", "t10k-images.idx3-ubyte.gz"),
        ("emnist-digits-train-images-idx3-ubyte", "emnist-digits-test-images-idx3-ubyte.gz"),
        ("training.dat", "val.dat"),
    ],
)
def test_idx_files_are_told_by_content_and_their_parts_by_name(tmp_path, images, write_idx, train, test):
    write_idx(tmp_path / train, images), write_idx(tmp_path / test, images[:2])
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(5, np.uint8))
    data = load_data(tmp_path)
    np.testing.assert_array_equal(data.train[..., 0], images)
    np.testing.assert_array_equal(data.test[..., 0], images[:2])
    assert data.notes[1] == "skipped 1 file: 1 IDX1 (train-labels-idx1-ubyte)"


def test_idx_files_of_several_sets_are_refused(tmp_path, images, write_idx):
    names = [f"emnist-{kind}-{part}-images-idx3-ubyte" for kind in ("digits", "letters") for part in ("train", "test")]
    for name in names:
        write_idx(tmp_path / name, images)
    assert refusal(tmp_path) == (
        f"{tmp_path}: expected one IDX file of test images, found {names[1]}, {names[3]}; "
        f"put each data set into its own folder"
    )


def test_one_idx_file_is_split_by_numbers(tmp_path, images, write_idx):
    data = load_data(write_idx(tmp_path / "digits", images))
    assert (len(data.train), len(data.test), data.notes) == (4, 1, ("a fraction of 0.1 is held out for testing",))


@pytest.mark.parametrize("names", [("x_train", "x_test", "x_val"), ("train_images", "test_images", "val_images")])
def test_arrays_of_an_archive_are_parts_by_their_names(tmp_path, images, names):
    arrays = dict(zip(names, (images, images[:2], images[:3]), strict=True))
    np.savez(tmp_path / "set.npz", **arrays, y_train=np.zeros(5), train_labels=np.zeros(5))
    data = load_data(tmp_path / "set.npz")
    assert [len(part) for part in data.splits] == [5, 2, 3]
    assert data.notes == (
        f"{names[0]} is trained on, {names[1]} is the test set, {names[2]} is the validation set",
        "skipped 2 arrays: y_train, train_labels",
    )


def test_one_array_of_an_archive_is_split_and_others_are_listed(tmp_path, images):
    np.savez(tmp_path / "one.npz", images)
    assert [len(part) for part in load_data(tmp_path / "one.npz").splits] == [4, 1]
    np.savez(tmp_path / "two.npz", images=images, labels=np.zeros(5))
    assert refusal(tmp_path / "two.npz") == (
        f"{tmp_path / 'two.npz'}: expected the arrays x_train and x_test, found images, labels; "
        f"save the images under these names"
    )


def test_a_folder_s_array_for_validation_is_read_too(tmp_path, images):
    for name, count in (("train", 5), ("test", 2), ("validation", 3)):
        np.save(tmp_path / f"{name}.npy", images[:count])
    assert [len(part) for part in load_data(tmp_path).splits] == [5, 2, 3]


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((5, 784), "for flat images use array.reshape(-1, 28, 28)"),
        ((5, 1, 8, 8), "channels come last: array.transpose(0, 2, 3, 1)"),
        ((5, 3, 8, 8), "channels come last: array.transpose(0, 2, 3, 1)"),
        ((8, 8, 3, 5), "images come first: array.transpose(3, 0, 1, 2)"),
        ((5, 8, 8, 4), "drop the fourth channel: array[..., :3]"),
    ],
)
def test_arrays_of_another_layout_get_advice_that_works(tmp_path, shape, advice):
    array = np.zeros(shape, np.uint8)
    np.save(tmp_path / "set.npy", array)
    assert refusal(tmp_path / "set.npy") == (
        f"{tmp_path / 'set.npy'}: expected images of shape (N, H, W) or (N, H, W, C) with C 1 or 3, "
        f"found shape {shape}; {advice}"
    )
    np.save(tmp_path / "set.npy", eval(advice[advice.index("array") :], {"array": array}))
    assert sum(map(len, load_data(tmp_path / "set.npy").splits)) == 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((-1.0, 1.0), "found -1 to 1; for values in [-1, 1] use (array + 1) / 2"),
        ((0.0, 255.0), "found 0 to 255; divide 0-255 values by 255"),
        ((-3.0, 4.0), "found -3 to 4; scale them to [0, 1]"),
        ((0.5, np.nan), "found NaN or infinity (2 times); replace them with numpy.nan_to_num"),
        ((0.5, np.inf), "found NaN or infinity (2 times); replace them with numpy.nan_to_num"),
    ],
)
def test_floats_out_of_range_say_what_they_are(tmp_path, values, message):
    array = np.full((3, 4, 4), values[0])
    array[:, 2, 2] = values[1]
    np.save(tmp_path / "set.npy", array)
    assert refusal(tmp_path / "set.npy") == f"{tmp_path / 'set.npy'}: float images must lie in [0, 1], {message}"


def test_fingerprint_is_of_shapes_and_pixels(images):
    data = Dataset(images, images)
    expected = hashlib.sha256()
    for _ in range(2):
        expected.update(b"(5, 8, 8, 1)" + images.tobytes())
    assert data.fingerprint == expected.hexdigest()
    changed = images.copy()
    changed[4, 7, 7] ^= 1
    assert Dataset(images, changed).fingerprint != data.fingerprint
