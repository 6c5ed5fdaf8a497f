"""OpenVINO on the plain graph, compiled for each batch size; each hint has its own threads and streams.

By default OpenVINO uses bfloat16 if the processor has it, so every peer sets a precision.
"""

from collections.abc import Callable

import numpy as np
import openvino

from benchmarks._worker import Factory, UnavailableError, Work
from benchmarks.peers import inputs, plain_graph

# Images per request of the queue: the fastest of 4, 8, 16, 32, 64 and 128 for a batch of 256 on 2 cores.
_PART = 32

Compile = Callable[[str, int], "openvino.CompiledModel"]  # from a task and a batch size


def _compiler(folder: str, hint: str, precision: str) -> Compile:
    core = openvino.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UnavailableError("OpenVINO has no bfloat16 on this processor")

    def compile_for(task: str, batch: int) -> "openvino.CompiledModel":
        model = core.read_model(plain_graph(task, folder))
        model.reshape([batch, *list(model.input().partial_shape)[1:]])
        return core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": hint})

    return compile_for


def _whole(folder: str, compile_for: Compile) -> Factory:
    """One request for the whole batch."""

    def at(task: str, batch: int) -> Work:
        x = inputs(task, folder, batch)
        request = compile_for(task, batch).create_infer_request()
        return lambda: list(request.infer([x], share_inputs=True).values())

    return at


def _queue(folder: str, compile_for: Compile) -> Factory:
    """Parts of the batch in parallel, one stream per core, through the asynchronous queue."""

    def at(task: str, batch: int) -> Work:
        x = inputs(task, folder, batch)
        streams = compile_for(task, batch).get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        most = min(_PART, -(-batch // streams))
        part = next(size for size in range(most, 0, -1) if batch % size == 0)  # parts of equal size
        compiled = compile_for(task, part)
        queue = openvino.AsyncInferQueue(compiled)
        parts = [(start, x[start : start + part]) for start in range(0, batch, part)]
        shapes = [(batch, *list(output.shape)[1:]) for output in compiled.outputs]
        found: list[np.ndarray] = []

        def store(request: "openvino.InferRequest", start: int) -> None:
            for whole, output in zip(found, request.output_tensors, strict=True):
                whole[start : start + part] = output.data

        queue.set_callback(store)

        def work() -> list[np.ndarray]:
            found[:] = [np.empty(shape, np.float32) for shape in shapes]
            for start, images in parts:
                queue.start_async([images], start, share_inputs=True)
            queue.wait_all()
            return list(found)

        return work

    return at


def latency(folder: str, precision: str) -> Factory:
    """The hint LATENCY: one request for the whole batch, on all cores."""
    return _whole(folder, _compiler(folder, "LATENCY", precision))


def throughput(folder: str, precision: str) -> Factory:
    """The hint THROUGHPUT with one request for the whole batch; all streams but one are idle."""
    return _whole(folder, _compiler(folder, "THROUGHPUT", precision))


def queue(folder: str, precision: str) -> Factory:
    """The hint THROUGHPUT as intended: requests in parallel."""
    return _queue(folder, _compiler(folder, "THROUGHPUT", precision))
