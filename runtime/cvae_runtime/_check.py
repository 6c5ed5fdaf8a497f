"""Checks what callers hand in, before any work is done."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import InputError
from ._system import physical_memory


def is_whole(value: Any) -> bool:
    """Whether ``value`` is a whole number; a bool is none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def whole(name: str, value: Any, low: int) -> int:
    """``value`` as a Python number, which cannot overflow as NumPy's do.

    Raises:
        InputError: it is no whole number, or below ``low``; ``name`` is what the message calls it.
    """
    if not is_whole(value) or value < low:
        raise InputError(f"{name} must be a whole number of at least {low}; found {value!r}")
    return int(value)


def check_temperature(value: Any) -> None:
    """Raise `InputError` unless ``value`` is a number that latents can be multiplied by, and not negative."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    # Box-Muller's latents are below 8, so that float32 holds every product.
    if not (number and 0.0 <= value <= float(np.finfo(np.float32).max) / 8.0):
        raise InputError(f"temperature must be a finite number of at least 0; found {value!r}")


def check_images(images: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Images as uint8 (N, H, W, C); raise `InputError` if they are anything else."""
    expected = f"uint8 of shape (N, {', '.join(map(str, shape))})"
    if not isinstance(images, np.ndarray):
        raise InputError(f"images must be a NumPy array, {expected}; found {type(images).__name__}")
    if images.dtype != np.uint8:
        raise InputError(f"images must be {expected}, raw pixels 0 to 255; found {images.dtype}")
    batch = images[..., np.newaxis] if images.ndim == 3 and shape[2] == 1 else images
    if batch.ndim != 4 or batch.shape[1:] != shape:
        raise InputError(f"images must be {expected}; found shape {images.shape}{_advice(images.shape, shape)}")
    if len(batch) == 0:
        raise InputError("images must hold at least one image; found none")
    return batch


def _advice(found: tuple[int, ...], shape: tuple[int, int, int]) -> str:
    """What makes images of an array whose layout alone is another."""
    height, width, channels = shape
    if found[1:] == (channels, height, width):
        return ": say images.transpose(0, 2, 3, 1)"
    if found[1:] == (height * width * channels,):
        return f": say images.reshape(-1, {height}, {width}, {channels})"
    return ""


def check_latents(z: NDArray[np.float32], latent_dim: int) -> NDArray[np.float32]:
    """Latents as float32 (N, L); raise `InputError` if they are anything else."""
    expected = f"float32 of shape (N, {latent_dim})"
    if not isinstance(z, np.ndarray):
        raise InputError(f"latents must be a NumPy array, {expected}; found {type(z).__name__}")
    if z.dtype != np.float32:
        raise InputError(f"latents must be {expected}; found {z.dtype}: say z.astype(numpy.float32)")
    if z.ndim != 2 or z.shape[1] != latent_dim:
        raise InputError(f"latents must be {expected}; found shape {z.shape}")
    if len(z) == 0:
        raise InputError("latents must hold at least one; found none")
    if not np.isfinite(z).all():
        raise InputError("latents must be finite; found NaN or infinity")
    return z


def check_memory(count: int, shape: tuple[int, ...]) -> None:
    """Raise `InputError` if ``count`` float32 images of a shape are more than the machine's memory holds."""
    needed = count * math.prod(shape) * 4
    held = physical_memory()
    if needed > held:
        raise InputError(
            f"{count:,} images take {needed / 2**30:,.1f} GiB, and this machine has {held / 2**30:,.1f} GiB; "
            f"make them in parts, with first= and a smaller count"
        )
