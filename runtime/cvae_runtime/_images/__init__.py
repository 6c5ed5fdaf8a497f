"""Read and write images: arrays, IDX files, image files and folders; grids, captions, PNG and GIF."""

from .arrays import (
    as_images,
    npy_bytes,
    npz_bytes,
    npz_names,
    picture_shape,
    read_npy,
    read_npz,
    spans,
    write_npy_header,
)
from .batch import ImageInput, image_batch
from .captions import caption_cells, caption_rows
from .cut import check_cut, evenly_spaced, look_at_cut, lost_images
from .file_kind import PICTURE_FORMATS, file_kind
from .files import ImageFile, encoded_shape, fit_picture, is_image_file, read_images, read_picture
from .folder import PICTURE_SUFFIXES, describe_passed_over, find_pictures
from .grid import encode_gif, encode_png, grid_scale, picture_grid, show, to_uint8
from .idx import read_idx
from .source import ImageSource, open_images

__all__ = [
    "PICTURE_FORMATS",
    "PICTURE_SUFFIXES",
    "ImageFile",
    "ImageInput",
    "ImageSource",
    "as_images",
    "caption_cells",
    "caption_rows",
    "check_cut",
    "describe_passed_over",
    "encode_gif",
    "encode_png",
    "encoded_shape",
    "evenly_spaced",
    "file_kind",
    "find_pictures",
    "fit_picture",
    "grid_scale",
    "image_batch",
    "is_image_file",
    "look_at_cut",
    "lost_images",
    "npy_bytes",
    "npz_bytes",
    "npz_names",
    "open_images",
    "picture_grid",
    "picture_shape",
    "read_idx",
    "read_images",
    "read_npy",
    "read_npz",
    "read_picture",
    "show",
    "spans",
    "to_uint8",
    "write_npy_header",
]
