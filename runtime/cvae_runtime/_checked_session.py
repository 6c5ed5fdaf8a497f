"""Sessions whose failures are told as this project's errors, naming the file."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import BundleError, CvaeError, InputError, ProviderError
from ._manifest import GraphInfo

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
