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
from .batch import ImageInput, image_batch
from .captions import caption_cells, caption_rows
from .cut import check_cut, evenly_spaced, look_at_cut, lost_images
from .file_kind import IMAGE_FORMATS, file_kind
from .files import ImageFile, encoded_shape, fit_image, is_image_file, read_image, read_images
from .folder import IMAGE_SUFFIXES, describe_skipped, find_images
from .grid import encode_gif, encode_png, grid_scale, image_grid, show, to_uint8
from .heat_map import Box, draw_heat, find_box, smooth_maps
from .idx import read_idx
from .source import ImageSource, open_images

__all__ = [
    "IMAGE_FORMATS",
    "IMAGE_SUFFIXES",
    "Box",
    "ImageFile",
    "ImageInput",
    "ImageSource",
    "as_images",
    "caption_cells",
    "caption_rows",
    "check_cut",
    "describe_skipped",
    "draw_heat",
    "encode_gif",
    "encode_png",
    "encoded_shape",
    "evenly_spaced",
    "file_kind",
    "find_box",
    "find_images",
    "fit_image",
    "grid_scale",
    "image_batch",
    "image_grid",
    "is_image_file",
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
    "show",
    "smooth_maps",
    "spans",
    "to_uint8",
    "write_npy_header",
]
