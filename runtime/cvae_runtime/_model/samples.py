"""Checks of the arguments that determine samples; commands and jobs make them before any work."""

from typing import Literal, get_args

from .._bundle import ModelInfo
from .._check import check_int, check_temperature
from .._errors import InputError
from .._math import RNG_NAME, check_range

Dtype = Literal["float32", "uint8"]
_DTYPES = get_args(Dtype)


def check_samples(
    model: ModelInfo,
    count: int,
    *,
    seed: int = 0,
    first: int = 0,
    temperature: float = 1.0,
    dtype: Dtype = "float32",
) -> None:
    """Raise the `InputError` that `Model.stream` would raise for these arguments; ``model`` is the manifest's."""
    check_int("count", count, 1)
    check_temperature(temperature)
    check_rng(model)
    check_range(seed, first, count, model.latent_dim)
    if dtype not in _DTYPES:
        raise InputError(f"dtype must be one of {', '.join(_DTYPES)}; found {dtype!r}")


def check_rng(model: ModelInfo) -> None:
    """Raise `InputError` if this version does not know the random numbers that the bundle specifies."""
    if model.rng != RNG_NAME:
        raise InputError(
            f"the bundle specifies the random numbers {model.rng!r}, this version knows {RNG_NAME!r}; "
            f"draw latents yourself and decode them"
        )
