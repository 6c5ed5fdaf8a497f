"""NumPy files and arrays of images: exact round trips, and one error for all damage."""

import io
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cvae_runtime as cvae
import cvae_runtime.images

ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)
SHAPES = st.lists(st.integers(0, 4), max_size=4)


def read_or_refuse(read, *arguments):
    """True if read, False for an `InputError`; other exceptions propagate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's on old headers: not what is held here
        try:
            read(*arguments)
        except cvae.InputError:
            return False
    return True


@given(SHAPES, st.sampled_from(["float32", ">f8", "uint8", "int64", "bool"]), st.booleans())
def test_npy_round_trip(scratch, shape, dtype, fortran):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    array = np.asfortranarray(array) if fortran and shape else array
    (scratch / "a.npy").write_bytes(cvae.images.npy_bytes(array))
    (scratch / "a.npz").write_bytes(cvae.images.npz_bytes({"x/y": array, "z": ARRAY}))
    (archived, other) = cvae.images.read_npz(scratch / "a.npz", ["x/y", "z"])
    for found in (cvae.images.read_npy(scratch / "a.npy"), archived):
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(other, ARRAY)


@pytest.mark.parametrize("compress", [False, True])
def test_npz_round_trip_is_deterministic(compress):
    data = cvae.images.npz_bytes({"a": ARRAY, "b": np.zeros(1000)}, compress=compress)
    assert data == cvae.images.npz_bytes({"a": ARRAY, "b": np.zeros(1000)}, compress=compress)
    with np.load(io.BytesIO(data)) as archive:
        assert archive.files == ["a", "b"]
        np.testing.assert_array_equal(archive["a"], ARRAY)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        assert [entry.compress_type for entry in archive.infolist()] == [method, method]


def test_a_damaged_npy_file_is_read_or_an_error(tmp_path):
    path, data = tmp_path / "a.npy", cvae.images.npy_bytes(ARRAY)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert not read_or_refuse(cvae.images.read_npy, path)
    outcomes = set()
    for position in range(128):  # the header: the rest are the values, of which any are good
        for byte in (*b"\0\n (),'{}0aO", data[position] ^ 1, data[position] ^ 0x80):
            path.write_bytes(data[:position] + bytes([byte]) + data[position + 1 :])
            outcomes.add(read_or_refuse(cvae.images.read_npy, path))
    assert outcomes == {True, False}


@pytest.mark.parametrize("compress", [False, True])
def test_a_damaged_npz_file_is_read_or_an_error(compress, tmp_path):
    path, data = tmp_path / "a.npz", cvae.images.npz_bytes({"a": ARRAY}, compress=compress)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert not read_or_refuse(cvae.images.read_npz, path, ["a"])
    outcomes = set()
    for position in range(len(data)):
        for byte in {0, 1, 9, 0xFF, data[position] ^ 0x20} - {data[position]}:
            path.write_bytes(data[:position] + bytes([byte]) + data[position + 1 :])
            outcomes.add(read_or_refuse(cvae.images.read_npz, path, ["a"]))
    assert outcomes == {True, False}


def test_a_header_beyond_memory_is_an_error(tmp_path):
    path = tmp_path / "a.npy"
    for shape in ((10**30,), (1 << 40, 1 << 40), (1 << 60,)):
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
        path.write_bytes(buffer.getvalue() + b"few")
        assert not read_or_refuse(cvae.images.read_npy, path)


def test_pickled_objects_are_refused(tmp_path, refuses):
    objects = np.array([{}, None], object)
    np.save(tmp_path / "a.npy", objects)
    np.savez(tmp_path / "a.npz", a=objects)
    why = (
        "expected an array of numbers, found pickled objects, which can run any code; save them as numbers: "
        "numpy.save(path, numpy.stack(list(array)))"
    )
    with refuses(cvae.InputError, f"{tmp_path / 'a.npy'}: {why}"):
        cvae.images.read_npy(tmp_path / "a.npy")
    with refuses(cvae.InputError, f"{tmp_path / 'a.npy'}: {why}"):
        cvae.images.read_npy(tmp_path / "a.npy", mapped=True)
    with refuses(cvae.InputError, f"{tmp_path / 'a.npz'}: {why}"):
        cvae.images.read_npz(tmp_path / "a.npz", ["a"])


def test_an_archive_without_an_array_is_refused(tmp_path, refuses):
    path = tmp_path / "a.npz"
    path.write_bytes(cvae.images.npz_bytes({"a": ARRAY, "b": ARRAY}))
    with refuses(cvae.InputError, f"{path}: expected the arrays a and c, found a, b"):
        cvae.images.read_npz(path, ["a", "c"])
    path.write_bytes(cvae.images.npz_bytes({}))
    with refuses(cvae.InputError, f"{path}: expected the arrays a, found none"):
        cvae.images.read_npz(path, ["a"])


def test_a_single_array_is_no_archive(tmp_path):
    np.save(tmp_path / "a.npy", ARRAY)
    with pytest.raises(cvae.InputError, match=r"a\.npy: .*(zip|npz)"):
        cvae.images.read_npz(tmp_path / "a.npy", ["a"])


@pytest.mark.parametrize(
    "read", [cvae.images.read_npy, lambda path: cvae.images.read_npz(path, ["a"])], ids=["npy", "npz"]
)
def test_a_missing_file_is_refused(read, tmp_path, refuses):
    path = tmp_path / "none"
    message = f"{path}: cannot be read as a NumPy file: [Errno 2] No such file or directory: '{path}'"
    with refuses(cvae.InputError, message):
        read(path)


def test_bytes_are_taken_as_they_are():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    np.testing.assert_array_equal(cvae.images.as_images(pixels, "pictures"), pixels)
    np.testing.assert_array_equal(cvae.images.as_images(pixels[..., 0], "pictures"), pixels[..., :1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_grey_level_survives_as_a_float(dtype):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    found = cvae.images.as_images((levels / 255).astype(dtype), "pictures")
    assert (found.dtype, found.shape) == (np.uint8, (1, 16, 16, 1))
    np.testing.assert_array_equal(found[..., 0], levels)


def test_a_mapped_file_is_not_read(tmp_path):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    for name, array in {"c": pixels, "f": np.asfortranarray(pixels)}.items():
        np.save(tmp_path / f"{name}.npy", array)
        mapped = cvae.images.as_images(cvae.images.read_npy(tmp_path / f"{name}.npy", mapped=True), "pictures")
        assert isinstance(mapped, np.memmap)
        np.testing.assert_array_equal(mapped, pixels[..., np.newaxis])


def test_a_damaged_mapped_file_is_an_error(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(cvae.images.npy_bytes(ARRAY)[:-1])
    assert not read_or_refuse(lambda: cvae.images.read_npy(path, mapped=True))
    np.save(path, np.array([None]))
    assert not read_or_refuse(lambda: cvae.images.read_npy(path, mapped=True))


def test_floats_are_scaled_a_span_at_a_time(monkeypatch):
    monkeypatch.setattr("cvae_runtime._images.arrays._SPAN_BYTES", 100)
    grey = np.random.default_rng(0).random((9, 3, 4, 3), np.float32)
    np.testing.assert_array_equal(cvae.images.as_images(grey, "pictures"), np.rint(grey * np.float32(255)))


@given(st.integers(0, 100), st.integers(1, 1 << 26))
def test_spans_cover_every_item_once_and_stay_small(count, item_bytes):
    spans = list(cvae.images.spans(count, item_bytes))
    assert [item for span in spans for item in range(count)[span]] == list(range(count))
    assert all((span.stop - span.start) * item_bytes <= max(1 << 24, item_bytes) for span in spans)


def test_shape_of_images_reads_no_values():
    assert cvae.images.shape_of_images(np.zeros((2, 3, 4)), "pictures") == (3, 4, 1)
    assert cvae.images.shape_of_images(np.full((2, 3, 4, 3), np.nan, np.float16), "pictures") == (3, 4, 3)


def test_a_half_becomes_level_128():
    assert cvae.images.as_images(np.full((1, 1, 1), 0.5, np.float32), "pictures").item() == 128


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (
            np.zeros((2, 2), np.uint8),
            (
                "expected images of shape (N, H, W) or (N, H, W, C) with C 1 or 3, found shape (2, 2); "
                "for flat images use array.reshape(-1, H, W)"
            ),
        ),
        (
            np.zeros((1, 2, 2, 2), np.uint8),
            "expected images of shape (N, H, W) or (N, H, W, C) with C 1 or 3, found shape (1, 2, 2, 2)",
        ),
        (np.zeros((0, 2, 2), np.uint8), "expected at least one image, found an empty set of shape (0, 2, 2)"),
        (
            np.ones((1, 2, 2), np.int64),
            "expected uint8, bool, or float in [0, 1], found int64; convert it: (255 * array).astype(numpy.uint8)",
        ),
        (
            np.full((1, 2, 2), 255, np.int32),
            "expected uint8, bool, or float in [0, 1], found int32; convert it: array.astype(numpy.uint8)",
        ),
        (
            np.full((1, 2, 2), 256, np.uint16),
            (
                "expected uint8, bool, or float in [0, 1], found uint16; "
                "divide by the level of white: array / 65535 for example"
            ),
        ),
        (
            np.array([[[0.0, 255.0]]]),
            "float images must lie in [0, 1], found 0 to 255; divide 0-255 values by 255",
        ),
        (
            np.array([[[-0.25, 1.0]]]),
            "float images must lie in [0, 1], found -0.25 to 1; for values in [-1, 1] use (array + 1) / 2",
        ),
        (
            np.array([[[np.nan, 1.0]]]),
            "float images must lie in [0, 1], found NaN or infinity (1 times); replace them with numpy.nan_to_num",
        ),
    ],
)
def test_arrays_that_are_not_images_are_an_error(array, why, refuses):
    with refuses(cvae.InputError, f"digits.npy: {why}"):
        cvae.images.as_images(array, "digits.npy")


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((11, 1, 4, 4), ": use images.transpose(0, 2, 3, 1)"),
        ((11, 16), ": use images.reshape(-1, 4, 4, 1)"),
        ((11, 17), ""),
        ((11, 4, 4, 3), ""),
    ],
)
def test_images_of_another_layout_get_advice_that_works(shape, advice, tiny_model, refuses):
    images = np.zeros(shape, np.uint8)
    with refuses(cvae.InputError, f"images must be uint8 of shape (N, 4, 4, 1); found shape {shape}{advice}"):
        tiny_model.encode(images)
    if advice:
        images = eval(advice.removeprefix(": use "), {"images": images})
        assert tiny_model.encode(images).mean.shape == (11, 3)


def test_bool_is_black_and_white():
    array = np.array([[[True, False]]])
    np.testing.assert_array_equal(cvae.images.as_images(array, "it")[..., 0], [[[255, 0]]])
