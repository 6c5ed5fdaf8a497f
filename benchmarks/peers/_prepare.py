"""What peers find in their folder: ``python -m benchmarks.peers._prepare FOLDER``.

In a process of its own, so that TensorFlow's threads are gone when the race begins.
"""

import sys
from pathlib import Path

import numpy as np

import cvae_runtime
from benchmarks.peers import ASSETS, ROLES, plain_graph
from cvae_export._convert import convert, finish
from cvae_export._functions import FUNCTIONS, outputs_of
from cvae_export._settings import DEFAULT_OPSET
from cvae_export._subject import subject_of_run

IMAGES = 256


def prepare(folder: str) -> None:
    """Write each task's input, and its graph without a rewrite of ours, what ``cvae-export --passes none`` writes."""
    with cvae_runtime.load(provider="cpu") as model:
        latents = cvae_runtime.prior_latents(0, 0, IMAGES, model.latent_dim)
        images = cvae_runtime.to_uint8(model.decode(latents))
    subject = subject_of_run(ASSETS, None, quiet=True)
    for task, role in ROLES.items():
        np.save(Path(folder) / f"{task}.npy", latents if task == "decoding" else images)
        proto = convert(FUNCTIONS[role](subject), DEFAULT_OPSET)
        graph, _ = finish(proto, (), outputs_of(role, subject), {"cvae.role": role})
        plain_graph(task, folder).write_bytes(graph)


if __name__ == "__main__":
    prepare(sys.argv[1])
