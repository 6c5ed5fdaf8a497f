"""Write the inputs and graphs of the peers: ``python -m benchmarks.peers._prepare FOLDER BATCH...``.

A separate process, so that TensorFlow's threads are gone before the race begins.
"""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import cvae_runtime
from benchmarks._notebook import BUNDLE, RUN
from benchmarks.peers import ROLES, lite_model, plain_graph
from cvae_export._config import DEFAULT_OPSET
from cvae_export._convert import convert, finish
from cvae_export._functions import FUNCTIONS, outputs_of
from cvae_export._source import ExportSource, source_of_run

IMAGES = 256


def prepare(folder: str, batches: Sequence[int]) -> None:
    """Write each task's input, and its graph as written by ``cvae-export --passes none``.

    LiteRT gets one model per batch size, because its transposed convolutions need known shapes.
    """
    with cvae_runtime.load(BUNDLE, provider="cpu") as model:
        latents = cvae_runtime.prior_latents(0, 0, IMAGES, model.latent_dim)
        images = cvae_runtime.to_uint8(model.decode(latents))
    source = source_of_run(RUN, None, quiet=True)
    for task, role in ROLES.items():
        x = latents if task == "decoding" else images
        np.save(Path(folder) / f"{task}.npy", x)
        proto = convert(FUNCTIONS[role](source), DEFAULT_OPSET)
        graph, _ = finish(proto, (), outputs_of(role, source), {"cvae.role": role})
        plain_graph(task, folder).write_bytes(graph)
        if importlib.util.find_spec("ai_edge_litert"):
            for batch in batches:
                lite_model(task, folder, batch).write_bytes(_lite(role, source, (batch, *x.shape[1:])))


def _lite(role: str, source: ExportSource, shape: tuple[int, ...]) -> bytes:
    """The LiteRT model of a role. Its outputs have numbers as names, because LiteRT does not keep their order."""
    import tensorflow as tf

    compute, outputs = FUNCTIONS[role](source).python_function, outputs_of(role, source)

    def ordered(x: tf.Tensor) -> dict[str, tf.Tensor]:
        found = compute(x)
        return {f"output_{number}": found[name] for number, name in enumerate(outputs)}

    dtype = tf.float32 if role == "decoder" else tf.uint8
    function = tf.function(ordered, autograph=False).get_concrete_function(tf.TensorSpec(shape, dtype, "x"))
    module = tf.Module()
    module.function = function
    converted: bytes = tf.lite.TFLiteConverter.from_concrete_functions([function], module).convert()
    return converted


if __name__ == "__main__":
    prepare(sys.argv[1], [int(batch) for batch in sys.argv[2:]])
