"""Options that several console scripts share."""

from typing import get_args

import click

from .. import cli
from .._bundle import Precision
from .._engine import PROVIDERS

MODEL_OPTIONS = ("provider", "precision", "threads")


# Add ``--provider``, ``--precision`` and ``--threads``, the arguments of `load`.
model_options = cli.add_options(
    click.option(
        "--provider",
        type=click.Choice(["auto", *PROVIDERS]),
        default="auto",
        show_default=True,
        help="Execution provider of ONNX Runtime; auto falls back to the CPU.",
    ),
    click.option(
        "--precision",
        type=click.Choice(get_args(Precision)),
        default="float32",
        show_default=True,
        help="Precision of the graphs.",
    ),
    click.option("--threads", type=int, help="Number of CPU threads.  [default: all cores]"),
)
