"""Sessions whose outputs are checked, and whose failures raise this project's errors with the file's name."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._bundle import GraphInfo, ModelInfo, TensorInfo
from .._errors import BundleError, CvaeError, InputError, ProviderError

_Needs = Mapping[str, tuple[str, tuple[int, ...]]]  # name to dtype and shape after the batch

LABEL = "label"  # name of the input for classes

_ORT_TYPES = {
    "tensor(float)": "float32",
    "tensor(uint8)": "uint8",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}

_DECISIONS: _Needs = {"score": ("float32", ()), "p_value": ("float32", ()), "alarm": ("bool", ())}

_ROUNDING = 1e-3  # tolerance beyond 0 and 1, a quarter of a grey level; int8 and float16 graphs exceed them by less
_EXTREME = 1e8  # sum of squares of a micro-batch's latents; for the prior it is some hundred thousand


class CheckedSession:
    """An ONNX Runtime session that returns outputs as the manifest describes them, or raises.

    ONNX Runtime opens graphs that fail when they run, and does not enforce the shapes that a graph declares.

    Args:
        session: a session that passed `check_session`.
        graph: the session's graph.
        provider: the session's execution provider, by name.
        source: name of the graph in error messages.

    Attributes:
        session: the session of ONNX Runtime.
        input: name of the graph's input for images, latents or noise.
        shapes: shapes of the graph's outputs by name, without the batch dimension.
        dtypes: dtypes of the outputs, by name.
    """

    def __init__(self, session: Any, graph: GraphInfo, provider: str, source: str) -> None:
        self.session, self._provider, self._source = session, provider, source
        self.input = next(tensor.name for tensor in graph.inputs if tensor.name != LABEL)
        self.shapes: dict[str, Any] = {tensor.name: tensor.shape[1:] for tensor in graph.outputs}
        self.dtypes: dict[str, str] = {tensor.name: tensor.dtype for tensor in graph.outputs}
        self._decodes = graph.role == "decoder"
        self._takes_latents = graph.role in ("decoder", "prior", "prior_density")

    def run(
        self, items: NDArray[Any], outputs: Sequence[str], labels: NDArray[np.int64] | None = None
    ) -> list[NDArray[Any]]:
        """Run the session on ``items``, with labels if the model has some; return the named outputs, float32 or bool.

        Raises:
            BundleError: the graph fails on the CPU, its outputs have wrong shapes or values that are not finite, or
                "probs" is outside [0, 1].
            ProviderError: the graph fails on another provider, or has such values there.
            InputError: latents are so large that the decoder overflows float32.
        """
        try:
            feed = {self.input: items} if labels is None else {self.input: items, LABEL: labels}
            found: list[NDArray[Any]] = self.session.run(outputs, feed)
        except Exception as error:  # ONNX Runtime's exceptions have no other common base
            raise self.failure(error) from error
        self.check_shapes(found, len(items), outputs)
        return self.checked_values(items, found, outputs)

    def failure(self, error: Exception) -> Exception:
        """Return the error to raise for an exception of ONNX Runtime."""
        message = f"{self._source}: ONNX Runtime fails: {' '.join(str(error).split())}"
        if self._provider == "cpu":
            return BundleError(f"{message}; export the bundle again")
        return ProviderError(f"{message}; try provider cpu")

    def check_shapes(self, found: Sequence[NDArray[Any]], rows: int, outputs: Sequence[str]) -> None:
        """Raise `BundleError` unless the outputs have the shapes that the manifest states."""
        for name, array in zip(outputs, found, strict=True):
            if array.shape != (expected := (rows, *self.shapes[name])):
                raise BundleError(
                    f"{self._source}: expected {name} of shape {expected}, found {array.shape}; export the bundle again"
                )

    def checked_values(
        self, items: NDArray[Any], found: Sequence[NDArray[Any]], outputs: Sequence[str]
    ) -> list[NDArray[Any]]:
        """Check the values of outputs, and clip rounding errors of "probs" to [0, 1].

        Raises:
            BundleError, ProviderError, InputError: see `run`.
        """
        return [self._checked(items, array, name) for name, array in zip(outputs, found, strict=True)]

    def _checked(self, items: NDArray[Any], array: NDArray[Any], name: str) -> NDArray[Any]:
        if self._decodes and name == "probs":
            low, high = array.min(), array.max()
            if low >= 0.0 and high <= 1.0:  # false if one is NaN
                return array
            if low >= -_ROUNDING and high <= 1.0 + _ROUNDING:
                return array.clip(0.0, 1.0)
            if np.isfinite(array).all():
                raise self._wrong(f"expected probs in [0, 1], found {low:.3g} to {high:.3g}")
        # The sum of squares is 4x faster than isfinite, but overflows for numbers above 1e19.
        elif math.isfinite(np.vdot(array, array)) or np.isfinite(array).all():
            return array
        if self._takes_latents and np.vdot(items, items) >= _EXTREME:
            raise InputError(
                f"{self._source}: expected latents whose outputs fit float32, found values up to "
                f"{np.abs(items).max():.3g}; use smaller latents or a lower temperature"
            )
        raise self._wrong(f"expected a finite {name}, found NaN or infinity")

    def _wrong(self, message: str) -> CvaeError:
        if self._provider == "cpu":
            return BundleError(f"{self._source}: {message}; export it again")
        return ProviderError(f"{self._source}: {message}; try provider cpu")


def check_session(session: Any, graph: GraphInfo, model: ModelInfo, source: str) -> None:
    """Raise `BundleError` unless a session has the inputs and outputs that the manifest states and the role needs.

    Args:
        session: the session of ONNX Runtime.
        graph: the graph's entry in the manifest.
        model: the model's entry in the manifest.
        source: name of the graph in error messages.
    """
    image, latent = model.image_shape, (model.latent_dim,)
    roles: dict[str, tuple[_Needs, _Needs]] = {
        "encoder": ({"images": ("uint8", image)}, {"mean": ("float32", latent), "logvar": ("float32", latent)}),
        "decoder": ({"z": ("float32", latent)}, _decoded(graph, model)),
        "prior": ({"noise": ("float32", latent)}, {"z": ("float32", latent)}),
        "prior_density": ({"z": ("float32", latent)}, {"log_prob": ("float32", ()), "noise": ("float32", latent)}),
        "detector": ({"images": ("uint8", image)}, {**_DECISIONS, "map": ("float32", image[:2])}),
    }
    needed_inputs, needed_outputs = roles[graph.role]
    if model.labels is not None and graph.role != "detector":
        needed_inputs = {**needed_inputs, LABEL: ("int64", ())}
    for kind, stated, tensors, needed in (
        ("inputs", graph.inputs, session.get_inputs(), needed_inputs),
        ("outputs", graph.outputs, session.get_outputs(), needed_outputs),
    ):
        try:
            found = tuple(TensorInfo(t.name, _ORT_TYPES.get(t.type, t.type), tuple(t.shape)) for t in tensors)
        except UnicodeDecodeError as error:
            raise BundleError(f"{source}: the {kind} have names that are not UTF-8; export the bundle again") from error
        by_name = {tensor.name: (tensor.dtype, tensor.shape[1:]) for tensor in found}
        if found != stated or any(by_name.get(name) != tensor for name, tensor in needed.items()):
            needs = tuple(TensorInfo(name, dtype, ("batch", *shape)) for name, (dtype, shape) in needed.items())
            raise BundleError(
                f"{source}: expected the {kind} {_describe(stated)}, among them {_describe(needs)}; "
                f"found {_describe(found)}; export the bundle again"
            )


def _decoded(graph: GraphInfo, model: ModelInfo) -> _Needs:
    """Return the outputs that a decoder must have. A mixture has as many components as the graph's "location"."""
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
