"""Read and write images: arrays, IDX files, pictures and folders of them; grids, PNG and GIF.

Examples:
    >>> from cvae_runtime import images
    >>> from pathlib import Path
    >>> _ = Path("zeros.npy").write_bytes(images.npy_bytes(np.zeros((3, 28, 28), np.uint8)))
    >>> images.as_images(images.read_npy(Path("zeros.npy")), "zeros.npy").shape
    (3, 28, 28, 1)
"""

from ._images import (
    PICTURE_FORMATS,
    PICTURE_SUFFIXES,
    as_images,
    describe_passed_over,
    encode_gif,
    encode_png,
    encoded_shape,
    evenly_spaced,
    file_kind,
    find_pictures,
    fit_picture,
    look_at_cut,
    npy_bytes,
    npz_bytes,
    npz_names,
    picture_grid,
    picture_shape,
    read_idx,
    read_images,
    read_npy,
    read_npz,
    read_picture,
    spans,
    to_uint8,
)

__all__ = [
    "PICTURE_FORMATS",
    "PICTURE_SUFFIXES",
    "as_images",
    "describe_passed_over",
    "encode_gif",
    "encode_png",
    "encoded_shape",
    "evenly_spaced",
    "file_kind",
    "find_pictures",
    "fit_picture",
    "look_at_cut",
    "npy_bytes",
    "npz_bytes",
    "npz_names",
    "picture_grid",
    "picture_shape",
    "read_idx",
    "read_images",
    "read_npy",
    "read_npz",
    "read_picture",
    "spans",
    "to_uint8",
]
