"""LiteRT, formerly TensorFlow Lite: its interpreter with XNNPACK's kernels, one thread per core."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

import cvae_runtime
import cvae_runtime.system
from benchmarks._worker import Factory, Work
from benchmarks.peers import inputs, lite_model


def xnnpack(folder: str) -> Factory:
    """One model per batch size. Inputs and outputs are copied, as LiteRT's Python API does."""

    def at(task: str, batch: int) -> Work:
        path = str(lite_model(task, folder, batch))
        interpreter = Interpreter(path, num_threads=cvae_runtime.system.allowed_cores())
        interpreter.allocate_tensors()
        (given,) = (detail["index"] for detail in interpreter.get_input_details())
        wanted = [d["index"] for d in sorted(interpreter.get_output_details(), key=lambda d: d["name"])]
        x = inputs(task, folder, batch)

        def work() -> list[np.ndarray]:
            interpreter.set_tensor(given, x)
            interpreter.invoke()
            return [interpreter.get_tensor(index) for index in wanted]

        return work

    return at
