"""Responses in the format that the client requests: PNG or JSON."""

import base64
import enum
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import HTTPException
from fastapi.responses import JSONResponse, Response
from numpy.typing import NDArray

from cvae_runtime import encode_png, image_grid, to_uint8


class Format(enum.StrEnum):
    """A response format."""

    png = "png"
    json = "json"


MEDIA_TYPES = {Format.png: "image/png", Format.json: "application/json"}


def choose_format(asked: Format | None, accept: str, offered: Sequence[Format]) -> Format:
    """Return the format that ``format=`` requests, or the one of ``offered`` that the Accept header prefers.

    Raises:
        HTTPException: 406, the format is not offered.
    """
    quality = {choice: _quality(MEDIA_TYPES[choice], accept) for choice in offered}
    chosen = asked or max(offered, key=lambda choice: quality[choice])
    if chosen not in offered or (asked is None and quality[chosen] == 0.0):
        raise HTTPException(406, f"this answer comes as {' or '.join(MEDIA_TYPES[choice] for choice in offered)}")
    return chosen


def _quality(media_type: str, accept: str) -> float:
    """The quality of a media type in an Accept header, 0 to 1, by its most specific range (RFC 9110, 12.5.1)."""
    found = {}
    for item in accept.split(","):
        media_range, *parameters = (part.strip() for part in item.lower().split(";"))
        quality = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
        try:
            found[media_range] = float(quality)
        except ValueError as error:
            raise HTTPException(400, f"the Accept header has a quality that is no number: {quality!r}") from error
    ranges = (media_type, media_type.split("/", maxsplit=1)[0] + "/*", "*/*")
    return next((found[media_range] for media_range in ranges if media_range in found), 0.0)


def pictures(images: NDArray[np.float32] | NDArray[np.uint8], answer_format: Format) -> Response:
    """Respond with images, uint8 or floats in [0, 1], (N, H, W, C): a PNG grid, or all values in JSON."""
    if answer_format is Format.json:
        return JSONResponse({"images": tensor(images)})
    grid = image_grid(to_uint8(images), padding=0 if len(images) == 1 else 1)
    return Response(encode_png(grid, optimize=False), media_type=MEDIA_TYPES[answer_format])


def tensor(array: NDArray[Any]) -> dict[str, Any]:
    """Encode an array as in a bundle's ``golden.json``: exact, and a third of the size of decimals."""
    data = array.astype(array.dtype.newbyteorder("<"))
    return {"dtype": array.dtype.name, "shape": array.shape, "data": base64.b64encode(data.tobytes()).decode()}
