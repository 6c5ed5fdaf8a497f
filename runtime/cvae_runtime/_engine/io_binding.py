"""Run one graph on a GPU, with inputs and outputs in preallocated device memory."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._system import require
from .cpu import Array, Engine
from .scheduler import Scheduler
from .session import LABEL, CheckedSession


class BoundEngine(Engine):
    """Runs a session through ONNX Runtime's IOBinding, with device memory that is allocated once.

    For each new batch size, cuDNN searches again for its fastest algorithms. So items are padded to the next power of
    two, at most a micro-batch, and the padding is dropped from the outputs. Each thread has its own buffers.

    Args:
        session, micro_batch, scheduler: as for `Engine`.
        device: the provider's memory, by ONNX Runtime's name: "cuda" or "cpu".
        device_id: number of the device.
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
        self._threads = 1  # smaller micro-batches would leave cores of the device idle
        self._device = device, device_id
        self._buffers = threading.local()

    def _compute(self, items: Array, outputs: Sequence[str], dtype: str, labels: Array | None) -> dict[str, Array]:
        results = self._empty(len(items), outputs, dtype)
        self._store(items, results, labels)  # the binding's memory is used again
        return results

    def call(self, items: Array, outputs: Sequence[str], labels: Array | None) -> list[Array]:
        """See `Engine.call`."""
        size = min(self.micro_batch, 1 << (len(items) - 1).bit_length())
        bindings: dict[Any, Any] = self._buffers.__dict__  # of this thread
        key = (size, *outputs)
        if key not in bindings:
            bindings[key] = self._bind(size, items, outputs)
        binding, rows, device_input, device_outputs = bindings[key]
        rows[: len(items)] = items  # the other rows are padding, whatever they hold
        try:
            device_input.update_inplace(rows)
            if labels is not None:
                binding.bind_cpu_input(LABEL, np.concatenate([labels, np.zeros(size - len(items), np.int64)]))
            self._session.session.run_with_iobinding(binding)
            found = [output.numpy() for output in device_outputs]
        except Exception as error:  # ONNX Runtime's exceptions have no other common base
            raise self._session.failure(error) from error
        self._session.check_shapes(found, size, outputs)
        return self._session.checked_values(items, [part[: len(items)] for part in found], outputs)

    def _bind(self, size: int, items: Array, outputs: Sequence[str]) -> tuple[Any, Array, Any, list[Any]]:
        """Allocate the binding, the host's rows, and the device's input and float32 outputs for ``size`` items."""
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
