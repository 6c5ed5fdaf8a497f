"""Checks what callers hand in, before any work is done."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import BundleError, InputError
from ._manifest import GraphInfo, ModelInfo, TensorInfo
from ._memory import physical_memory

_Needs = Mapping[str, tuple[str, tuple[int, ...]]]  # name to dtype and shape after the batch

_ORT_TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}


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


def check_session(session: Any, graph: GraphInfo, model: ModelInfo, source: str) -> None:
    """Raise `BundleError` unless a graph has the inputs and outputs that its manifest says and its role needs."""
    image, latent = model.image_shape, (model.latent_dim,)
    roles: dict[str, tuple[_Needs, _Needs]] = {
        "encoder": ({"images": ("uint8", image)}, {"mean": ("float32", latent), "logvar": ("float32", latent)}),
        "decoder": ({"z": ("float32", latent)}, _decoded(graph, model)),
    }
    needed_inputs, needed_outputs = roles[graph.role]
    for kind, told, tensors, need in (
        ("inputs", graph.inputs, session.get_inputs(), needed_inputs),
        ("outputs", graph.outputs, session.get_outputs(), needed_outputs),
    ):
        try:
            found = tuple(TensorInfo(t.name, _ORT_TYPES.get(t.type, t.type), tuple(t.shape)) for t in tensors)
        except UnicodeDecodeError as error:
            raise BundleError(f"{source}: the {kind} have names that are not UTF-8; export the bundle again") from error
        by_name = {tensor.name: (tensor.dtype, tensor.shape[1:]) for tensor in found}
        if found != told or any(by_name.get(name) != tensor for name, tensor in need.items()):
            needs = tuple(TensorInfo(name, dtype, ("batch", *shape)) for name, (dtype, shape) in need.items())
            raise BundleError(
                f"{source}: expected the {kind} {_describe(told)}, among them {_describe(needs)}; "
                f"found {_describe(found)}; export the bundle again"
            )


def _decoded(graph: GraphInfo, model: ModelInfo) -> _Needs:
    """What a decoder must give; the outputs of a mixture have as many components as the graph says of the first."""
    image = model.image_shape
    sizes = [tensor.shape[-1] for tensor in graph.outputs if tensor.name == "location" and tensor.shape]
    components = max([size for size in sizes if isinstance(size, int)], default=1)
    mixed = model.likelihood == "discretized-logistic-mixture"
    return {
        name: ("float32", (*image, max(1, components)) if mixed and name != "probs" else image)
        for name in model.decoder_outputs
    }


def _describe(tensors: tuple[TensorInfo, ...]) -> str:
    return ", ".join(f"{t.name} {t.dtype} {list(t.shape)}" for t in tensors) or "none"
