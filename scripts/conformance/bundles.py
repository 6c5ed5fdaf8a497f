"""Export the bundles of the table in docs/runtimes.md: python -m scripts.conformance.bundles FOLDER.

The first and the last one are the models of ``benchmarks/notebook/run`` and ``assets/mnist``; their export reads MNIST.
"""

import functools
import sys
from pathlib import Path
from unittest import mock

from cvae_export import ExportConfig, export
from scripts.golden import MODELS, ROOT, make_colour_bundle


def make_bundles(folder: Path) -> None:
    """Write a bundle of each kind with files for ONNX Runtime's own format and for LiteRT."""
    config = functools.partial(ExportConfig, targets=("portable",), also=("ort", "tflite"))
    export(ROOT / "benchmarks" / "notebook" / "run", folder / "Bernoulli", config(), quiet=True)
    with mock.patch("cvae_export.ExportConfig", config):
        make_colour_bundle(folder / "colour", MODELS["mixture"], epochs=2)
    export(ROOT / "assets" / "mnist", folder / "labelled", config(), quiet=True)


if __name__ == "__main__":
    make_bundles(Path(sys.argv[1]))
