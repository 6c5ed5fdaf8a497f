"""Pictures that strangers send: limited before anything is unpacked."""

import warnings

import numpy as np
from fastapi import HTTPException
from numpy.typing import NDArray
from PIL import Image
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cvae_runtime import InputError, fit_picture, read_picture

# Of the dozens of formats that Pillow reads, some start other programs. These are what cameras and browsers make.
_BEGINNINGS = {"PNG": b"\x89PNG", "JPEG": b"\xff\xd8\xff", "GIF": b"GIF8", "BMP": b"BM", "WebP": b"RIFF"}


class BodyLimit:
    """ASGI middleware that answers a body of more than ``most`` bytes by 413, and does not read it to its end."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; it is the one who reads the body that meets the limit."""
        told = int(dict(scope.get("headers", ())).get(b"content-length", 0))  # a body in chunks tells nothing
        received = 0

        async def limited() -> Message:
            nonlocal received
            if max(told, received) <= self._most:
                message = await receive()
                received += len(message.get("body", b""))
            if max(told, received) > self._most:
                raise HTTPException(
                    413, f"a request's body must have at most {self._most:,} bytes; send less at a time"
                )
            return message

        await self._app(scope, limited, send)


def limit_pixels(most: int) -> None:
    """Let Pillow refuse pictures of more pixels, by their headers: a few kilobytes can unpack to gigabytes.

    This is a setting of the whole process. `read_picture` refuses what Pillow only warns of.
    """
    Image.MAX_IMAGE_PIXELS = most
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def read_upload(
    data: bytes, name: str, shape: tuple[int, int, int], *, resize: bool, gray: bool, invert: bool
) -> NDArray[np.uint8]:
    """One encoded picture as the model takes it; nothing is changed unasked.

    Args:
        data: the file.
        name: what errors call it.
        shape: (H, W, C) of the model.
        resize, gray, invert: what `cvae_runtime.read_images` does under these names.

    Returns:
        uint8 (H, W, C).

    Raises:
        InputError: it cannot be read, is too large, or does not fit and the matching option was not given.
    """
    if not data.startswith(tuple(_BEGINNINGS.values())):
        raise InputError(f"{name}: expected a picture, {', '.join(_BEGINNINGS)}; found something else")
    picture = read_picture(data, name)
    height, width, channels = shape
    if channels == 1 and picture.mode != "L" and not gray:
        raise InputError(f"{name}: the model takes grey pictures, found colour; add gray=true to turn it grey")
    if picture.size != (width, height) and not resize:
        raise InputError(
            f"{name}: the model takes {width}x{height} pixels (width x height), found {picture.width}x{picture.height}; "
            f"add resize=true to scale and crop it"
        )
    image = fit_picture(picture, shape)
    return np.bitwise_not(image) if invert else image
