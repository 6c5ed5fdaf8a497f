"""Write arrays in the format safetensors, which needs no package.

The format is described at https://github.com/huggingface/safetensors: the length of the header as a 64-bit number, the
header in JSON, then the values, all little-endian.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KINDS = {"b": "BOOL", "u": "U", "i": "I", "f": "F"}
_ALIGNMENT = 8  # bytes; of the largest values


def to_safetensors(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the content of a safetensors file.

    Args:
        arrays: the arrays by name: booleans, integers or floats.
    """
    header, parts, end = {}, [], 0
    # The largest values come first, so that all are aligned.
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        header[name] = {
            "dtype": _dtype_name(array.dtype),
            "shape": list(array.shape),
            "data_offsets": [end, end + len(data)],
        }
        parts.append(data)
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _dtype_name(dtype: np.dtype[Any]) -> str:
    kind = _KINDS[dtype.kind]
    return kind if dtype.kind == "b" else f"{kind}{8 * dtype.itemsize}"
