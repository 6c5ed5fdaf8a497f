"""OpenVINO on the plain graph, compiled for each batch size in float32; each hint brings its own threads and streams."""

import numpy as np
import openvino

from benchmarks._worker import Factory, Work
from benchmarks.peers import inputs, plain_graph

# Images a request of the queue takes at most: the fastest of 4, 8, 16, 32, 64 and 128 at a batch of 256 on 2 cores.
_PART = 32


def _compile(task: str, folder: str, batch: int, hint: str) -> "openvino.CompiledModel":
    model = openvino.Core().read_model(plain_graph(task, folder))
    model.reshape([batch, *list(model.input().partial_shape)[1:]])
    return openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": hint})


def latency(task: str, folder: str) -> Factory:
    """The hint LATENCY: one request for the whole batch, on all cores."""

    def at(batch: int) -> Work:
        x = inputs(task, folder, batch)
        request = _compile(task, folder, batch, "LATENCY").create_infer_request()
        return lambda: list(request.infer([x], share_inputs=True).values())

    return at


def throughput(task: str, folder: str) -> Factory:
    """The hint THROUGHPUT: parts of the batch side by side, a stream a core."""

    def at(batch: int) -> Work:
        x = inputs(task, folder, batch)
        streams = _compile(task, folder, batch, "THROUGHPUT").get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        most = min(_PART, -(-batch // streams))
        part = next(size for size in range(most, 0, -1) if batch % size == 0)  # all of one shape
        compiled = _compile(task, folder, part, "THROUGHPUT")
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
