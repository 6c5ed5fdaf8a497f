"""Read and write images: arrays, IDX files, image files and folders; grids, captions, PNG and GIF."""

from .arrays import (
    as_images,
    npy_bytes,
    npz_bytes,
    npz_names,
    read_npy,
    read_npz,
    shape_of_images,
    spans,
    write_npy_header,
)
from .captions import caption_cells, caption_rows
from .cut import check_cut, evenly_spaced, look_at_cut, lost_images
from .file_kind import IMAGE_FORMATS, file_kind
from .files import encoded_shape, fit_image, read_image, read_images
from .folder import IMAGE_SUFFIXES, describe_skipped, find_images
from .grid import encode_gif, encode_png, grid_scale, image_grid, to_uint8
from .idx import read_idx
from .source import ImageSource, open_images

__all__ = [
    "IMAGE_FORMATS",
    "IMAGE_SUFFIXES",
    "ImageSource",
    "as_images",
    "caption_cells",
    "caption_rows",
    "check_cut",
    "describe_skipped",
    "encode_gif",
    "encode_png",
    "encoded_shape",
    "evenly_spaced",
    "file_kind",
    "find_images",
    "fit_image",
    "grid_scale",
    "image_grid",
    "look_at_cut",
    "lost_images",
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
    "spans",
    "to_uint8",
    "write_npy_header",
]
