"""Checks of the arguments that callers pass, made before any work is done."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import InputError
from ._system import physical_memory

_INTEGERS = (int, np.integer)
_NUMBERS = (*_INTEGERS, float, np.floating)
# Latents from Box-Muller are below 8, so no product overflows float32.
_HIGHEST_TEMPERATURE = float(np.finfo(np.float32).max) / 8.0


def is_int(value: Any) -> bool:
    """Return whether ``value`` is an integer of Python or NumPy; a bool is not."""
    return type(value) is int or (isinstance(value, _INTEGERS) and not isinstance(value, bool))


def check_int(name: str, value: Any, low: int) -> int:
    """Return an integer argument as a Python int, which cannot overflow as NumPy's integers do.

    Args:
        name: the argument's name, for the message.
        value: the argument.
        low: the smallest value allowed.

    Raises:
        InputError: the value is not an integer, or is below ``low``.
    """
    if not is_int(value) or value < low:
        raise InputError(f"{name} must be a whole number of at least {low}; found {value!r}")
    return int(value)


def check_temperature(value: Any) -> None:
    """Raise `InputError` unless ``value`` is a finite number of at least 0 that can scale float32 latents."""
    number = isinstance(value, _NUMBERS) and not isinstance(value, bool)
    if not (number and 0.0 <= value <= _HIGHEST_TEMPERATURE):
        raise InputError(f"temperature must be a finite number of at least 0; found {value!r}")


def check_images(images: NDArray[np.uint8], shape: tuple[int, int, int], name: str = "images") -> NDArray[np.uint8]:
    """Check raw pixels and add missing axes.

    Args:
        images: uint8 (N, H, W, C), or (N, H, W) for one channel; or one image, (H, W, C), or (H, W) for one channel.
        shape: (H, W, C).
        name: the argument's name, for messages.

    Returns:
        The images, uint8 (N, H, W, C).

    Raises:
        InputError: another type, dtype or shape, or no images.
    """
    expected = f"uint8 of shape (N, {', '.join(map(str, shape))})"
    if not isinstance(images, np.ndarray):
        raise InputError(
            f"{name} must be a NumPy array, {expected}, a PIL image, a path, or a list of images; "
            f"found {type(images).__name__}"
        )
    if images.dtype != np.uint8:
        raise InputError(f"{name} must be {expected}, raw pixels 0 to 255; found {images.dtype}")
    batch = images[np.newaxis] if images.shape in (shape, shape[:2]) else images
    batch = batch[..., np.newaxis] if batch.ndim == 3 and shape[2] == 1 else batch
    if batch.ndim != 4 or batch.shape[1:] != shape:
        raise InputError(f"{name} must be {expected}; found shape {images.shape}{_advice(images.shape, shape)}")
    if len(batch) == 0:
        raise InputError(f"{name} must hold at least one image; found none")
    return batch


def _advice(found: tuple[int, ...], shape: tuple[int, int, int]) -> str:
    """Return the call that corrects the layout of an array, as the end of a message; empty if none is known."""
    height, width, channels = shape
    if found[1:] == (channels, height, width):
        return ": use images.transpose(0, 2, 3, 1)"
    if found[1:] == (height * width * channels,):
        return f": use images.reshape(-1, {height}, {width}, {channels})"
    return ""


def check_latents(z: NDArray[np.float32], latent_dim: int) -> NDArray[np.float32]:
    """Return latents unchanged, float32 (N, L).

    Raises:
        InputError: another type, dtype or shape, no latents, or values that are not finite.
    """
    expected = f"float32 of shape (N, {latent_dim})"
    if not isinstance(z, np.ndarray):
        raise InputError(f"latents must be a NumPy array, {expected}; found {type(z).__name__}")
    if z.dtype != np.float32:
        raise InputError(f"latents must be {expected}; found {z.dtype}: use z.astype(numpy.float32)")
    if z.ndim != 2 or z.shape[1] != latent_dim:
        raise InputError(f"latents must be {expected}; found shape {z.shape}")
    if len(z) == 0:
        raise InputError("latents must hold at least one latent; found none")
    if not np.isfinite(z).all():
        raise InputError("latents must be finite; found NaN or infinity")
    return z


def check_memory(count: int, shape: tuple[int, ...]) -> None:
    """Raise `InputError` if ``count`` float32 images of ``shape`` exceed the machine's physical memory."""
    needed = count * math.prod(shape) * 4
    held = physical_memory()
    if needed > held:
        raise InputError(
            f"{count:,} images take {needed / 2**30:,.1f} GiB, and this machine has {held / 2**30:,.1f} GiB; "
            f"make them in parts, with first= and a smaller count"
        )
