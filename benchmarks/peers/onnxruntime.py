"""ONNX Runtime on the plain graph."""

import os

import onnxruntime

from benchmarks._worker import Factory, UnavailableError, Work
from benchmarks.peers import inputs, plain_graph
from cvae_runtime.system import allowed_cores


def _peer(folder: str, provider: str) -> Factory:
    if provider not in onnxruntime.get_available_providers():
        raise UnavailableError(f"the ONNX Runtime that is installed has no {provider}")

    options = onnxruntime.SessionOptions()
    # By default it uses all cores of the machine, even those that the process may not use.
    if (cores := allowed_cores()) < (os.cpu_count() or 1):
        options.intra_op_num_threads = cores

    def at(task: str, batch: int) -> Work:
        session = onnxruntime.InferenceSession(plain_graph(task, folder), options, providers=[provider])
        found = session.get_providers()[0]
        if found != provider:
            raise RuntimeError(f"{provider} is compiled in, but {found} is what runs: is there a GPU with its driver?")
        (name,) = (argument.name for argument in session.get_inputs())
        feed = {name: inputs(task, folder, batch)}
        return lambda: session.run(None, feed)

    return at


def default(folder: str) -> Factory:
    """A session of ``InferenceSession(path)``: one thread per core that the process may use."""
    return _peer(folder, "CPUExecutionProvider")


def cuda(folder: str) -> Factory:
    """On a GPU, including the copies to and from it."""
    return _peer(folder, "CUDAExecutionProvider")


def tensorrt(folder: str) -> Factory:
    """On a GPU, compiled by TensorRT for each batch size, including the copies."""
    return _peer(folder, "TensorrtExecutionProvider")
