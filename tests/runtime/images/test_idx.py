"""IDX files: exact round trips, and an error for all damage."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cvae_runtime as cvae
import cvae_runtime.images

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def idx_bytes(array, kind=0x08):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 255), st.booleans())
def test_idx_round_trip(scratch, shape, start, compressed):
    array = (np.arange(np.prod(shape)) + start).astype(np.uint8).reshape(shape)
    path = scratch / ("a.idx.gz" if compressed else "a.idx")
    path.write_bytes(gzip.compress(idx_bytes(array)) if compressed else idx_bytes(array))
    found = cvae.images.read_idx(path, len(shape))
    assert (found.dtype, found.shape) == (np.uint8, tuple(shape))
    np.testing.assert_array_equal(found, array)


def test_values_are_read_in_row_major_order(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    assert cvae.images.read_idx(path, 1).tolist() == [7, 2, 1]


@pytest.mark.parametrize("length", range(len(idx_bytes(ARRAY))))
def test_a_plain_file_cut_anywhere_is_refused(length, tmp_path, refuses):
    path = tmp_path / "a.idx"
    path.write_bytes(idx_bytes(ARRAY)[:length])
    expected = 16 if length < 16 else 40
    with refuses(cvae.InputError, f"{path}: cut short: expected {expected} bytes, found {length}; get the file again"):
        cvae.images.read_idx(path, 3)


def test_a_compressed_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "a.idx.gz"
    data = gzip.compress(idx_bytes(ARRAY), mtime=0)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(
            cvae.InputError, match=r"a\.idx\.gz: (cut short: expected|cannot be read: ).*; get the file"
        ):
            cvae.images.read_idx(path, 3)


def test_a_flipped_byte_is_an_error_or_harmless(tmp_path):
    path = tmp_path / "a.idx.gz"
    data = gzip.compress(idx_bytes(ARRAY), mtime=0)
    refused = 0
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        try:
            # Some bytes say when and where it was compressed: they may be anything.
            np.testing.assert_array_equal(cvae.images.read_idx(path, 3), ARRAY)
        except cvae.InputError:
            refused += 1
    assert refused >= len(data) - 10


def test_a_file_longer_than_its_header_states_is_refused(tmp_path, refuses):
    path = tmp_path / "a.idx"
    path.write_bytes(idx_bytes(ARRAY) + b"\0")
    message = (
        f"{path}: longer than its header states: expected 40 bytes for shape (2, 3, 4), found more; get the file again"
    )
    with refuses(cvae.InputError, message):
        cvae.images.read_idx(path, 3)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (idx_bytes(ARRAY[0]), "0x00000802"),  # two dimensions
        (idx_bytes(ARRAY, kind=0x0D), "0x00000d03"),  # floats
        (b"\x89PNG\r\n\x1a\n", "0x89504e47"),
    ],
)
def test_another_kind_of_file_is_refused(data, found, tmp_path, refuses):
    path = tmp_path / "a.idx"
    path.write_bytes(data)
    message = (
        f"{path}: not an IDX file of 3-dimensional bytes: expected the magic number 0x00000803, found {found}; "
        f"check that the file is what its name says"
    )
    with refuses(cvae.InputError, message):
        cvae.images.read_idx(path, 3)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("shape", [(0xFFFFFFFF,) * 3, (1 << 31, 1 << 30, 1)], ids=["beyond-64-bits", "beyond-memory"])
def test_a_header_beyond_memory_is_an_error(shape, suffix, tmp_path):
    path = tmp_path / f"a.idx{suffix}"
    data = struct.pack(">IIII", 0x803, *shape) + b"few"
    path.write_bytes(gzip.compress(data) if suffix else data)
    with pytest.raises(cvae.InputError, match=r"cut short: expected [0-9,]+ bytes, found 19; get the file again"):
        cvae.images.read_idx(path, 3)


def test_an_empty_array_of_a_huge_shape_is_an_error(tmp_path, refuses):
    path = tmp_path / "a.idx"
    path.write_bytes(struct.pack(">IIII", 0x803, 0, 0xFFFFFFFF, 0xFFFFFFFF))
    message = f"{path}: no array has its header's shape (0, 4294967295, 4294967295); get the file again"
    with refuses(cvae.InputError, message):
        cvae.images.read_idx(path, 3)


def test_a_missing_file_is_refused(tmp_path, refuses):
    path = tmp_path / "none"
    message = f"{path}: cannot be read: [Errno 2] No such file or directory: '{path}'; get the file again"
    with refuses(cvae.InputError, message):
        cvae.images.read_idx(path, 3)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(cvae.InputError, match=r"cannot be read: .*Is a directory"):
        cvae.images.read_idx(tmp_path, 3)
