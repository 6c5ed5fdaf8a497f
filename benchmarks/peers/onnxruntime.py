"""ONNX Runtime on the plain graph."""

import onnxruntime

from benchmarks._worker import Factory, Work
from benchmarks.peers import inputs, plain_graph


def default(task: str, folder: str) -> Factory:
    """A session as ``InferenceSession(path)`` gives it: its own threads, one a core."""
    session = onnxruntime.InferenceSession(plain_graph(task, folder), providers=["CPUExecutionProvider"])
    (name,) = (argument.name for argument in session.get_inputs())

    def at(batch: int) -> Work:
        feed = {name: inputs(task, folder, batch)}
        return lambda: session.run(None, feed)

    return at
