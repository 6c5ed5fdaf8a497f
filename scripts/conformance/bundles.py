"""Export the bundles of the table in docs/runtimes.md: python -m scripts.conformance.bundles FOLDER.

The first and the last one are the models of ``benchmarks/notebook/run`` and ``assets/mnist``; their export reads MNIST.
"""

import sys
from pathlib import Path
from typing import Any

from cvae_export import ExportConfig, export
from scripts.golden import MODELS, ROOT, make_colour_bundle

_FILES: dict[str, Any] = {"extras": ("encoder_float",), "also": ("ort", "tflite")}


def make_bundles(folder: Path) -> None:
    """Write a bundle of each kind with the float encoder, and files for ONNX Runtime's own format and for LiteRT."""
    folder.mkdir(parents=True, exist_ok=True)
    config = ExportConfig(targets=("portable",), **_FILES)
    export(ROOT / "benchmarks" / "notebook" / "run", folder / "Bernoulli", config, quiet=True)
    make_colour_bundle(folder / "colour", MODELS["mixture"], epochs=2, **_FILES)
    export(ROOT / "assets" / "mnist", folder / "labelled", config, quiet=True)


if __name__ == "__main__":
    make_bundles(Path(sys.argv[1]))
