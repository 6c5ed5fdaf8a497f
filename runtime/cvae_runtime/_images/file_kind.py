"""Detect a file's format from its first bytes, since suffixes can be wrong."""

import codecs
import re
import zlib
from pathlib import Path

from .._system import refuse_special

IMAGE_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WebP")
"""The formats of images that are read.

Examples:
    >>> images.file_kind(cvae.encode_png(np.zeros((28, 28, 1), np.uint8))) in images.IMAGE_FORMATS
    True
"""
IDX, NPY, NPZ, TFRECORD, CSV = "IDX", "NPY", "NPZ", "TFRecord", "CSV"  # IDX is followed by the number of dimensions
EMPTY, UNREADABLE = "empty", "unreadable"

_HEAD = 1024  # bytes
GZIP = b"\x1f\x8b"
_ZLIB = b"\x78"
_AUTO = 47  # zlib's wbits that accepts the headers of zlib and of gzip
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes, by version of the header
_IDX_TYPES = b"\x08\x09\x0b\x0c\x0d\x0e"
_IDX_MOST = 8  # dimensions
_CSV_MARKS = 2  # separators in each of the first lines, at least
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

_BEGINNINGS = (
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"GIF8[79]a", "GIF"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF"),
    (rb"RIFF....WEBP", "WebP"),
    (rb"P[1-6]\s+(#[^\n]*\n\s*)*\d", "PPM"),
    (rb"\x93NUMPY", NPY),
    (rb"PK\x03\x04.{26}[^\0]{1,900}?\.npy", NPZ),
    (rb"PK(\x03\x04|\x05\x06)", "ZIP"),
    (rb"\x89HDF\r\n\x1a\n", "HDF5"),
    (rb"....ftyp(avi[fs]|hei[cfmsx]|hev[cmsx]|mif1|msf1)", "AVIF or HEIC"),
    (rb"....ftyp", "MP4"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"%PDF", "PDF"),
    (rb"%!|\xc5\xd0\xd3\xc6", "PostScript"),
    (rb"8BPS", "Photoshop"),
    (rb"v/1\x01", "OpenEXR"),
    (rb".{128}DICM", "DICOM"),
    (rb"PAR1", "Parquet"),
    (rb"MATLAB", "MATLAB"),
    (rb".{257}ustar", "TAR"),
    (rb"\x80[\x02-\x05]", "pickle"),
    (rb"(\xef\xbb\xbf)?\s*<", "XML"),
)


def file_kind(source: Path | bytes) -> str:
    """Detect the format of a file or a record.

    Args:
        source: the path, or the bytes.

    Returns:
        One of `IMAGE_FORMATS`; ``IDX`` with the number of dimensions, such as ``IDX3``; ``NPY``, ``NPZ``,
        ``TFRecord`` or ``CSV``; the name of another format; or "text", "empty", "unknown" or "unreadable". The name of
        a gzip file's content follows "gzip of"; zlib-compressed TFRecords are "zlib of TFRecord".

    Raises:
        InputError: the path is a pipe or a device.

    Examples:
        >>> images.file_kind(cvae.encode_png(np.zeros((28, 28, 1), np.uint8)))
        'PNG'
    """
    if isinstance(source, Path):
        refuse_special(source)
        try:
            with source.open("rb") as file:
                head = file.read(_HEAD)
        except OSError:
            return UNREADABLE  # the reader reports the reason
    else:
        head = source[:_HEAD]
    if head.startswith(GZIP):
        return f"gzip of {_kind(_unpacked(head))}"
    kind = _kind(head)
    if head.startswith(_ZLIB) and kind != TFRECORD and _kind(_unpacked(head)) == TFRECORD:
        return f"zlib of {TFRECORD}"
    return kind


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(_AUTO).decompress(head, _HEAD)
    except zlib.error:
        return b""


def _kind(head: bytes) -> str:
    if not head:
        return EMPTY
    if _is_tfrecord(head):
        return TFRECORD
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head[:2] == b"\0\0" and head[2:3] in _IDX_TYPES and 1 <= int.from_bytes(head[3:4], "big") <= _IDX_MOST:
        return f"{IDX}{head[3]}"
    for pattern, name in _BEGINNINGS:
        if re.match(pattern, head, re.DOTALL):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be incomplete
    except UnicodeDecodeError:
        return "unknown"
    if _CONTROL.search(head):
        return "unknown"
    lines = head.strip().splitlines()[:2]
    columns = (min(line.count(mark) for line in lines) for mark in (b",", b";", b"\t")) if lines else (0,)
    return CSV if max(columns) >= _CSV_MARKS else "text"


def _is_tfrecord(head: bytes) -> bool:
    """Whether the data begin with a record's length and its checksum, a masked CRC-32C."""
    if len(head) < 12:
        return False
    crc = 0xFFFFFFFF
    for byte in head[:8]:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    return int.from_bytes(head[8:12], "little") == masked
