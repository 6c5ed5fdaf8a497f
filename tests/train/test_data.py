import hashlib

import numpy as np
import pytest

from cvae_runtime import InputError
from cvae_train import Dataset, load_data
from cvae_train._mnist import FILE_NAME, load_mnist, pack_mnist, unpack_mnist

NAMES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")


@pytest.fixture
def images():
    return np.random.default_rng(1).integers(0, 256, (5, 8, 8), np.uint8)


def test_embedded_mnist_is_the_real_one():
    mnist = load_mnist()
    assert mnist.train.shape == (60_000, 28, 28, 1)
    assert mnist.test.shape == (10_000, 28, 28, 1)
    assert set(np.unique(mnist.train)) == {0, 255}
    # Counts of the digits 0 to 9, as the database's description gives them.
    assert np.bincount(mnist.train_labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.test_labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_damaged_embedded_mnist_is_refused(monkeypatch):
    load_mnist.cache_clear()
    monkeypatch.setattr("cvae_train._mnist.SHA256", "0" * 64)
    with pytest.raises(InputError, match=rf"the embedded MNIST \({FILE_NAME}\) is damaged: expected SHA-256 000"):
        load_mnist()
    load_mnist.cache_clear()


def test_packing_thresholds_at_128_and_unpacks_to_the_same_pixels(monkeypatch):
    monkeypatch.setattr("cvae_train._mnist.TRAIN_COUNT", 3)
    monkeypatch.setattr("cvae_train._mnist.TEST_COUNT", 2)
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
    with pytest.raises(InputError) as caught:
        load_data(tmp_path)
    assert (
        str(caught.value) == f"{tmp_path}: expected the file {NAMES[1]} or {NAMES[1]}.gz, found neither; copy it there"
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
    with pytest.raises(InputError, match=r"test images: expected at least one picture, found an empty set of shape"):
        load_data(tmp_path)
    write_idx(bad, images[:, :4])
    with pytest.raises(
        InputError, match=r"expected test images of the training images' shape \(8, 8, 1\), found \(4, 8, 1\)"
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
        ({"x_train": np.zeros((2, 8)), "x_test": np.zeros((2, 8))}, r"train images: expected pictures of shape \(N, H, W\) or \(N, H, W, C\) with C 1 or 3, found shape \(2, 8\)"),
        ({"x_train": np.zeros((2, 8, 8)) + 2, "x_test": np.zeros((2, 8, 8))}, r"float pictures must lie in \[0, 1\], found 2 to 2; divide 0-255 values by 255"),
        ({"x_train": np.zeros((2, 8, 8)) * np.nan, "x_test": np.zeros((2, 8, 8))}, r"float pictures must lie in \[0, 1\], found nan to nan"),
        ({"x_train": np.zeros((2, 8, 8), int), "x_test": np.zeros((2, 8, 8), int)}, "expected uint8, or float in .*, found int64"),
        ({"x_train": np.zeros((0, 8, 8)), "x_test": np.zeros((2, 8, 8))}, "expected at least one picture, found an empty set"),
    ],
)  # fmt: skip
def test_wrong_npz(tmp_path, arrays, message):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(InputError, match=message) as caught:
        load_data(tmp_path / "set.npz")
    assert str(tmp_path / "set.npz") in str(caught.value)


def test_pickled_and_damaged_npz_are_refused(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, x_train=np.array([{}], dtype=object), x_test=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read as a NumPy file: Object arrays cannot be loaded"):
        load_data(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as a NumPy file"):
        load_data(path)


def test_other_sources_are_refused(tmp_path):
    with pytest.raises(InputError, match="found nothing; without DATA the embedded MNIST is used"):
        load_data(tmp_path / "missing")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="found a file of another kind"):
        load_data(tmp_path / "a.txt")


def test_fingerprint_is_of_shapes_and_pixels(images):
    data = Dataset(images, images)
    expected = hashlib.sha256()
    for _ in range(2):
        expected.update(b"(5, 8, 8, 1)" + images.tobytes())
    assert data.fingerprint == expected.hexdigest()
    changed = images.copy()
    changed[4, 7, 7] ^= 1
    assert Dataset(images, changed).fingerprint != data.fingerprint
