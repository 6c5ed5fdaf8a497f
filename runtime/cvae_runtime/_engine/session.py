"""Sessions whose failures are told as this project's errors, naming the file."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._bundle import GraphInfo, ModelInfo, TensorInfo
from .._errors import BundleError, CvaeError, InputError, ProviderError

_Needs = Mapping[str, tuple[str, tuple[int, ...]]]  # name to dtype and shape after the batch

_ORT_TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}

_ROUNDING = 1e-3  # beyond 0 and 1: a quarter of a grey level; graphs in 8 bits and float16 are off by less
_EXTREME = 1e8  # sum of squares of a micro-batch's latents; those of the prior have some hundred thousand


class CheckedSession:
    """An ONNX Runtime session that gives what its graph's manifest says, or raises.

    ONNX Runtime opens graphs that fail when they run, and takes shapes that a graph declares as a hint.

    Args:
        session: what `check_session` has passed.
        graph: what it was opened from.
        provider: what it runs on.
        source: what errors call the graph.

    Attributes:
        session: that of ONNX Runtime.
        input: its input's name.
        shapes: those of its outputs by name, without the batch.
    """

    def __init__(self, session: Any, graph: GraphInfo, provider: str, source: str) -> None:
        self.session, self._provider, self._source = session, provider, source
        self.input = graph.inputs[0].name
        self.shapes: dict[str, Any] = {tensor.name: tensor.shape[1:] for tensor in graph.outputs}
        self._decodes = graph.role == "decoder"

    def run(self, items: NDArray[Any], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """The outputs of these names.

        Raises:
            BundleError: the graph fails on the CPU, or gives other shapes than it says, or values that are not finite, or
                "probs" outside [0, 1].
            ProviderError: so it does on another provider.
            InputError: latents are so large that the decoder's sums leave float32.
        """
        try:
            found: list[NDArray[Any]] = self.session.run(outputs, {self.input: items})
        except Exception as error:  # ONNX Runtime's exceptions have no common base but this
            raise self.failure(error) from error
        self.check_shapes(found, len(items), outputs)
        return self.checked_values(items, found, outputs)

    def failure(self, error: Exception) -> Exception:
        """What to raise for what ONNX Runtime raised."""
        what = f"{self._source}: ONNX Runtime fails: {' '.join(str(error).split())}"
        if self._provider == "cpu":
            return BundleError(f"{what}; export the bundle again")
        return ProviderError(f"{what}; try provider cpu")

    def check_shapes(self, found: Sequence[NDArray[Any]], rows: int, outputs: Sequence[str]) -> None:
        """Raise `BundleError` unless the outputs have the shapes that the graph promises."""
        for name, array in zip(outputs, found, strict=True):
            if array.shape != (expected := (rows, *self.shapes[name])):
                raise BundleError(
                    f"{self._source}: expected {name} of shape {expected}, found {array.shape}; export the bundle again"
                )

    def checked_values(
        self, items: NDArray[Any], found: Sequence[NDArray[Any]], outputs: Sequence[str]
    ) -> list[NDArray[Any]]:
        """The outputs for these items, rounding errors of "probs" beyond 0 and 1 cut off.

        Raises:
            BundleError, InputError: see `run`.
        """
        return [self._checked(items, array, name) for name, array in zip(outputs, found, strict=True)]

    def _checked(self, items: NDArray[Any], array: NDArray[Any], name: str) -> NDArray[Any]:
        if self._decodes and name == "probs":
            low, high = array.min(), array.max()
            if low >= 0.0 and high <= 1.0:  # also false where one is NaN
                return array
            if low >= -_ROUNDING and high <= 1.0 + _ROUNDING:
                return array.clip(0.0, 1.0)
            if np.isfinite(array).all():
                raise self._wrong(f"expected probs in [0, 1], found {low:.3g} to {high:.3g}")
        # The sum of squares takes a quarter of the time, and tells of all but numbers above 1e19.
        elif math.isfinite(np.vdot(array, array)) or np.isfinite(array).all():
            return array
        if self._decodes and np.vdot(items, items) >= _EXTREME:
            raise InputError(
                f"{self._source}: expected latents whose images float32 can hold, found some of up to "
                f"{np.abs(items).max():.3g}; give smaller ones, or a lower temperature"
            )
        raise self._wrong(f"expected a finite {name}, found NaN or infinity")

    def _wrong(self, what: str) -> CvaeError:
        if self._provider == "cpu":
            return BundleError(f"{self._source}: {what}; export it again")
        return ProviderError(f"{self._source}: {what}; try provider cpu")


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
