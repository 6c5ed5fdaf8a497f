"""Read and write images: arrays, IDX files, image files and folders; grids, PNG and GIF.

Examples:
    >>> from cvae_runtime import images
    >>> from pathlib import Path
    >>> _ = Path("zeros.npy").write_bytes(images.npy_bytes(np.zeros((3, 28, 28), np.uint8)))
    >>> images.as_images(images.read_npy(Path("zeros.npy")), "zeros.npy").shape
    (3, 28, 28, 1)
"""

from ._images import (
    IMAGE_FORMATS,
    IMAGE_SUFFIXES,
    Box,
    ImageSource,
    as_images,
    describe_skipped,
    encode_gif,
    encode_png,
    encoded_shape,
    evenly_spaced,
    file_kind,
    find_box,
    find_images,
    fit_image,
    image_grid,
    look_at_cut,
    npy_bytes,
    npz_bytes,
    npz_names,
    open_images,
    read_idx,
    read_image,
    read_images,
    read_npy,
    read_npz,
    shape_of_images,
    smooth_maps,
    spans,
    to_uint8,
)

__all__ = [
    "IMAGE_FORMATS",
    "IMAGE_SUFFIXES",
    "Box",
    "ImageSource",
    "as_images",
    "describe_skipped",
    "encode_gif",
    "encode_png",
    "encoded_shape",
    "evenly_spaced",
    "file_kind",
    "find_box",
    "find_images",
    "fit_image",
    "image_grid",
    "look_at_cut",
    "npy_bytes",
    "npz_bytes",
    "npz_names",
    "open_images",
    "read_idx",
    "read_image",
    "read_images",
    "read_npy",
    "read_npz",
    "shape_of_images",
    "smooth_maps",
    "spans",
    "to_uint8",
]
