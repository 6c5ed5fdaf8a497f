"""Storage of pixels in memory or on disk."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime import InputError
from cvae_runtime.system import available_memory
from cvae_train._data.pixel_store import PixelStore

SHAPE = (2, 3, 1)


def is_mapped(array):
    return isinstance(array, np.memmap)


@given(st.integers(0, 400), st.lists(st.integers(0, 30), max_size=8))
def test_memory_never_holds_more_than_the_limit_and_all_that_fits(tmp_path_factory, limit, counts):
    store = PixelStore(limit, tmp_path_factory.getbasetemp())
    held = 0
    for count in counts:
        pixels = store.new(count, SHAPE)
        assert (pixels.shape, pixels.dtype) == ((count, *SHAPE), np.uint8)
        assert is_mapped(pixels) == (held + pixels.nbytes > limit)
        held += 0 if is_mapped(pixels) else pixels.nbytes
    assert held <= limit


def test_a_quarter_of_the_available_memory_is_the_limit(monkeypatch, tmp_path):
    monkeypatch.setattr("cvae_train._data.pixel_store.available_memory", lambda: 40)
    store = PixelStore(folder=tmp_path)
    assert not is_mapped(store.new(1, SHAPE))
    assert is_mapped(store.new(1, SHAPE))
    assert available_memory() > 0


def test_what_is_on_the_disk_has_no_name_and_can_be_written(tmp_path):
    pixels = PixelStore(0, tmp_path).new(5, SHAPE)
    pixels[:] = np.arange(30, dtype=np.uint8).reshape(5, *SHAPE)
    assert list(tmp_path.iterdir()) == []
    assert pixels.ravel().tolist() == list(range(30))
    assert is_mapped(pixels[:3])


def test_the_folder_is_the_current_one_by_default(tmp_path, monkeypatch):
    made = []
    monkeypatch.chdir(tmp_path)
    real = np.memmap

    def spy(file, *arguments, **options):
        made.append(os.fstat(file.fileno()).st_dev)
        return real(file, *arguments, **options)

    monkeypatch.setattr(np, "memmap", spy)
    PixelStore(0)._map((1, *SHAPE), 6)
    assert made == [tmp_path.stat().st_dev]


def test_keep_copies_only_if_the_place_changes(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6, dtype=np.uint8).reshape(1, *SHAPE))
    mapped = np.lib.format.open_memmap(tmp_path / "a.npy", mode="r")
    plain = np.array(mapped)
    roomy, full = PixelStore(1000, tmp_path), PixelStore(0, tmp_path)
    assert roomy.keep(plain) is plain
    assert full.keep(mapped) is mapped
    for kept, on_disk in ((roomy.keep(mapped), False), (full.keep(plain), True)):
        assert is_mapped(kept) == on_disk
        np.testing.assert_array_equal(kept, plain)


def test_a_full_disk_is_an_error_before_anything_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(InputError) as caught:
        PixelStore(0, tmp_path).new(1 << 20, SHAPE)
    assert str(caught.value) == (
        f"cannot write 6.0 MiB of images to {tmp_path}: No space left on device; "
        f"free disk space, or raise --memory-limit to keep more images in memory"
    )


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"cannot write 0\.0 MiB of images to .*none: No such file or dir"):
        PixelStore(0, tmp_path / "none").new(1, SHAPE)
