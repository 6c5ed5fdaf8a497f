"""``golden.json``: a few inputs with their outputs and tolerances, with which any runtime can test itself."""

import base64
import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import BundleError
from .._math import check_range
from .._system import parse_json
from .safetensors import to_safetensors

_DTYPES = (
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
)

Arrays = Mapping[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class GoldenCase:
    """Inputs of one graph, with its expected outputs.

    Attributes:
        file: the graph's file name in the bundle.
        inputs, outputs: arrays by the graph's names.
        atol: the largest absolute difference allowed in any output value.

    Examples:
        >>> text = (cvae.packaged_bundle() / "golden.json").read_bytes()
        >>> case = bundle.parse_golden(text, "golden.json").cases[0]
        >>> case.file, sorted(case.inputs), sorted(case.outputs)
        ('encoder.onnx', ['images', 'label'], ['logvar', 'mean'])
    """

    file: str
    inputs: Arrays
    outputs: Arrays
    atol: float


@dataclasses.dataclass(frozen=True)
class GoldenLatents:
    """Latents of the prior's stream, with a tolerance of 1 ulp.

    Attributes:
        seed, first, count, latent_dim: the arguments of `prior_latents`.
        z: the expected latents, float32 (count, latent_dim).

    Examples:
        >>> latents = bundle.GoldenLatents(seed=7, first=0, count=2, latent_dim=40, z=cvae.prior_latents(7, 0, 2, 40))
        >>> latents.z.shape
        (2, 40)
    """

    seed: int
    first: int
    count: int
    latent_dim: int
    z: NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Golden:
    """The content of ``golden.json``.

    Examples:
        >>> latents = bundle.GoldenLatents(7, 0, 1, 2, z=cvae.prior_latents(7, 0, 1, 2))
        >>> golden = bundle.Golden(cases=(), rng=(latents,))
        >>> bundle.parse_golden(golden.to_json(), "golden.json").rng[0].seed
        7
    """

    cases: tuple[GoldenCase, ...]
    rng: tuple[GoldenLatents, ...]

    def to_json(self) -> str:
        """Return the text of ``golden.json``.

        Seeds and indices are strings, because numbers in JavaScript are exact only up to 2^53.
        """
        cases = [
            {"file": case.file, "inputs": _texts(case.inputs), "outputs": _texts(case.outputs), "atol": case.atol}
            for case in self.cases
        ]
        rng = [
            {
                "seed": str(latents.seed),
                "first": str(latents.first),
                "count": latents.count,
                "latent_dim": latents.latent_dim,
                "z": _to_text(latents.z),
            }
            for latents in self.rng
        ]
        return json.dumps({"cases": cases, "rng": rng}, indent=1, allow_nan=False) + "\n"

    def to_safetensors(self) -> bytes:
        """Return the content of ``golden.safetensors``: the same vectors, for programs without JSON and base64.

        Case n of a file has the arrays ``FILE/n/inputs/NAME``, ``FILE/n/outputs/NAME`` and ``FILE/n/atol``. Latents
        have the arrays ``rng/n/seed``, ``rng/n/first`` and ``rng/n/z``.
        """
        arrays: dict[str, NDArray[Any]] = {}
        cases: Counter[str] = Counter()
        for case in self.cases:
            name = f"{case.file}/{cases[case.file]}"
            cases[case.file] += 1
            arrays |= {f"{name}/inputs/{key}": array for key, array in case.inputs.items()}
            arrays |= {f"{name}/outputs/{key}": array for key, array in case.outputs.items()}
            arrays[f"{name}/atol"] = np.array(case.atol, np.float64)
        for n, latents in enumerate(self.rng):
            numbers = {"seed": latents.seed, "first": latents.first}
            arrays |= {f"rng/{n}/{key}": np.array(number, np.uint64) for key, number in numbers.items()}
            arrays[f"rng/{n}/z"] = latents.z
        return to_safetensors(arrays)


def parse_golden(text: str | bytes, source: str) -> Golden:
    """Parse the text of a ``golden.json``.

    Args:
        text: JSON.
        source: name of the file in error messages.

    Raises:
        BundleError: the text is not JSON, or does not hold golden vectors.

    Examples:
        >>> text = (cvae.packaged_bundle() / "golden.json").read_bytes()
        >>> latents = bundle.parse_golden(text, "golden.json").rng[0]
        >>> latents.seed, latents.z.shape
        (0, (2, 40))
    """
    try:
        value = parse_json(text)
        cases = tuple(_parse_case(case) for case in value["cases"])
        rng = tuple(_parse_latents(item) for item in value["rng"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BundleError(f"{source}: not golden vectors: {error!r}; export the bundle again") from error
    return Golden(cases, rng)


def _parse_case(case: Mapping[str, Any]) -> GoldenCase:
    if not isinstance(case["file"], str):
        raise TypeError("file must be a string")
    return GoldenCase(case["file"], _arrays(case["inputs"]), _arrays(case["outputs"]), float(case["atol"]))


def _parse_latents(item: Mapping[str, Any]) -> GoldenLatents:
    seed, first, count, latent_dim = (int(item[name]) for name in ("seed", "first", "count", "latent_dim"))
    z = _to_array(item["z"])
    check_range(seed, first, count, latent_dim)
    # Checked before latents are drawn, since count may be huge.
    if z.dtype != np.float32 or z.shape != (count, latent_dim):
        raise ValueError(f"z must be float32 {(count, latent_dim)}; found {z.dtype} {z.shape}")
    return GoldenLatents(seed, first, count, latent_dim, z)


def _to_text(array: NDArray[Any]) -> dict[str, Any]:
    little = array.astype(array.dtype.newbyteorder("<"))
    data = base64.b64encode(little.tobytes()).decode()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def _texts(arrays: Arrays) -> dict[str, Any]:
    return {name: _to_text(array) for name, array in arrays.items()}


def _to_array(value: Mapping[str, Any]) -> NDArray[Any]:
    if value["dtype"] not in _DTYPES:  # NumPy would parse other texts too, such as "f4,i8"
        raise ValueError(f"dtype must be one of {', '.join(_DTYPES)}; found {value['dtype']!r}")
    dtype = np.dtype(value["dtype"]).newbyteorder("<")
    if not isinstance(value["shape"], list):
        raise TypeError("shape must be a list")
    array = np.frombuffer(base64.b64decode(value["data"], validate=True), dtype).reshape(value["shape"])
    if list(array.shape) != value["shape"]:  # NumPy infers a length of -1
        raise ValueError(f"shape must be {list(array.shape)}; found {value['shape']}")
    if array.size == 0:
        raise ValueError(f"expected values, found none: shape {value['shape']}")
    return array.astype(dtype.newbyteorder("="))


def _arrays(values: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    return {name: _to_array(value) for name, value in values.items()}
