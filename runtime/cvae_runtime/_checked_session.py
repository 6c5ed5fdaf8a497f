"""Sessions whose failures are told as this project's errors, naming the file."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import BundleError, InputError, ProviderError
from ._manifest import GraphInfo

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
        self._finite = graph.role == "encoder"  # of any pixels

    def run(self, items: NDArray[Any], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """The outputs of these names.

        Raises:
            BundleError: the graph fails on the CPU, or gives other shapes than it says, or no finite posterior.
            ProviderError: it fails on another provider.
            InputError: latents are so large that the decoder's sums leave float32.
        """
        try:
            found: list[NDArray[Any]] = self.session.run(outputs, {self.input: items})
        except Exception as error:  # ONNX Runtime's exceptions have no common base but this
            raise self.failure(error) from error
        self.check(found, len(items), outputs)
        self.refuse_overflow(items, found)
        return found

    def failure(self, error: Exception) -> Exception:
        """What to raise for what ONNX Runtime raised."""
        what = f"{self._source}: ONNX Runtime fails: {' '.join(str(error).split())}"
        if self._provider == "cpu":
            return BundleError(f"{what}; export the bundle again")
        return ProviderError(f"{what}; try provider cpu")

    def check(self, found: Sequence[NDArray[Any]], rows: int, outputs: Sequence[str]) -> None:
        """Raise `BundleError` unless these are the outputs that the graph promises."""
        for name, array in zip(outputs, found, strict=True):
            if array.shape != (expected := (rows, *self.shapes[name])):
                raise BundleError(
                    f"{self._source}: expected {name} of shape {expected}, found {array.shape}; export the bundle again"
                )
            # The sum of squares takes a quarter of the time, and tells of all but numbers above 1e19.
            if self._finite and not (math.isfinite(np.vdot(array, array)) or np.isfinite(array).all()):
                raise BundleError(f"{self._source}: expected a finite {name}, found NaN or infinity; export it again")

    def refuse_overflow(self, items: NDArray[Any], found: Sequence[NDArray[Any]]) -> None:
        """Raise `InputError` where a decoder makes no numbers of extreme latents; ordinary ones are not looked at."""
        if self._finite or np.vdot(items, items) < _EXTREME or all(np.isfinite(array).all() for array in found):
            return
        raise InputError(
            f"{self._source}: expected latents whose images float32 can hold, found some of up to "
            f"{np.abs(items).max():.3g}; give smaller ones, or a lower temperature"
        )
