"""Detect file formats by their first bytes."""

import gzip
import io
import json
import pickle
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import cvae_runtime as cvae
import cvae_runtime.images


def picture(file_format, mode="L"):
    file = io.BytesIO()
    Image.new(mode, (5, 4), 7).save(file, file_format)
    return file.getvalue()


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


IDX = struct.pack(">I3I", 0x803, 1, 2, 2) + bytes(4)
RECORD = struct.pack("<Q", 5) + b"\xea\xb2\x04\x3e" + b"hello" + bytes(4)  # 3e04b2ea: the masked checksum of the length
KINDS = [
    *((picture(kind.upper()), kind) for kind in cvae.images.IMAGE_FORMATS),
    (picture("PPM", "1"), "PPM"),
    (picture("EPS"), "PostScript"),
    (picture("PDF", "RGB"), "PDF"),
    (picture("JPEG2000"), "JPEG 2000"),
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "AVIF or HEIC"),
    (b"\0\0\0\x18ftypisom", "MP4"),
    (IDX, "IDX3"),
    (struct.pack(">II", 0x801, 1) + b"\7", "IDX1"),
    (gzip.compress(IDX, mtime=0), "gzip of IDX3"),
    (cvae.images.npy_bytes(np.zeros(3)), "NPY"),
    (archive(x_train=np.zeros(3)), "NPZ"),
    (b"PK\5\6" + bytes(18), "ZIP"),
    (RECORD, "TFRecord"),
    (gzip.compress(RECORD, mtime=0), "gzip of TFRecord"),
    (zlib.compress(RECORD), "zlib of TFRecord"),
    (pickle.dumps([1]), "pickle"),
    (b"label,pixel0,pixel1\n5,0,0\n", "CSV"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "XML"),
    (json.dumps({"ü": 1}, ensure_ascii=False).encode(), "text"),
    (b"BMW and Mini are cars, P5 is a chord.\n", "text"),
    (b"", "empty"),
    (b"\x89PNG", "unknown"),
    (bytes(100), "unknown"),
]


@pytest.mark.parametrize(("content", "kind"), KINDS, ids=[kind for _, kind in KINDS])
def test_first_bytes_decide_the_kind(content, kind, tmp_path):
    (tmp_path / "a").write_bytes(content)
    assert cvae.images.file_kind(tmp_path / "a") == cvae.images.file_kind(content) == kind


@given(st.binary(max_size=60))
def test_any_bytes_have_a_kind(content):
    assert cvae.images.file_kind(content)
    assert cvae.images.file_kind(gzip.compress(content)).startswith("gzip of ")


def test_a_file_that_cannot_be_opened_is_unreadable(tmp_path):
    assert cvae.images.file_kind(tmp_path / "none") == "unreadable"
