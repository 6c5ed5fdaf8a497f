"""An engine for a GPU: bound memory of few sizes on the device."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._system import require
from .cpu import Array, Engine, store
from .scheduler import Scheduler
from .session import CheckedSession


class BoundEngine(Engine):
    """Calls a session by ONNX Runtime's IOBinding, with memory on the device that is allocated once.

    A size that a GPU's library has not seen makes it search for its fastest algorithms anew. So items are padded to the
    next power of two, or a micro-batch, and the rows beyond them dropped. Each thread has buffers of its own.

    Args:
        session, micro_batch, scheduler: as for `Engine`.
        device: where the provider has its memory, in ONNX Runtime's words: "cuda", or "cpu".
        device_id: which of these.
    """

    def __init__(
        self,
        session: CheckedSession,
        micro_batch: int,
        scheduler: Scheduler,
        *,
        device: str = "cuda",
        device_id: int = 0,
    ) -> None:
        super().__init__(session, micro_batch, scheduler)
        self._threads = 1  # a device has cores for a whole micro-batch: smaller ones would gain nothing
        self._device = device, device_id
        self._buffers = threading.local()

    def _call(self, items: Array, outputs: Mapping[str, Array]) -> None:
        size = min(self.micro_batch, 1 << (len(items) - 1).bit_length())
        made: dict[Any, Any] = self._buffers.__dict__  # of this thread
        key = (size, *outputs)
        if key not in made:
            made[key] = self._bind(size, items, list(outputs))
        binding, rows, device_input, device_outputs = made[key]
        rows[: len(items)] = items  # what is below is of an earlier call, and dropped again
        try:
            device_input.update_inplace(rows)
            self._session.session.run_with_iobinding(binding)
            found = [output.numpy() for output in device_outputs]
        except Exception as error:  # ONNX Runtime's exceptions have no common base but this
            raise self._session.failure(error) from error
        self._session.check_shapes(found, size, list(outputs))
        found = self._session.checked_values(items, [part[: len(items)] for part in found], list(outputs))
        for part, out in zip(found, outputs.values(), strict=True):
            store(part, out)

    def _bind(self, size: int, items: Array, outputs: Sequence[str]) -> tuple[Any, Array, Any, list[Any]]:
        """Allocate for a size: the binding, the host's rows, the device's input and its outputs, float32."""
        value = require("onnxruntime", "gpu").OrtValue
        rows = np.zeros((size, *items.shape[1:]), items.dtype)
        device_input = value.ortvalue_from_numpy(rows, *self._device)
        binding = self._session.session.io_binding()
        binding.bind_ortvalue_input(self._session.input, device_input)
        found = []
        for name in outputs:
            shape = size, *self._session.shapes[name]
            found.append(value.ortvalue_from_shape_and_type(shape, np.float32, *self._device))
            binding.bind_ortvalue_output(name, found[-1])
        return binding, rows, device_input, found
